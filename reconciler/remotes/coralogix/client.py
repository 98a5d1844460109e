"""CaseClient over the Coralogix Cases API, version 5.

Rules: a path holds only an id that was checked; a verb has worked only when the answer is the Case that was
asked for; a page without its ``cases`` and ``pagination`` is an error and never an empty page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.core.case_events import CaseEvent
from reconciler.core.errors import Malformed, Rejected
from reconciler.core.identity import CASE_ID
from reconciler.core.lifecycle import CASE_STAGES, PENDING
from reconciler.core.model import LONGEST_REASON, Case, JsonObject, System
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Operation, Reply
from reconciler.remotes.ports import CASES_A_PAGE, LARGEST_PAGE, CaseOrder, CasePage, Side

Item = TypeVar("Item", Case, CaseEvent)

PREFIX = "/mgmt/openapi/5"
"""The version is pinned: 3 and 4 have other shapes under the same names."""
_READABLE_ID = re.compile(r"[A-Z]+-[0-9]+")
_END_OF_TIME = "2100-01-01T00:00:00Z"
"""A date range needs both ends; this one keeps the client free of a clock."""
_ORDER_FIELDS = {
    CaseOrder.UPDATED: "CASE_ORDER_BY_FIELD_UPDATED_AT",
    CaseOrder.CREATED: "CASE_ORDER_BY_FIELD_CREATED_AT",
}


class CoralogixClient:
    """Speak to Coralogix Cases; keeps the promises of ``CaseClient``."""

    def __init__(self, http: HttpService) -> None:
        self._http = http
        self.side: Side = http

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = CASES_A_PAGE,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        """List Cases newest first by ``order``; a Case that cannot be understood is put aside."""
        if not 1 <= page_size <= LARGEST_PAGE:
            raise _refused(f"a page has 1 to {LARGEST_PAGE} Cases, not {page_size}")
        body: JsonObject = {
            "orderBy": {"field": _ORDER_FIELDS[order], "direction": "CASE_ORDER_BY_DIRECTION_DESCENDING"},
            "pagination": {"pageSize": page_size, **({"pageToken": page_token} if page_token else {})},
        }
        filters = _filters(statuses, created_from)
        if filters:
            body["filters"] = filters
        return _page(self._http.request(Operation.READ, "POST", f"{PREFIX}/cases/cases/v1", body=body))

    def get_case(self, case_id: str) -> Case:
        """Read one Case; raise Missing when there is none, Malformed when it cannot be understood."""
        reply = self._http.request(Operation.READ, "GET", f"{PREFIX}/cases/cases/v1/{checked_id(case_id)}")
        return _case(reply, case_id)

    def acknowledge(self, case_id: str) -> Case:
        """Acknowledge one Case and return it as it is afterwards."""
        return self._advance("PUT", "acknowledged", case_id, None)

    def resolve(self, case_id: str, reason: str) -> Case:
        """Resolve one Case; a reason of more than 500 characters is refused before anything is sent."""
        if len(reason) > LONGEST_REASON:
            raise _refused(f"a resolution reason has at most {LONGEST_REASON} characters, this one {len(reason)}")
        return self._advance("PUT", "resolved", case_id, {"reason": reason} if reason else {})

    def close(self, case_id: str) -> Case:
        """Close one Case, which must be resolved."""
        return self._advance("POST", "closed", case_id, None)

    def deep_link(self, case_id: str) -> str:
        """Return the address of a Case in the console; empty when the service gives none."""
        path = f"{PREFIX}/cases/cases/v1/{checked_id(case_id)}/deep-links"
        links = self._http.request(Operation.READ, "GET", path).document.get("deepLinks")
        address = links.get("detail") if isinstance(links, dict) else None
        return address if isinstance(address, str) else ""

    def whoami(self) -> JsonObject:
        """Return which team the key belongs to; every key may ask this (cx-cli)."""
        return self._http.request(Operation.READ, "GET", "/identity/whoami").document

    def settings(self) -> JsonObject:
        """Read the active Case settings; needs the permission ``case-config:Read``."""
        path = f"{PREFIX}/cases/cases/case-settings/v1/configs:getActive"
        return self._http.request(Operation.READ, "GET", path).document

    def _advance(self, method: str, state: str, case_id: str, body: JsonObject | None) -> Case:
        path = f"{PREFIX}/cases/{state}/v1/{checked_id(case_id)}"
        reply = self._http.request(Operation.WRITE, method, path, body=body)
        try:
            return _case(reply, case_id)
        except Malformed as error:
            raise reply.unusable(str(error)) from error


def checked_id(case_id: str) -> str:
    """Return an id that may stand in a path: a lower-case UUID or a readable id; raise Rejected for any other."""
    if CASE_ID.fullmatch(case_id) or _READABLE_ID.fullmatch(case_id):
        return case_id
    raise _refused(f"{case_id!r} is no Case id: a lower-case UUID or CASE-123 is needed")


def _refused(words: str) -> Rejected:
    return Rejected(words, system=System.CORALOGIX.value)


def _filters(statuses: Sequence[str], created_from: datetime | None) -> JsonObject:
    filters: JsonObject = {}
    unknown = sorted(set(statuses) - CASE_STAGES.keys() - {PENDING})
    if unknown:
        raise _refused(f"no status of a Case: {', '.join(unknown)}")
    if statuses:
        filters["statuses"] = [f"CASE_STATUS_{status}" for status in statuses]
    if created_from is not None:
        start = created_from.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        filters["dateRange"] = {"from": start, "to": _END_OF_TIME, "mode": "DATE_RANGE_MODE_CREATED_AT"}
    return filters


def _member(reply: Reply, name: str) -> JsonObject:
    member = reply.document.get(name)
    if not isinstance(member, dict):
        raise reply.unusable(f"the answer holds no {name!r}")
    return member


def _case(reply: Reply, case_id: str) -> Case:
    """Read the Case of an answer, which must be the one that was asked for."""
    case = _read_case(_member(reply, "case"))
    if case_id not in {case.id, case.key}:
        raise reply.unusable("another Case came back than was asked for")
    return case


def read_each(
    reply: Reply, name: str, read: Callable[[object], Item]
) -> tuple[tuple[Item, ...], tuple[Malformed, ...]]:
    """Read each member of a list in an answer, where null is an empty one; those that are malformed come second."""
    # A list that is missing is no empty one: the empty text stands for it, which is neither a list nor null.
    if not isinstance(reply.document.get(name, ""), list | None):
        raise reply.unusable(f"the answer holds no {name!r}")
    items: list[Item] = []
    malformed: list[Malformed] = []
    for raw in reply.document[name] or ():
        try:
            items.append(read(raw))
        except Malformed as error:
            malformed.append(error)
    return tuple(items), tuple(malformed)


def _read_case(raw: object) -> Case:
    from reconciler.remotes.coralogix.codec import case_from_json  # noqa: PLC0415 - heavy, and a quiet cycle reads none

    return case_from_json(raw)


def _page(reply: Reply) -> CasePage:
    token = _member(reply, "pagination").get("nextPageToken")
    cases, malformed = read_each(reply, "cases", _read_case)
    return CasePage(
        cases=cases,
        malformed=malformed,
        next_token=token if isinstance(token, str) and token else None,
        truncated=reply.document.get("pbacTruncated") is True,
        server_time=reply.server_time,
    )
