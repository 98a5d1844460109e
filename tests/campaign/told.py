"""What the database tells of our writes is what the two services saw, no more and no less.

A write that took effect has its row, whatever was killed in between; a row that says that a service took a write is
one that the service wrote down. Where a copy of a database was put back, what stood in it is lost with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.campaign.invariants import Violation
from tests.campaign.stage import Stage
from tests.campaign.trace import Copied, Request

_ROWS = """SELECT h.method, h.path, h.status, a.case_id, a.connector FROM audit_http h
    JOIN audit_actions a ON a.seq = h.action_seq
    WHERE h.method <> 'GET' AND h.path <> '/mgmt/openapi/5/cases/cases/v1'"""
_VERBS = {"acknowledged": "cases.acknowledge", "resolved": "cases.resolve", "closed": "cases.close"}


class Written(NamedTuple):
    """Name one write: what was done to whom."""

    operation: str
    target: str
    """Case id, or connector and ``sys_id``; of a create, connector and Case id"""


def told_otherwise(stage: Stage) -> Iterator[Violation]:
    """Name each write that the services saw and a database does not tell, and the other way about."""
    for number in range(len(stage.databases)):
        hosts = [host for host in stage.hosts if stage.database_of(host) == number]
        if not any(isinstance(event, Copied) and event.back and event.database == number for event in stage.events):
            told, answered = _told(stage, hosts[0])
            asked = [event for event in stage.events if isinstance(event, Request) and event.host in hosts]
            yield from compare(asked, told, answered)


def compare(asked: Sequence[Request], told: Counter[Written], answered: Counter[Written]) -> Iterator[Violation]:
    """Hold what took effect to the rows, and the rows that say that a service answered well to what it was asked."""
    effected = Counter(_of_request(one) for one in asked if any(effect.accepted for effect in one.effects))
    yield from (Violation("a write that a service saw is not told", str(one)) for one in effected - told)
    yield from (Violation("a write is told that no service saw", str(one)) for one in answered - _all(asked))


def _all(asked: Sequence[Request]) -> Counter[Written]:
    return Counter(map(_of_request, asked))


def _of_request(request: Request) -> Written:
    if request.operation.startswith("cases"):
        return Written(request.operation, request.target)
    name = request.case_id if request.operation == "records.create" else request.target.rpartition("/")[2]
    return Written(request.operation, f"{request.connector}/{name}")


def _told(stage: Stage, host: int) -> tuple[Counter[Written], Counter[Written]]:
    """Give every write that has a row, and those of them that a service is said to have answered well."""
    rows = stage.store(host).database.named(_ROWS)
    named = [(_of_row(row["path"], row["case_id"], row["connector"]), row["status"]) for row in rows]
    answered = Counter(one for one, status in named if status in (200, 201))
    return Counter(one for one, _ in named), answered


def _of_row(path: str, case_id: str, connector: str) -> Written:
    parts = path.split("/")
    if parts[1] == "mgmt":
        return Written(_VERBS[parts[5]], parts[-1])
    is_create = len(parts) == 5
    return Written(
        "records.create" if is_create else "records.update", f"{connector}/{case_id if is_create else parts[5]}"
    )
