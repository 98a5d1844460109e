"""What the tests of the store share: the default policies as stage_rules, and short ways to remember things."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.core.model import Action, ActionKind, Case, Incident, Stage, System
from reconciler.store.store import Decided, Pulled, RememberedCounts, Store
from tests.builders import CASE_ID, NOW, SYS_ID, policies

JUDGE = policies()
LATER = NOW + timedelta(minutes=1)


def case_id(number: int) -> str:
    """Give a Case id that sorts by its number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def remember(store: Store, *seen: Case | Incident, cycle_id: str = "c1", **more: Any) -> RememberedCounts:
    """Remember Cases and records in one call."""
    cases = tuple(each for each in seen if isinstance(each, Case))
    incidents = tuple(each for each in seen if isinstance(each, Incident))
    pulled = Pulled(system=System.CORALOGIX, cases=cases, incidents=incidents, **more)
    return store.snapshots.remember(pulled, stage_rules=JUDGE, cycle_id=cycle_id, now=NOW)


def settle(store: Store, settled: Decided) -> None:
    """Settle one link."""
    store.links.keep_decisions([settled], NOW)


def an_action(**changes: Any) -> Action:
    """Give an action that resolves the record of the builders."""
    values: dict[str, Any] = {
        "kind": ActionKind.ADVANCE_INCIDENT,
        "case_id": CASE_ID,
        "case_key": "CASE-123",
        "connector": "main",
        "table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "from_stage": Stage.OPEN,
        "to_stage": Stage.RESOLVED,
        "fields": {"state": "6", "close_notes": "s3cret words"},
        "fingerprint": "abc",
    }
    return Action(**values | changes)
