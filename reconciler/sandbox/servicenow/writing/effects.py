"""What a write takes in and what it brings about: choices that are dropped, the priority, what entering a state does.

Pure functions over rows. Sources: ``def-prio-lookup-rules``, ``reopening-incident``, ``c_TableAPI`` samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import COMPUTED, JOURNALS, Lifecycle, Schema, TableRow
from reconciler.sandbox.servicenow.writing.rewriting import kept_value

PRIORITY_MATRIX: dict[tuple[str, str], str] = {
    ("1", "1"): "1",
    ("1", "2"): "2",
    ("1", "3"): "3",
    ("2", "1"): "2",
    ("2", "2"): "3",
    ("2", "3"): "4",
    ("3", "1"): "3",
    ("3", "2"): "4",
    ("3", "3"): "5",
}
"""(impact, urgency) -> priority"""


def raw_values(asked: Mapping[str, object]) -> dict[str, str]:
    """Return the values of a JSON object as raw text."""
    return {name: _raw(value) for name, value in asked.items()}


def _raw(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


Choices = Callable[[str], Mapping[str, str]]
"""gives the choice list of a field, empty where it has none"""


def taken_values(
    schema: Schema,
    asked: Mapping[str, str],
    switches: Switches,
    *,
    choices: Choices,
    unwritable: frozenset[str],
    actor: Actor,
) -> dict[str, str]:
    """Return what is left of a write's values once the service has dropped in silence what it drops.

    Raises Denial where a switch says that the service speaks up instead.
    """
    taken: dict[str, str] = {}
    for name, value in asked.items():
        if name not in schema.names:
            _refuse_if(switches.unknown_field == "reject", f"Unknown field {name}")
        elif actor.via_api and name in unwritable:
            _refuse_if(switches.unwritable_field == "reject", f"Field {name} is not writable")
        elif _is_taken(schema, name, value, switches) and _is_listed(choices(name), value, switches, actor):
            taken[name] = kept_value(schema, name, value, switches)
    return taken


def _refuse_if(refused: bool, detail: str) -> None:
    if refused:
        raise Denial(403, "Operation Failed", detail)


def _is_taken(schema: Schema, name: str, value: str, switches: Switches) -> bool:
    if name in COMPUTED and not (name == "active" and schema.lifecycle is None):
        return False
    return bool(value) or switches.empty_value == "clears"


def _is_listed(listed: Mapping[str, str], value: str, switches: Switches, actor: Actor) -> bool:
    return not (value and listed) or value in listed or actor.script or switches.unlisted_choice == "keep"


def with_effects(schema: Schema, before: TableRow, values: Mapping[str, str], *, user_id: str, now: str) -> TableRow:
    """Return the row after a write: the values, and what the service's own rules make of them.

    ``before`` is empty on a create. ``now`` is raw time text; ``user_id`` the sys_id of who writes.
    """
    after = TableRow(before)
    after.update((name, value) for name, value in values.items() if name not in JOURNALS)
    cycle = schema.lifecycle
    if cycle is not None:
        if cycle.mirror:
            _keep_in_step(after, before, cycle.mirror)
        after["priority"] = PRIORITY_MATRIX.get((after["impact"], after["urgency"]), "5")
        if after["state"] != before["state"]:
            _enter_state(cycle, before, after, user_id=user_id, now=now)
        if before and after["assignment_group"] != before["assignment_group"] and before["assignment_group"]:
            after["reassignment_count"] = _one_more(after["reassignment_count"])
    return TableRow({name: value for name, value in after.items() if value})  # an empty field is not stored


def _keep_in_step(after: TableRow, before: TableRow, mirror: str) -> None:
    """Let ``state`` and its mirror say the same: the one that was written leads, ``state`` where both were."""
    leads = "state" if after["state"] != before["state"] or after[mirror] == before[mirror] else mirror
    after["state"] = after[mirror] = after[leads]


def _enter_state(cycle: Lifecycle, before: TableRow, after: TableRow, *, user_id: str, now: str) -> None:
    state = after["state"]
    after["active"] = "false" if state in cycle.over else "true"
    if state == cycle.resolved:
        after.update(resolved_at=now, resolved_by=user_id)
    elif state == cycle.closed:
        after.update(closed_at=now, closed_by=user_id)
    elif state == cycle.canceled:
        after["closed_at"] = now
    elif state == cycle.in_progress and before["state"] == cycle.resolved != "":
        after.update(reopen_count=_one_more(before["reopen_count"]), reopened_by=user_id, reopened_time=now)


def _one_more(count: str) -> str:
    return str(int(count or "0") + 1)
