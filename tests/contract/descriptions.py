"""The official descriptions of the Cases API, to hold requests and answers against.

They are looked for beside the checkout; without them nothing is complained of, and the tests that are about them skip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from reconciler.sandbox.http.wire import Request, Response

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "coralogix"
PREFIX = "/mgmt/openapi/5"
NOT_DESCRIBED = frozenset({"/identity/whoami"})
"""used by Coralogix's own command line, and in no description"""
UNDECLARED = frozenset({403, 404})
"""statuses that the service gives without declaring them everywhere; their body must be that of a 400"""


class Operation:
    """Check requests and answers of one operation."""

    def __init__(self, name: str, pattern: str, details: dict[str, Any], components: dict[str, Any]) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._components = components
        self._parameters = {one["name"]: one for one in details.get("parameters", [])}
        self._responses = details["responses"]
        self._body = details.get("requestBody")
        self._validators: dict[str, jsonschema_rs.Draft4Validator] = {}

    def match(self, method: str, path: str) -> re.Match[str] | None:
        return self._pattern.fullmatch(f"{method} {path}")

    def request_complaints(self, request: Request, places: dict[str, str]) -> Iterator[str]:
        for name, value in {**places, **request.query}.items():
            if name not in self._parameters:
                yield f"{self.name}: the parameter {name} is not described"
            else:
                yield from self._complaints(f"parameter {name}", self._parameters[name]["schema"], value)
        if self._body is not None:
            schema = self._body["content"]["application/json"]["schema"]
            yield from self._complaints("request", schema, json.loads(request.body or b"{}"))
        elif request.body:
            yield f"{self.name}: takes no body"

    def answer_complaints(self, response: Response) -> Iterator[str]:
        status = "400" if response.status in UNDECLARED else str(response.status)
        declared = self._responses.get(str(response.status), self._responses.get(status))
        if declared is None:
            yield f"{self.name}: the status {response.status} is not declared"
            return
        schema = declared["content"]["application/json"]["schema"]
        yield from self._complaints(f"answer {response.status}", schema, json.loads(response.body))

    def _complaints(self, what: str, schema: dict[str, Any], document: object) -> Iterator[str]:
        if what not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[what] = jsonschema_rs.Draft4Validator(whole, validate_formats=True)
        for error in self._validators[what].iter_errors(document):
            yield f"{self.name}: {what}: {error.message} at {error.instance_path}"


class Descriptions:
    """Hold every operation of every description; none where there are no descriptions."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.seen: set[str] = set()
        """the operations that were used"""
        for file in sorted(FOLDER.glob("*.openapi.json")):
            document = json.loads(file.read_text())
            for path, verbs in document["paths"].items():
                for verb in verbs.keys() & {"get", "post", "put", "patch", "delete"}:
                    name = f"{verb.upper()} {path}"
                    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(name))
                    self.operations.append(Operation(name, pattern, verbs[verb], document["components"]))

    def complaints(self, request: Request, response: Response | None) -> list[str]:
        """List what is not allowed; without a response, of the request alone."""
        if not self.operations or request.path in NOT_DESCRIBED:
            return []
        path = request.path.removeprefix(PREFIX)
        for operation in self.operations:
            match = operation.match(request.method, path)
            if match is not None and path != request.path:
                self.seen.add(operation.name)
                found = list(operation.request_complaints(request, match.groupdict()))
                return found + (list(operation.answer_complaints(response)) if response else [])
        return [f"{request.method} {request.path} is not described"]
