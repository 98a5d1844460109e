"""What is wrong with one link, one Case, one record or one connector stops nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from reconciler.core.errors import PartialTruth, Rejected, Transient
from reconciler.core.identity import fingerprint
from reconciler.core.model import Case, Incident, Result, SkipReason
from reconciler.core.policies.defaults import DEFAULT_FIELDS
from reconciler.engine.acting import lookups
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.store.values import HoldRequest, HoldRequestKind
from tests.builders import an_inbound, compiled, policies
from tests.clients import IncidentsInProcess
from tests.scenario.wild_support import MeddledCases, MeddledRecords, WildWorld, after_a_drift_check, two_instances
from tests.world import FIELDS, World, results

IN_SECOND = 'case.category == "SECURITY"'


class OddRecords(MeddledRecords):
    """An instance that refuses what is asked for some Cases or names, and shows all else."""

    refused: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    breaks: str = ""
    """a Case whose create raises, once it took effect, what no client should"""
    asked: int = 0

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        self.asked += 1
        if self.hidden.intersection(case_ids):
            raise PartialTruth("1 records of incident match and are hidden", system="servicenow")
        return super().find(table, case_ids)

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        made = super().create(table, fields)
        if made.correlation_id == self.breaks:
            raise KeyError("what nobody thought of")
        return made

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        if self.refused.intersection(names):
            raise Rejected("no right to read sys_user_group", system="servicenow", status=403)
        return super().reference(table, name_field, names)


def odd(world: WildWorld) -> OddRecords:
    """Put an odd instance in the place of a world's own."""
    client = OddRecords(world.servicenow, extra_fields=FIELDS)
    client.moments = world.moments
    world.incidents = client
    return client


def held_as_missing() -> tuple[WildWorld, str]:
    """Bring a link whose connector then leaves the config to the hold ``incident_missing``."""
    world, second = two_instances(IN_SECOND)
    world.cycle()
    case_id = world.new_case("attack", category="SECURITY")
    world.run_until_quiet()
    second.people.remove(second.incidents_for(case_id)[0]["sys_id"])
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    world.rules, world.further = policies(connectors=frozenset({"main"})), {}
    return world, case_id


def assert_works(world: World) -> None:
    """See that another Case gets its record."""
    other = world.new_case("innocent")
    assert world.cycle().error is None
    assert len(world.servicenow.incidents_for(other)) == 1


def test_a_retry_for_a_record_whose_connector_left_the_config() -> None:
    world, case_id = held_as_missing()
    pair = world.pair(case_id)
    now = world.clock.now()
    world.store.hold_requests.ask(
        [
            HoldRequest(
                case_id=case_id, kind=HoldRequestKind.RETRY, fingerprint=fingerprint(pair), asked_by="me", asked_at=now
            )
        ]
    )
    assert_works(world)
    assert world.skip(case_id) is SkipReason.NOT_ROUTED


def test_a_first_404_for_a_record_whose_connector_left_the_config() -> None:
    world, second = two_instances(IN_SECOND)
    world.cycle()
    case_id = world.new_case("attack", category="SECURITY")
    world.run_until_quiet()
    second.people.remove(second.incidents_for(case_id)[0]["sys_id"])
    world.coralogix.acknowledge(case_id)
    world.cycle()
    world.rules, world.further = policies(connectors=frozenset({"main"})), {}
    assert_works(world)


def test_a_fault_of_our_own_on_one_link(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a link does to this program, its action is told as such, and is looked for like any in doubt."""
    world = WildWorld()
    world.cycle()
    broken, sound = world.new_case("broken"), world.new_case("sound")
    odd(world).breaks = broken
    report = world.cycle()
    assert sorted(results(report)) == [Result.DONE, Result.UNKNOWN]
    assert "a fault of this program" in next(o.detail or "" for o in report.outcomes if o.action.case_id == broken)
    assert "what nobody thought of" in caplog.text
    world.run_until_quiet()
    assert [len(world.servicenow.incidents_for(each)) for each in (broken, sound)] == [1, 1]


def test_one_name_that_may_not_be_looked_up_holds_its_case_alone() -> None:
    group = '{{ "dba" if case.title == "bad" else "network" if case.title == "good" else "" }}'
    inbound = an_inbound(fields=compiled(DEFAULT_FIELDS, assignment_group=group))
    world = WildWorld(rules=policies(inbound=inbound))
    linked, _ = world.link_one()
    odd(world).refused = frozenset({"dba"})
    bad, good = world.new_case("bad"), world.new_case("good")
    world.coralogix.acknowledge(linked)
    world.run_until_quiet()
    assert world.both(linked) == ("ACKNOWLEDGED", "2")
    assert world.skip(bad) is SkipReason.REJECTED
    assert "no right to read sys_user_group" in world.detail(bad)
    assert len(world.servicenow.incidents_for(good)) == 1


def test_one_record_that_is_hidden_keeps_only_its_case_waiting() -> None:
    """The look-up for one Case does not show everything: nothing is made for it, and the cycle says so."""
    world = WildWorld()
    linked, _ = world.link_one()
    client = odd(world)
    cases = [world.new_case(f"Case {number}") for number in range(9)]
    client.hidden = frozenset({cases[4]})
    world.coralogix.acknowledge(linked)
    report = world.cycle()
    assert "1 records of incident match and are hidden" in str(report.error)
    assert report.exit_code == 3
    assert world.both(linked) == ("ACKNOWLEDGED", "2")
    assert [len(world.servicenow.incidents_for(each)) for each in cases] == [1, 1, 1, 1, 0, 1, 1, 1, 1]
    client.hidden = frozenset()
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(cases[4])) == 1


def test_an_instance_that_hides_much_is_not_asked_for_each_case() -> None:
    world = WildWorld()
    world.cycle()
    client = odd(world)
    client.hidden = frozenset(world.new_case(f"Case {number}") for number in range(90))
    assert "connector main" in str(world.cycle().error)
    assert client.asked <= 4 * lookups.MOST_SINGLED_OUT


def test_a_drift_check_that_one_connector_does_not_answer() -> None:
    """It was there for the pull and is not for the full comparison: its links wait, all others go on."""

    class Slow(IncidentsInProcess):
        def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
            raise Transient("Transaction cancelled", system="servicenow", status=500)

    world, second = two_instances(IN_SECOND)
    world.cycle()
    world.new_case("attack", category="SECURITY")
    case_id = world.new_case()
    world.run_until_quiet()
    world.further = {"second": Slow(second, "second", extra_fields=FIELDS)}
    world.coralogix.acknowledge(case_id)
    report = world.cycle(seconds=1000)
    assert "connector second" in str(report.error)
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert world.cycle().error is None


def test_a_case_that_cannot_be_read_while_its_listing_lags() -> None:
    """A listing shows it older than it is known, and it does not answer by itself: the others go on."""

    class Silent(MeddledCases):
        silent: str = ""

        def get_case(self, case_id: str) -> Case:
            if case_id == self.silent:
                raise Transient("Internal Server Error", system="coralogix", status=500)
            return super().get_case(case_id)

    world = WildWorld()
    silent, silent_sys_id = world.link_one("silent")
    sound = world.new_case("sound")
    world.run_until_quiet()
    world.servicenow.people.progress(silent_sys_id)
    world.cycle()
    assert world.status(silent) == "ACKNOWLEDGED"
    client = Silent(world.coralogix)
    client.moments, client.silent = world.moments, silent
    world.cases = client
    world.strike_cases(FaultKind.STALE_LIST, "cases.list", times=None)
    world.servicenow.people.progress(world.sys_id(sound))
    assert world.cycle(seconds=2).error is None
    assert world.both(sound) == ("ACKNOWLEDGED", "2")


@pytest.mark.parametrize("place", ["cases", "incidents"])
def test_a_damaged_snapshot_stops_its_own_case_and_is_in_the_quarantine_until_it_is_read_again(place: str) -> None:
    world = WildWorld(settings=Settings(workers=1, case_page_rows=1, short_rows=1))
    bad, _ = world.link_one()
    for _ in range(2):  # so that the listings of the next cycle do not reach back to it
        world.clock.advance(seconds=3600)
        good, _ = world.link_one()
    with world.store.database.transaction() as conn:
        conn.execute(f"UPDATE {place} SET snapshot = '{{' WHERE case_id = ?", (bad,))  # noqa: S608 - our own names
    world.coralogix.acknowledge(good)
    world.store.links.plan_again([bad])
    world.cycle()
    assert (world.state(good), world.store.reports.status_summary().quarantined) == ("2", 1)
    world.coralogix.acknowledge(bad)
    after_a_drift_check(world)
    assert (world.state(bad), world.store.reports.status_summary().quarantined) == ("2", 0)
