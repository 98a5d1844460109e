"""Remove our login's secrets from answers that repeat them, before any other part of the program sees the answer.

An error page with the request's headers, a proxy that prints what it was sent, an odd request id: what an answer says
is stored in the database and the log. So the HTTP client, which alone knows the secrets, looks for them in every form:
plain, percent-encoded, escaped for HTML, and in Base64 at each of its three offsets.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

from reconciler.core.text import REDACTED
from reconciler.remotes.http.outcomes import Answer, read_json

SHORTEST_IN_REFUSALS = 4
SHORTEST_IN_DATA = 8
"""A shorter secret would match too many ordinary words in Cases and records."""
_SHORTEST_CORE = 6
_JSON_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


class Echoes:
    """The forms of some secrets. Immutable, so safe for several threads."""

    def __init__(self, secrets: Collection[str], *, shortest: int) -> None:
        known = sorted((one for one in secrets if len(one) >= shortest), key=len, reverse=True)
        self._plain = tuple(one.encode() for one in known)
        self._cores = tuple(core.encode() for one in known for core in dict.fromkeys(_base64_cores(one)))
        self._escaped = tuple(text.encode() for one in known if (text := html.escape(one)) != one)
        patterns = [_percent_pattern(one) for one in known]
        patterns += [re.escape(each.decode()) for each in (*self._escaped, *self._cores)]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def are_in(self, data: bytes) -> bool:
        """Return whether some bytes hold any secret, in any form, also with JSON escapes."""
        flat = _JSON_ESCAPE.sub(_unescaped, data) if b"\\" in data else data
        if any(form in flat for form in (*self._plain, *self._cores, *self._escaped)):
            return True
        if b"%" not in flat and b"+" not in flat:
            return False
        decoded = unquote_to_bytes(flat).replace(b"+", b" ")  # in a form, a plus stands for a space
        return any(form.replace(b"+", b" ") in decoded for form in self._plain)

    def blotted(self, text: str) -> str:
        """Return a text without the secrets."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def blotted_value(self, value: Any) -> Any:
        """Return a JSON value without the secrets, names of members included."""
        match value:
            case str():
                return self.blotted(value)
            case dict():
                return {self.blotted(name): self.blotted_value(part) for name, part in value.items()}
            case list():
                return [self.blotted_value(part) for part in value]
            case _:
                return value

    def clean(self, answer: Answer) -> Answer:
        """Return an answer without the secrets; a body that is not JSON is treated as text."""
        headers = {self.blotted(name): self.blotted(value) for name, value in answer.headers.items()}
        request_id = None if answer.request_id is None else self.blotted(answer.request_id)
        cleaned = replace(answer, headers=headers, request_id=request_id)
        if not self.are_in(answer.body):
            return cleaned
        document = read_json(answer.body)
        if document is None:
            return replace(cleaned, body=self.blotted(answer.body.decode("utf-8", "replace")).encode())
        return replace(cleaned, body=json.dumps(self.blotted_value(document)).encode())


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode("utf-8", "replace")
    return match[2]


def _percent_pattern(secret: str) -> str:
    """Return a pattern for a secret of which any character may be percent-encoded."""
    return "".join(map(_percent_sign, secret))


@cache
def _percent_sign(sign: str) -> str:
    encoded = "".join(f"%(?i:{byte:02x})" for byte in sign.encode())
    also = "|\\+|%2[bB]" if sign == " " else ""  # a plus stands for a space in a form
    return f"(?:{re.escape(sign)}|{encoded}{also})"


def _base64_cores(secret: str) -> Iterator[str]:
    """Yield the Base64 forms of a secret at each offset, without the characters that neighbouring bytes change."""
    raw = secret.encode()
    # Three bytes are four characters: behind one foreign byte two hold bits of it, behind two foreign bytes three.
    for offset, shared in enumerate((0, 2, 3)):
        encoded = base64.b64encode(b"\0" * offset + raw).decode("ascii")
        end = len(encoded) - (0, 3, 2)[(offset + len(raw)) % 3]
        core = encoded[shared:end]
        if len(core) >= _SHORTEST_CORE:
            yield core
            yield core.replace("+", "-").replace("/", "_")
