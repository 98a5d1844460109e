"""What the program is held against: a naive script without a memory, and the bare writes, which are the floor.

``python -m tests.bench.script WHAT CASES RECORDS``: for each Case the script looks for its record, makes it and reads
it back; for each resolved record it reads the record, reads its Case and resolves that. One request after the other.
The floor sends the writes alone, by as many threads as the program has workers.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any

import requests

LIST = "/mgmt/openapi/5/cases/cases/v1"
TABLE = "/api/now/table/incident"
KEY = "bench-key"
USER = "coralogix.sync"
PASSWORD = "sandbox-password"
WORKERS = 8

_own = local()


class Bare:
    """Send requests with nothing around them."""

    def __init__(self, cases: str, records: str) -> None:
        self.cases, self.records = cases, records
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.case_headers = {"Authorization": f"Bearer {KEY}"}
        self.record_headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def send(self, method: str, url: str, headers: dict[str, str], **what: Any) -> Any:
        """Send one request over this thread's own connection, and give the answer's document."""
        if not hasattr(_own, "session"):
            _own.session = requests.Session()
            _own.session.trust_env = False
        answer = _own.session.request(method, url, headers=headers, timeout=60, **what)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def all_cases(self) -> list[dict[str, Any]]:
        """Read every Case."""
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = {"pageSize": 200, **({"pageToken": token} if token else {})}
            answer = self.send("POST", self.cases + LIST, self.case_headers, json={"pagination": page})
            found += answer["cases"]
            token = answer["pagination"].get("nextPageToken")
            if not token:
                return found

    def find(self, query: str, limit: int) -> list[dict[str, str]]:
        """Ask for records."""
        asked = {"sysparm_query": query, "sysparm_limit": str(limit)}
        found: list[dict[str, str]] = self.send("GET", self.records + TABLE, self.record_headers, params=asked)[
            "result"
        ]
        return found

    def create(self, case: dict[str, Any]) -> str:
        """Make one record."""
        body = {
            "correlation_id": case["id"],
            "correlation_display": "Coralogix",
            "short_description": case["title"],
        }
        made = self.send("POST", self.records + TABLE, self.record_headers, json=body)
        return str(made["result"]["sys_id"])

    def resolve(self, case_id: str) -> None:
        """Resolve one Case."""
        self.send("PUT", f"{self.cases}/mgmt/openapi/5/cases/resolved/v1/{case_id}", self.case_headers, json={})


def create(bare: Bare) -> None:
    """Make a record for each Case, as a script does."""
    for case in bare.all_cases():
        if not bare.find(f"correlation_id={case['id']}", 2):
            sys_id = bare.create(case)
            bare.find(f"sys_id={sys_id}", 1)


def create_bare(bare: Bare) -> None:
    """Make a record for each Case, and nothing else."""
    _side_by_side(bare.create, bare.all_cases())


def back(bare: Bare) -> None:
    """Resolve the Case of each resolved record, as a script does."""
    for record in bare.find("state=6^correlation_display=Coralogix", 1000):
        bare.find(f"sys_id={record['sys_id']}", 1)
        case_id = record["correlation_id"]
        bare.send("GET", f"{bare.cases}{LIST}/{case_id}", bare.case_headers)
        bare.resolve(case_id)


def back_bare(bare: Bare) -> None:
    """Resolve the Case of each resolved record, and nothing else."""
    records = bare.find("state=6^correlation_display=Coralogix", 1000)
    _side_by_side(bare.resolve, [record["correlation_id"] for record in records])


def quiet(bare: Bare) -> None:
    """Look once whether anything is new."""
    bare.send("POST", bare.cases + LIST, bare.case_headers, json={"pagination": {"pageSize": 200}})
    bare.find("correlation_display=Coralogix^ORDERBYDESCsys_updated_on", 200)


def _side_by_side(deed: Callable[[Any], object], things: Iterable[Any]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(deed, things))


DEEDS = {"create": create, "create-bare": create_bare, "back": back, "back-bare": back_bare, "quiet": quiet}

if __name__ == "__main__":
    DEEDS[sys.argv[1]](Bare(sys.argv[2], sys.argv[3]))
