"""Encoded queries: exact texts, and what may never enter one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Rejected
from reconciler.remotes.ports import Position
from reconciler.remotes.servicenow import encoded_query as queries

CASE = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
SYS = "0123456789abcdef0123456789abcdef"
OURS = "correlation_display=Coralogix"
ORDER = "^ORDERBYsys_updated_on^ORDERBYsys_id"
NOON = datetime(2026, 11, 2, 12, 0, 1, 999_999, tzinfo=UTC)


def test_the_first_page_starts_at_a_time() -> None:
    assert queries.changes(OURS, NOON, None) == f"{OURS}^sys_updated_on>=2026-11-02 12:00:01{ORDER}"
    assert queries.changes(OURS, None, None) == f"{OURS}{ORDER}"


def test_further_pages_carry_the_mark_in_every_block() -> None:
    after = Position(updated_at=NOON, sys_id=SYS)
    assert queries.changes(OURS, NOON, after) == (
        f"{OURS}^sys_updated_on=2026-11-02 12:00:01^sys_id>{SYS}^NQ{OURS}^sys_updated_on>2026-11-02 12:00:01{ORDER}"
    )
    assert all(block.startswith(OURS) for block in queries.changes(OURS, NOON, after).split("^NQ"))


def test_values_are_escaped() -> None:
    assert queries.equals("name", "a^ORname=b") == "name=a^^ORname=b"
    assert queries.one_of("sys_id", [SYS, SYS]) == f"sys_idIN{SYS},{SYS}"


@given(st.text())
def test_no_value_becomes_a_condition(value: str) -> None:
    if not queries.is_askable(value):
        with pytest.raises(Rejected):
            queries.equals("name", value)
        return
    text = queries.equals("name", value)
    assert "^" not in text.replace("^^", "")
    assert text.removeprefix("name=").replace("^^", "^") == value


@pytest.mark.parametrize("value", ["", " ", "\n", "a\nb", "a\x00", "javascript:gs.now()", " JavaScript:x", "a\u2028b"])
def test_a_value_that_is_empty_odd_or_run_is_refused(value: str) -> None:
    for build in (queries.equals, lambda name, text: queries.one_of(name, [text])):
        with pytest.raises(Rejected, match="cannot stand in a query"):
            build("name", value)


@pytest.mark.parametrize("values", [[], ["a,b"], ["a^b"], ["a=b"]])
def test_a_list_must_hold_something_and_nothing_that_ends_it(values: list[str]) -> None:
    with pytest.raises(Rejected, match="at least one value"):
        queries.one_of("name", values)


Check = Callable[[str], str]


@pytest.mark.parametrize("value", ["", CASE.upper(), CASE[:-1], f"{CASE}\n", f" {CASE}", f"{CASE}^ORstate=1", "CASE-1"])
def test_only_a_lower_case_uuid_is_a_case_id(value: str) -> None:
    with pytest.raises(Rejected, match="is no Case id"):
        queries.checked_case_id(value)


@pytest.mark.parametrize("value", ["", SYS[:-1], f"{SYS}0", f"{SYS[:-1]}^", f"{SYS}\n", "z" * 32, "../" * 10 + "ab"])
def test_only_hex_digits_are_a_sys_id(value: str) -> None:
    with pytest.raises(Rejected, match="is no sys_id"):
        queries.checked_sys_id(value)


@pytest.mark.parametrize("value", ["", "Incident", "a b", "a/b", "a=b", "a^b", "..", "a..b", "_a", "a\n", "é"])
def test_only_lower_snake_is_a_name(value: str) -> None:
    with pytest.raises(Rejected, match="is no name"):
        queries.checked_name(value)


@pytest.mark.parametrize("value", ["incident", "u_my_table", "x_acme_app_task", "caller_id.email"])
def test_names_are_let_through(value: str) -> None:
    assert queries.checked_name(value) == value
    assert queries.checked_case_id(CASE) == CASE
    assert queries.checked_sys_id(SYS.upper()) == SYS.upper()


def test_times_are_utc_both_ways() -> None:
    paris = datetime(2026, 1, 2, 4, 5, 6, tzinfo=timezone(timedelta(hours=1)))
    assert queries.time_text(paris) == "2026-01-02 03:05:06"
    assert queries.read_time("2026-01-02 03:05:06") == paris


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-02", "2026-01-02T03:05:06Z", "02/01/2026 03:05:06", "2026-13-02 03:05:06", "2026-01-02 03:05:06\n"],
)
def test_another_form_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        queries.read_time(text)
