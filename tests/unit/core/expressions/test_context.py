"""What conditions and templates see: every documented name is there in the example, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.context import (
    EXAMPLE_CASE,
    EXAMPLE_INCIDENT,
    case_context,
    incident_context,
    variables,
)
from reconciler.core.expressions.label_values import EntityText, LabelValue
from reconciler.core.expressions.names import ROOTS, Name, find_name

CONTEXT = case_context(EXAMPLE_CASE) | incident_context(EXAMPLE_INCIDENT, "resolved")
BARE = replace(
    EXAMPLE_CASE,
    key=None,
    updated_at=None,
    acknowledged_at=None,
    resolved_at=None,
    resolved_by="",
    resolution_reason="",
    assignee="",
    labels={"empty": ()},
    url="",
)


def missing(name: Name, value: Any, path: str) -> list[str]:
    """List the names that the schema has and the value does not, and the other way round."""
    if isinstance(value, EntityText):
        return [f"{path}.{part}" for part in name.parts if value.part(part) is None]
    if isinstance(value, dict) and not name.keyed:
        wrong = [f"{path}.{part}" for part in set(name.parts) ^ set(value)]
        return wrong + [
            gap for part in value if part in name.parts for gap in missing(name.parts[part], value[part], path)
        ]
    if name.each and isinstance(value, list):
        return [gap for member in value for gap in missing(name.each, member, f"{path}[0]")]
    return []


@pytest.mark.parametrize("root", ["case", "_context", "alertDef"])
def test_the_example_has_a_value_for_every_name_and_for_no_other(root: str) -> None:
    assert missing(ROOTS[root], CONTEXT[root], root) == []


def test_every_listed_variable_compiles_and_has_a_line_about_it() -> None:
    listed = variables()
    assert len(listed) > 80
    for variable in listed:
        assert Condition.compile(f"{variable.name} is defined", ("case", "incident")).names or variable.name in ROOTS
        assert variable.about
        assert "\n" not in variable.about
    shown = {variable.name: variable.example for variable in listed}
    assert shown["case.priority"] == "P2"
    assert shown['case.labels["routing.team"]'] == "sre"
    assert shown["incident.state_word"] == "resolved"


def test_what_a_case_does_not_have_is_left_out() -> None:
    case = case_context(BARE)["case"]
    absent = {"key", "readableId", "updatedAt", "assignee", "resolved_at", "resolutionDetails", "url"}
    assert not absent & set(case)
    assert case["labels"] == {}
    assert set(case) <= set(ROOTS["case"].parts)


def test_times_are_text_in_utc() -> None:
    case = case_context(replace(EXAMPLE_CASE, updated_at=EXAMPLE_CASE.created_at.replace(microsecond=120_000)))["case"]
    assert case["created_at"] == "2026-01-15T10:30:00Z"
    assert case["updatedAt"] == "2026-01-15T10:30:00.120Z"


def test_a_label_is_text_and_list_at_once() -> None:
    one, two = LabelValue(("sre",)), LabelValue(("mail", "chat"))
    assert one == "sre"
    assert not one != "sre"  # noqa: SIM202  # both operators are looked at
    assert two == "chat"
    assert two != "phone"
    assert two == ["mail", "chat"]
    assert two != ("mail",)
    assert two != 5
    assert "hat" in two
    assert two[1] == "chat"
    assert f"{one} {two}" == "sre mail, chat"
    assert hash(two) == hash(("mail", "chat"))


def test_incident_columns_of_an_instance_are_allowed_and_near_misses_are_not() -> None:
    assert find_name(["incident", "u_region"], ["incident"]) is None
    assert find_name(["incident", "u_region", "deeper"], ["incident"]) is None
    with pytest.raises(ValueError, match=r"incident\.assigned_to"):
        find_name(["incident", "asigned_to"], ["incident"])


def test_the_record_cannot_hide_its_own_state_behind_a_field() -> None:
    incident = replace(EXAMPLE_INCIDENT, fields={"state": "1", "number": "x"})
    assert incident_context(incident, None)["incident"]["state"] == "6"
    assert incident_context(incident, None)["incident"]["number"] == "INC0010001"
