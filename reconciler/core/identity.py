"""The names that are computed and never stored first: the record's own id, and what a decision was made from.

Rules of this file: same input, same name, on every host and in every version.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from reconciler.core.model import Pair

NAMESPACE = uuid.UUID("6a0f4c1e-7d0b-5b52-9a55-3f2f6c1d8e42")
"""The project's constant; changing it would make second records."""

CASE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
SYS_ID = re.compile(r"[0-9a-fA-F]{32}\Z")
MOST_GENERATIONS = 1000
_MAY_BE_COMPUTED = re.compile(r"[0-9a-f]{12}5[0-9a-f]{3}[89ab][0-9a-f]{15}\Z", re.IGNORECASE)
"""A UUID of version 5, without dashes: one id in 64 of those that an instance chooses looks so."""


def odd_key(key: str) -> str:
    """Say of a record with our mark that its key is no Case id; empty where it is one."""
    return "" if CASE_ID.match(key) else f"it bears our mark and the key {key!r}, which is no Case id"


def record_id(owner: str, case_id: str, generation: int = 1) -> str:
    """Compute the ``sys_id`` of a Case's record: 32 hex digits.

    The same create sent twice therefore meets its own first copy.
    """
    return uuid.uuid5(NAMESPACE, f"{owner}/{case_id}/{generation}").hex


def generations(owner: str, case_id: str, sys_ids: Iterable[str]) -> dict[int, str]:
    """Return which of a Case's records is of which generation, by the ids that we compute; the oldest first.

    A record whose id the instance chose is left out, and so is one of a generation beyond ``MOST_GENERATIONS``.
    """
    computed = {sys_id.lower(): sys_id for sys_id in sys_ids if _MAY_BE_COMPUTED.match(sys_id)}
    found: dict[int, str] = {}
    for generation in range(1, MOST_GENERATIONS + 1):
        if not computed:
            break
        sys_id = computed.pop(record_id(owner, case_id, generation), None)
        if sys_id is not None:
            found[generation] = sys_id
    return found


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str).encode


def digest(value: Any) -> str:
    """Hash a JSON value in canonical form; 64 hex digits."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def fingerprint(pair: Pair) -> str:
    """Name what both sides look like, so that a later change of either is noticed; 16 hex digits.

    It holds all that a policy or template can read but for times, which move by themselves, and the address.
    """
    case = pair.case
    seen: list[object] = [
        *(case.key, case.status, case.priority, case.priority_system, case.priority_override, case.title),
        *(case.category, case.assignee, case.resolution_reason, case.resolved_by, case.parent_id),
        [sorted(case.labels.items()), sorted(case.groupings.items()), case.kpi_breaches],
        [(entity.kind, entity.name, entity.detail) for entity in case.impacted_entities],
        [(one.kind, one.id, one.name, one.state, one.priority, sorted(one.labels.items())) for one in case.indicators],
        [absence is not None and absence.times > 1 for absence in (pair.link.case_absence, pair.link.incident_absence)],
    ]
    if pair.incident is not None:
        incident = pair.incident
        seen += [incident.sys_id, incident.state, incident.assigned_to, incident.mod_count]
    if pair.others:
        seen.append(sorted(other.sys_id for other in pair.others))
    return digest(seen)[:16]
