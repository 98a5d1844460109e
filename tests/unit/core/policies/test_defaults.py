"""The default mapping gives records that an operations team would keep, and the merge never overwrites a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import TemplateFailed
from reconciler.core.expressions.context import EXAMPLE_CASE, EXAMPLE_INCIDENT, case_context, incident_context
from reconciler.core.expressions.templates import Template, render_fields
from reconciler.core.model import Case, Indicator
from reconciler.core.planning.merge import MergeResult, merge_field, merge_fields
from reconciler.core.policies import defaults
from reconciler.core.policies.defaults import resolution_reason

BARE = Case(
    id=EXAMPLE_CASE.id,
    key=None,
    title="t",
    status="ACTIVE",
    priority="P5",
    category="NEW_CATEGORY",
    created_at=EXAMPLE_CASE.created_at,
)
DEFAULTS = [
    defaults.DEFAULT_FIELDS,
    defaults.DEFAULT_ON_CREATE,
    defaults.DEFAULT_ON_ACKNOWLEDGE,
    defaults.DEFAULT_ON_RESOLVE,
    defaults.DEFAULT_ON_CLOSE,
]
PRIORITY = {(1, 1): 1, (1, 2): 2, (1, 3): 3, (2, 1): 2, (2, 2): 3, (2, 3): 4, (3, 1): 3, (3, 2): 4, (3, 3): 5}
"""ServiceNow's default rules: (impact, urgency) to priority."""
HOSTILE = [
    "{{ 7 * 7 }}",
    "a\r\nb\x1b[31m",
    "[code]<b>x</b>[/code]",
    "^ORstate=6^EQ",
    "<script>",
    "x" * 4000,
    "\ud800",
    " ",
]


def rendered(sources: Mapping[str, str], case: Case) -> dict[str, str]:
    return render_fields({name: Template.compile(source) for name, source in sources.items()}, case_context(case))


@pytest.mark.parametrize("case", [EXAMPLE_CASE, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("sources", DEFAULTS)
def test_every_default_renders_for_the_fullest_and_the_barest_case(sources: Mapping[str, str], case: Case) -> None:
    assert all(rendered(sources, case).values())


@pytest.mark.parametrize(("priority", "wanted"), [("P1", 1), ("P2", 2), ("P3", 3), ("P4", 4), ("P5", 5), ("P6", 5)])
def test_servicenow_computes_the_priority_of_the_case(priority: str, wanted: int) -> None:
    fields = rendered(defaults.DEFAULT_FIELDS, replace(BARE, priority=priority))
    assert PRIORITY[int(fields["impact"]), int(fields["urgency"])] == wanted


def test_the_short_description_has_key_and_title_on_one_line_cut_with_a_mark() -> None:
    def short(case: Case) -> str:
        return rendered(defaults.DEFAULT_FIELDS, case)["short_description"]

    assert short(EXAMPLE_CASE) == "CASE-123: CPU above 95 % on payments-api"
    assert short(BARE) == "t"
    assert short(replace(EXAMPLE_CASE, title="a  b\n c\t")) == "CASE-123: a  b c"
    long = short(replace(EXAMPLE_CASE, title="x" * 512))
    assert len(long) == 160
    assert long.endswith("x…")


def test_the_description_tells_all_that_the_first_look_needs() -> None:
    text = rendered(defaults.DEFAULT_ON_CREATE, EXAMPLE_CASE)["description"]
    for line in (
        "Case: CASE-123",
        "Status: RESOLVED",
        "Priority: P2 (system P3, override P2)",
        "Category: AVAILABILITY",
        f"Link: {EXAMPLE_CASE.url}",
        "- service payments-api (go)",
        "- service: payments",
        "- channel: mail, chat",
        "- CPU above 95 %: RESOLVED, first triggered 2026-01-15 10:29:30 UTC",
    ):
        assert line in text.splitlines()
    bare = rendered(defaults.DEFAULT_ON_CREATE, BARE)["description"]
    assert "Priority: P5 (system not given, override none)" in bare
    assert "Link" not in bare
    assert "Labels" not in bare


def test_a_case_of_a_thousand_indicators_still_fits() -> None:
    many = tuple(Indicator(kind="alert", id=str(number), name="n" * 300) for number in range(1000))
    labels = {f"label {number}": ("v" * 100,) for number in range(300)}
    text = rendered(defaults.DEFAULT_ON_CREATE, replace(EXAMPLE_CASE, indicators=many, labels=labels))["description"]
    assert len(text) == 4000
    assert text.endswith("…")
    few = rendered(defaults.DEFAULT_ON_CREATE, replace(BARE, indicators=many[:23]))["description"]
    assert few.endswith("- and 3 more")


def test_close_notes_say_why_and_by_whom_and_are_never_empty() -> None:
    notes = rendered(defaults.DEFAULT_ON_RESOLVE, EXAMPLE_CASE)["close_notes"]
    assert notes.startswith("Rolled back release 41\n")
    assert "by a person, 2026-01-15 11:45:10 UTC" in notes
    assert "by itself" in rendered(defaults.DEFAULT_ON_CLOSE, replace(BARE, resolved_by="system"))["close_notes"]
    assert "olly" in rendered(defaults.DEFAULT_ON_CLOSE, replace(BARE, resolved_by="olly"))["close_notes"]
    assert (
        len(rendered(defaults.DEFAULT_ON_RESOLVE, replace(BARE, resolution_reason="x" * 5000))["close_notes"]) == 4000
    )


def test_html_is_taken_out_of_close_notes_that_are_written_and_of_those_that_are_read() -> None:
    html, plain = "<p>Rolled back <b>41</b> &amp; 42</p><script>x()</script>", "Rolled back 41 & 42"
    for step in (defaults.DEFAULT_ON_RESOLVE, defaults.DEFAULT_ON_CLOSE):
        notes = rendered(step, replace(EXAMPLE_CASE, resolution_reason=html))["close_notes"]
        assert notes.startswith(f"{plain}\n\nResolved in Coralogix: ")
    default = defaults.DEFAULT_REASON
    assert reason(default, close_code="", close_notes=html)[0] == f"ServiceNow INC0010001: {plain}"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_no_harm_in_any_default(text: str) -> None:
    case = replace(EXAMPLE_CASE, title=text, labels={text: (text,)}, resolution_reason=text, resolved_by=text)
    for sources in DEFAULTS:
        for name, value in rendered(sources, case).items():
            assert "49" not in value
            assert not {"\x1b", "\r", "\ud800"} & set(value)
            assert name != "short_description" or ("\n" not in value and len(value) <= 160)


def test_a_field_that_fails_is_named() -> None:
    with pytest.raises(TemplateFailed, match=r"^assignment_group: routing\.nobody has no value here"):
        rendered({"impact": "1", "assignment_group": '{{ case.labels["routing.nobody"] }}'}, EXAMPLE_CASE)


def test_only_journals_have_their_code_marks_taken() -> None:
    case = replace(EXAMPLE_CASE, title="[code]x[/code]")
    fields = rendered({"work_notes": "{{ case.title }}", "short_description": "{{ case.title }}"}, case)
    assert fields == {"work_notes": "(code)x(/code)", "short_description": "[code]x[/code]"}


def reason(source: str, **fields: str) -> tuple[str, str]:
    context = case_context(EXAMPLE_CASE) | incident_context(replace(EXAMPLE_INCIDENT, fields=fields), "resolved")
    return resolution_reason(Template.compile(source, ("incident", "case")), context)


def test_the_reason_tells_number_code_and_notes() -> None:
    default = defaults.DEFAULT_REASON
    full = "ServiceNow INC0010001, Solution provided: Restarted"
    assert reason(default, close_code="Solution provided", close_notes="Restarted") == (full, full)
    assert reason(default, close_code="", close_notes="")[0] == "ServiceNow INC0010001"
    assert reason(default)[0] == "ServiceNow INC0010001"


def test_a_long_reason_is_cut_with_a_mark_and_an_empty_one_replaced() -> None:
    text, full = reason("{{ incident.close_notes }}", close_notes="x" * 3000)
    assert (len(text), text[-1], len(full)) == (500, "…", 3000)
    assert reason("{{ incident.close_notes }}", close_notes=" \n")[0] == "Resolved in ServiceNow, INC0010001"
    text, full = reason("{{ incident.close_notes }}")
    assert text == "Resolved in ServiceNow, INC0010001"
    assert "close_notes has no value here" in full


@pytest.mark.parametrize(
    ("wanted", "last_written", "current", "result"),
    [
        ("new", "old", "old", MergeResult.WRITE),
        ("new", "old", "theirs", MergeResult.KEPT_BY_PERSON),
        ("old", "old", "theirs", MergeResult.KEPT_BY_PERSON),
        ("", "old", "theirs", MergeResult.KEPT_BY_PERSON),
        ("old", "old", "", MergeResult.KEPT_BY_PERSON),
        ("", "old", "old", MergeResult.WRITE),
        ("new", "old", "new", MergeResult.ALREADY),
        ("old", "old", "old", MergeResult.ALREADY),
        ("new", None, "", MergeResult.WRITE),
        ("new", None, "theirs", MergeResult.KEPT_BY_PERSON),
        ("new", None, "new", MergeResult.ALREADY),
        ("", None, "theirs", MergeResult.LEAVE),
        ("", "", "theirs", MergeResult.LEAVE),
        ("new", "old", None, MergeResult.LEAVE),
        ("new", None, None, MergeResult.LEAVE),
        ("a\nb", "x", "a  \r\nb\r\n", MergeResult.ALREADY),
        ("new", "a\nb", "a\r\nb ", MergeResult.WRITE),
        ("new", "a", " a", MergeResult.KEPT_BY_PERSON),
    ],
)
def test_the_merge_of_one_field(
    wanted: str, last_written: str | None, current: str | None, result: MergeResult
) -> None:
    assert merge_field(wanted, last_written, current) is result


VALUES = st.sampled_from(["", "a", "b", "c", "a\r\n", "b "])
NAMES = st.sampled_from(["impact", "urgency", "category"])
FIELDS = st.dictionaries(NAMES, VALUES)
PROPERTY = settings(derandomize=True, max_examples=300, deadline=None, database=None)


@PROPERTY
@given(wanted=FIELDS, written=FIELDS, current=FIELDS)
def test_what_a_person_wrote_is_never_overwritten(
    wanted: dict[str, str], written: dict[str, str], current: dict[str, str]
) -> None:
    merged = merge_fields(wanted, written, current)
    for name in merged.changes:
        assert current[name].rstrip() == written.get(name, "").rstrip()
        assert current[name].rstrip() != wanted[name].rstrip()
    assert set(merged.changes) <= set(wanted)
    assert not set(merged.kept) & set(merged.changes)


@PROPERTY
@given(wanted=FIELDS, written=FIELDS, current=FIELDS)
def test_a_merge_that_was_carried_out_asks_for_nothing_more(
    wanted: dict[str, str], written: dict[str, str], current: dict[str, str]
) -> None:
    first = merge_fields(wanted, written, current)
    second = merge_fields(wanted, first.written_after, {**current, **first.changes})
    assert not second.changes
    assert second.kept == first.kept
    assert second.written_after == first.written_after


@PROPERTY
@given(before=VALUES, after=VALUES, theirs=VALUES)
def test_a_value_put_back_by_a_person_follows_the_case_again(before: str, after: str, theirs: str) -> None:
    ours = merge_fields({"impact": before}, {}, {"impact": ""})
    kept = merge_fields({"impact": after}, ours.written_after, {"impact": theirs})
    follows = merge_fields({"impact": after}, kept.written_after, {"impact": kept.written_after.get("impact", "")})
    assert follows.changes.get("impact", after).rstrip() == after.rstrip()
    assert not follows.kept


def test_a_value_that_was_there_already_counts_as_ours_from_then_on() -> None:
    found = merge_fields({"impact": "1"}, {}, {"impact": "1"})
    assert not found.changes
    assert merge_fields({"impact": "2"}, found.written_after, {"impact": "1"}).changes == {"impact": "2"}


def test_every_reference_has_a_table_and_names_users_by_user_name() -> None:
    tables = {field: (found.table, found.name_field) for field, found in defaults.DEFAULT_REFERENCES.items()}
    assert tables == {
        "assignment_group": ("sys_user_group", "name"),
        "cmdb_ci": ("cmdb_ci", "name"),
        "business_service": ("cmdb_ci_service", "name"),
        "caller_id": ("sys_user", "user_name"),
        "assigned_to": ("sys_user", "user_name"),
    }


@pytest.mark.parametrize("source", sorted(defaults.KNOWN_TEXTS))
def test_what_is_not_checked_when_a_config_is_read_is_right(source: str) -> None:
    assert Template.compile(source) == Template(source)


def test_the_usual_reason_is_right_and_reads_what_comes_with_every_record() -> None:
    names = Template.compile(defaults.DEFAULT_REASON, ("incident", "case")).names
    assert names == {"incident.number", "incident.close_code", "incident.close_notes"}
