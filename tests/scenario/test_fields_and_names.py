"""Fields and names on their way to a record: looked up first, noted when left alone, never a reason to stop others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import Malformed
from reconciler.core.expressions.templates import Template
from reconciler.core.model import Case, Result, SkipReason
from reconciler.core.policies.defaults import DEFAULT_REFERENCES
from reconciler.core.policies.policies import Inbound, Policies
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.store.store import Store
from tests.builders import policies
from tests.clients import IncidentsInProcess
from tests.scenario.wild_support import WildWorld
from tests.world import FIELDS, START, results

GROUP = "Hardware"


def with_inbound(**changes: object) -> Policies:
    rules = policies()
    (name,) = rules.inbound
    return replace(rules, inbound={name: replace(rules.inbound[name], **changes)})  # type: ignore[arg-type]


def an_inbound() -> Inbound:
    (inbound,) = policies().inbound.values()
    return inbound


def group_id(world: WildWorld, name: str) -> str:
    return world.incidents.reference("sys_user_group", "name", [name])[name]


def test_a_name_in_a_step_is_looked_up_before_the_step_is_sent() -> None:
    """The step names a group. It is not sent before the name became a ``sys_id``, and never without it."""
    step = {**(an_inbound().on_acknowledge or {}), "assignment_group": Template.compile(GROUP)}
    world = WildWorld(rules=with_inbound(on_acknowledge=step, references=DEFAULT_REFERENCES))
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    assert results(world.cycle()) == [Result.DONE]
    assert world.record(case_id)["assignment_group"] == group_id(world, GROUP)


@pytest.mark.parametrize("url", ["{{ case.url }}", "{{ case.url | default('not known') }}"])
def test_a_field_may_be_the_address_of_its_case_and_a_name_that_is_looked_up_stand_beside_it(url: str) -> None:
    """The address is asked for once, and only for a Case that gets a record."""
    create = {**an_inbound().on_create, "description": Template.compile(url)}
    create["assignment_group"] = Template.compile(GROUP)
    rules = with_inbound(on_create=create, references=DEFAULT_REFERENCES)
    world = WildWorld(rules=rules, settings=Settings(workers=1, ask_deep_links=True))
    world.cycle()
    case_id = world.new_case()
    assert results(world.cycle()) == [Result.DONE]
    record = world.record(case_id)
    address = world.coralogix.ledger.console_url(case_id)
    assert (record["description"], record["assignment_group"]) == (address, group_id(world, GROUP))
    assert world.run_until_quiet() == 0
    assert world.cases.requests["cases.deep_links"] == 1


def test_an_unknown_name_falls_back_to_its_default_in_the_same_cycle() -> None:
    """Record, name, default: three questions, one after another, and the record is made in that cycle."""
    reference = replace(DEFAULT_REFERENCES["assignment_group"], default=GROUP)
    create = {**an_inbound().on_create, "assignment_group": Template.compile("Nobody knows this one")}
    world = WildWorld(rules=with_inbound(on_create=create, references={"assignment_group": reference}))
    world.cycle()
    case_id = world.new_case()
    assert results(world.cycle()) == [Result.DONE]
    assert world.record(case_id)["assignment_group"] == group_id(world, GROUP)


def world_with_group(*, also: str = "", default: str = "") -> WildWorld:
    """Give a world whose new records go to a group by its name, where a Case's title says so to another."""
    words = f"{{{{ 'Network' if case.title == '{also}' else '{GROUP}' }}}}" if also else GROUP
    create = {**an_inbound().on_create, "assignment_group": Template.compile(words)}
    reference = replace(DEFAULT_REFERENCES["assignment_group"], default=default)
    world = WildWorld(rules=with_inbound(on_create=create, references={"assignment_group": reference}))
    world.cycle()
    return world


def made(world: WildWorld, title: str) -> str:
    """Let a Case get its record, and give the group that this went to."""
    case_id = world.new_case(title)
    world.run_until_quiet()
    return world.record(case_id)["assignment_group"]


def retire(world: WildWorld, sys_id: str) -> None:
    groups = world.servicenow.tables.named("sys_user_group")
    row = groups.get(sys_id)
    assert row is not None
    groups.put(TableRow(row, active="false"), world.clock.now())


def replace_group(world: WildWorld, sys_id: str) -> str:
    """Retire a group, and let another take its name; give the other."""
    retire(world, sys_id)
    groups = world.servicenow.tables.named("sys_user_group")
    row = groups.get(sys_id)
    assert row is not None
    other = "f" * 32
    groups.put(TableRow(row, sys_id=other, active="true"), world.clock.now())
    return other


def test_a_name_is_believed_for_a_day_and_then_looked_up_again(caplog: pytest.LogCaptureFixture) -> None:
    """A group is retired and another takes its name. After a day the next record goes to the new one."""
    world = world_with_group()
    old = made(world, "one")
    new = replace_group(world, old)
    assert made(world, "two") == old
    world.clock.advance(days=1)
    with caplog.at_level(logging.WARNING):
        assert made(world, "three") == new
    (told,) = [one for one in caplog.records if one.message.startswith("a name leads to another row")]
    assert (told.__dict__["was"], told.__dict__["now"]) == (old, new)


def test_a_name_whose_row_was_retired_is_no_name_any_more() -> None:
    world = world_with_group(default="Network")
    old = made(world, "one")
    retire(world, old)
    world.clock.advance(days=1)
    assert made(world, "two") == group_id(world, "Network")
    assert set(world.store.facts.references("main", "sys_user_group")) == {"Network"}


class Asked(IncidentsInProcess):
    """An instance that knows which names were looked up together."""

    names: list[set[str]]

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        self.names.append(set(names))
        return super().reference(table, name_field, names)


def test_names_of_a_table_are_looked_up_again_together() -> None:
    world = world_with_group(also="other")
    asked = Asked(world.servicenow, extra_fields=FIELDS)
    asked.names = []
    world.incidents = asked
    made(world, "one")
    made(world, "other")
    made(world, "two")
    assert asked.names == [{GROUP}, {"Network"}]
    world.clock.advance(days=1)
    made(world, "three")
    assert asked.names[2:] == [{GROUP, "Network"}]
    made(world, "other")
    assert len(asked.names) == 3


def test_a_field_that_was_left_alone_is_noted_beside_a_write() -> None:
    """A person changed the title; then priority and title of the Case change. One is written, the other noted."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.edit(sys_id, short_description="their words")
    world.run_until_quiet()
    world.coralogix.set_title(case_id, "Payments are down")
    world.coralogix.set_priority(case_id, "P1")
    assert results(world.cycle()) == [Result.DONE]
    story = world.store.reports.story(case_id)
    assert story is not None
    kept = [row for row in story.notifications if row["event"] == "field_kept"]
    assert ["their words" in str(row["to_value"]) and "Payments are down" in str(row["from_value"]) for row in kept][-1]


def test_a_value_that_the_service_keeps_differently_is_no_rejection() -> None:
    """The column is shorter than the title, and the service cuts it. That is said, not held, and not sent again."""
    world = WildWorld(rules=with_inbound(fields={"short_description": Template.compile("{{ case.title }}")}))
    case_id, _ = world.link_one()
    world.coralogix.set_title(case_id, "x" * 300)
    report = world.cycle()
    assert results(report) == [Result.DONE]
    assert "keeps other values in: short_description" in str(report.outcomes[0].detail)
    assert world.skip(case_id) is None
    assert world.run_until_quiet() == 0


def test_a_rejected_record_plans_nothing_for_its_case() -> None:
    """Fields that cannot be made hold the whole link: the plan does not show a step of its Case."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.rules = with_inbound(fields={"category": Template.compile("{{ case.labels.team }}")})
    world.servicenow.people.resolve(sys_id)
    assert world.cycle().plan.actions == ()
    assert world.skip(case_id) is SkipReason.REJECTED


def test_a_doubtful_case_that_nobody_understands_stops_nobody() -> None:
    """A listing shows a Case as it was, and the read of that Case alone cannot be understood. The others go on."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    other, other_sys_id = world.link_one("another")
    world.servicenow.people.progress(sys_id)
    world.cycle()
    world.strike_cases(FaultKind.STALE_LIST, "cases.list", times=None)
    reading = world.meddled.get_case

    def unreadable(asked: str) -> Case:
        if asked == case_id:
            raise Malformed("a Case without a status", record_id=case_id, raw={})
        return reading(asked)

    world.meddled.get_case = unreadable  # type: ignore[method-assign,assignment]
    world.servicenow.people.progress(other_sys_id)
    for _ in range(2):
        assert world.cycle(seconds=1).error is None
    assert world.status(other) == "ACKNOWLEDGED"


def test_record_cursors_never_go_back() -> None:
    """A listing is struck by a lag. What the cursor once reached it keeps."""
    world = WildWorld()
    _, sys_id = world.link_one()
    world.servicenow.people.note(sys_id, "First.")
    world.cycle()
    world.clock.advance(minutes=4)
    world.servicenow.people.note(sys_id, "Second.")
    world.cycle(seconds=1)
    stood = world.store.snapshots.cursors()["incidents.main.incident"].time
    assert stood is not None
    world.servicenow.access.list_lag = timedelta(minutes=2)
    world.strike_records(FaultKind.STALE_LIST, "records.list", times=9)
    world.cycle(seconds=1)
    now = world.store.snapshots.cursors()["incidents.main.incident"].time
    assert now is not None
    assert now >= stood


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    """The journal row must outlive a power cut before the request leaves: ``synchronous = FULL``."""
    with Store.open(tmp_path / "reconciler.db", now=START) as store:
        assert store.database.value("PRAGMA synchronous") == 2
        assert store.database.value("PRAGMA journal_mode") == "wal"
        assert store.database.value("PRAGMA foreign_keys") == 1
