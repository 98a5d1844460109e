"""Encoded queries of the sandbox: the grammar, the operators, what becomes of a condition that is not understood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.tables.query import Condition, Operator, Sort, parse
from reconciler.sandbox.servicenow.tables.schema import TableRow, incident_schema
from reconciler.sandbox.servicenow.tables.select import QueryRules, select
from reconciler.sandbox.servicenow.tables.table import OrderKey, Table
from reconciler.sandbox.servicenow.world import ServiceNowWorld

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = incident_schema("new")
API = Actor(user_name="coralogix.sync", via_api=True)


def table(*rows: dict[str, str]) -> Table:
    stored = [
        TableRow(sys_id=f"{number:032x}", sys_updated_on=f"2026-03-01 12:00:0{number}", **row)
        for number, row in enumerate(rows)
    ]
    return Table(SCHEMA, stored)


def found(rows: Table, text: str, **reading: bool | timedelta | frozenset[str]) -> list[int]:
    """Give the positions of the rows that a query finds."""
    how = QueryRules(schema=SCHEMA, **reading)  # type: ignore[arg-type]
    return [int(row["sys_id"], 16) for row in select(rows, parse(text), how)]


def test_or_binds_tighter_than_and_and_new_query_is_weakest() -> None:
    query = parse("a=1^b=2^ORc=3^NQd=4^ORDERBYe^ORDERBYDESCf")

    first, second = query.blocks
    assert [[one.field for one in group] for group in first] == [["a"], ["b", "c"]]
    assert [[one.field for one in group] for group in second] == [["d"]]
    assert query.order == (Sort(field="e"), Sort(field="f", descending=True))


def test_escaped_carets_belong_to_the_value_and_eq_means_nothing() -> None:
    ((group,),) = parse("correlation_display=a^^b^^^EQ").blocks

    assert group == (Condition(field="correlation_display", operator=Operator.EQUALS, value="a^b^"),)


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("state=1", Operator.EQUALS, "1"),
        ("state!=1", Operator.NOT_EQUALS, "1"),
        ("state<=1", Operator.LESS_OR_EQUAL, "1"),
        ("state>=1", Operator.GREATER_OR_EQUAL, "1"),
        ("state<1", Operator.LESS, "1"),
        ("stateIN1,2", Operator.IN, "1,2"),
        ("stateNOT IN1,2", Operator.NOT_IN, "1,2"),
        ("numberNOT LIKEx", Operator.NOT_CONTAINS, "x"),
        ("numberNOTLIKEx", Operator.NOT_CONTAINS, "x"),
        ("numberLIKEx", Operator.CONTAINS, "x"),
        ("number*x", Operator.CONTAINS, "x"),
        ("numberSTARTSWITHx", Operator.STARTS_WITH, "x"),
        ("number%x", Operator.ENDS_WITH, "x"),
        ("numberISEMPTY", Operator.IS_EMPTY, ""),
        ("numberISNOTEMPTY", Operator.IS_NOT_EMPTY, ""),
        ("number", None, ""),
        ("stateSOMEHOW1", None, ""),
    ],
)
def test_the_longest_operator_is_read_first(text: str, operator: Operator | None, value: str) -> None:
    (((condition,),),) = parse(text).blocks

    assert (condition.operator, condition.value) == (operator, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2]),
        ("category=NETWORK", [0]),
        ("category!=network", [1, 2]),
        ("categoryINnetwork,software", [0, 1]),
        ("categoryNOT INnetwork,software", [2]),
        ("short_descriptionLIKEdisk", [0, 1]),
        ("short_descriptionNOT LIKEdisk", [2]),
        ("short_descriptionSTARTSWITHdisk", [1]),
        ("short_descriptionENDSWITHdisk", [0]),
        ("categoryISEMPTY", [2]),
        ("categoryISNOTEMPTY", [0, 1]),
        ("sys_mod_count>9", [1]),
        ("sys_mod_count<=9", [0]),
        ("resolved_at<2030-01-01 00:00:00", [1]),
        ("category=network^ORcategory=software^sys_mod_count<10", [0]),
        ("category=network^NQcategory=software", [0, 1]),
        ("category=network^sys_mod_count>9^NQshort_description=none", []),
        ("ORDERBYDESCshort_description", [2, 1, 0]),
        ("categoryISNOTEMPTY^ORDERBYDESCsys_mod_count", [1, 0]),
        (f"sys_idIN{2:032x},{0:032x},{9:032x}", [2, 0]),
        (f"sys_id={1:032x}^category=network", []),
        ("correlation_id=KEY-1", [1]),
        ("correlation_idINkey-1,key-2", [1, 2]),
    ],
)
def test_queries_find_what_they_say(text: str, expected: list[int]) -> None:
    rows = table(
        {"category": "network", "short_description": "a full disk", "sys_mod_count": "9"},
        {
            "category": "software",
            "short_description": "disk, full",
            "sys_mod_count": "10",
            "resolved_at": "2026-03-01 12:00:00",
            "correlation_id": "key-1",
        },
        {"short_description": "none of it", "correlation_id": "key-2"},
    )

    assert found(rows, text) == expected


def test_case_counts_only_where_the_database_says_so() -> None:
    rows = table({"category": "network"})

    assert found(rows, "category=NETWORK") == [0]
    assert found(rows, "category=NETWORK", case_sensitive=True) == []


def test_an_unknown_condition_widens_the_result_or_empties_it() -> None:
    rows = table({"category": "network"}, {"category": "software"})

    assert found(rows, "category=network^u_no_such=1") == [0]
    assert found(rows, "u_no_such=1") == [0, 1]
    assert found(rows, "u_no_such=1", no_rows_when_invalid=True) == []
    assert found(rows, "category=network", unreadable=frozenset({"category"})) == [0, 1]


def test_literals_may_be_in_the_users_zone() -> None:
    rows = table({}, {})

    assert found(rows, "sys_updated_on>=2026-03-01 12:00:01") == [1]
    assert found(rows, "sys_updated_on>=2026-03-01 04:00:01", literal_zone=timedelta(hours=-8)) == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sys_updated_on>=2026-03-01 12:00:01^sys_updated_on<=2026-03-01 12:00:02", [1, 2]),
        ("sys_updated_on>2026-03-01 12:00:01^sys_updated_on<2026-03-01 12:00:03", [2]),
        (f"sys_updated_on=2026-03-01 12:00:01^sys_id>{0:032x}^NQsys_updated_on>2026-03-01 12:00:02", [1, 3]),
        (f"sys_updated_on=2026-03-01 12:00:01^sys_id>{1:032x}^NQsys_updated_on>2026-03-01 12:00:01", [2, 3]),
        (f"sys_updated_on>=2026-03-01 12:00:01^sys_id>{2:032x}", [3]),
        ("sys_updated_on<2026-03-01 12:00:01^ORsys_updated_on>2026-03-01 12:00:02", [0, 3]),
        ("sys_updated_on>2099-01-01 00:00:00", []),
    ],
)
def test_the_bounds_of_a_keyset_are_exact(text: str, expected: list[int]) -> None:
    ordered = f"{text}^ORDERBYsys_updated_on^ORDERBYsys_id"

    assert found(table({}, {}, {}, {}), ordered) == expected


def keyset_pages(world: ServiceNowWorld, limit: int) -> list[list[str]]:
    """Read a whole listing by key, and move a record that was not read yet after each page."""
    fixed = "correlation_display=Coralogix"
    pages: list[list[str]] = []
    asked = f"{fixed}^sys_updated_on>=2026-01-01 00:00:00"
    while True:
        query = parse(f"{asked}^ORDERBYsys_updated_on^ORDERBYsys_id")
        rows = list(islice(select(world.tables.named("incident"), query, world.access.query_rules("incident")), limit))
        if not rows:
            return pages
        pages.append([row["sys_id"] for row in rows])
        at, last = rows[-1]["sys_updated_on"], rows[-1]["sys_id"]
        asked = f"{fixed}^sys_updated_on={at}^sys_id>{last}^NQ{fixed}^sys_updated_on>{at}"
        read = {sys_id for page in pages for sys_id in page}
        unread = next((row["sys_id"] for row in world.records() if row["sys_id"] not in read), None)
        if unread is not None:
            world.clock.advance(seconds=1)
            world.people.edit(unread, description=f"moved after page {len(pages)}")


@pytest.mark.parametrize("per_second", [1, 7, 400])
def test_paging_by_key_misses_nothing_while_rows_tie_and_move(per_second: int) -> None:
    world = ServiceNowWorld(SandboxClock(START), FaultPlan())
    for number in range(400):
        if number % per_second == 0:
            world.clock.advance(seconds=1)
        mark = "Somebody" if number % 10 == 0 else "Coralogix"
        world.writes.insert("incident", {"correlation_id": f"key-{number}", "correlation_display": mark}, API)

    read = [sys_id for page in keyset_pages(world, 50) for sys_id in page]

    assert len(read) == len(set(read))
    assert set(read) == {row["sys_id"] for row in world.records() if row["correlation_display"] == "Coralogix"}


class CountingTable(Table):
    """A table that says how many rows were looked at."""

    looked_at = 0

    def ordered(self, start: OrderKey = ("", "")) -> Iterator[TableRow]:
        for row in super().ordered(start):
            self.looked_at += 1
            yield row


def test_a_long_listing_is_not_scanned_from_its_start_for_each_page() -> None:
    at, mark = "2026-03-01 12:00:00", {"correlation_display": "Coralogix"}
    ids = [f"{number:032x}" for number in range(3000)]
    stored = CountingTable(SCHEMA, [TableRow(sys_id=sys_id, sys_updated_on=at, **mark) for sys_id in ids])
    query = parse(
        f"correlation_display=Coralogix^sys_updated_on={at}^sys_id>{ids[2900]}"
        f"^NQcorrelation_display=Coralogix^sys_updated_on>{at}^ORDERBYsys_updated_on^ORDERBYsys_id"
    )

    assert [row["sys_id"] for row in select(stored, query, QueryRules(schema=SCHEMA))] == ids[2901:]
    assert stored.looked_at <= 100
