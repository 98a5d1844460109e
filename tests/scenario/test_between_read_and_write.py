"""What happens between a read and the write that was decided from it, on services that take their time."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.model import Incident, Result, SkipReason, Stage
from reconciler.engine.acting.lanes import LINKS_READ_AT_ONCE
from reconciler.sandbox.faults import FaultKind
from tests.scenario.wild_support import MeddledRecords, WildWorld
from tests.world import FIELDS


class SlowRecords(MeddledRecords):
    """An instance that takes its time over each write."""

    seconds: float = 0

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        self.world.clock.advance(seconds=self.seconds)
        return super().update(table, sys_id, fields)


def resolved_at_once(seconds_a_write: float) -> tuple[WildWorld, list[str]]:
    """Resolve as many Cases as are read in one request, on an instance that takes so long over each write."""
    world = WildWorld()
    world.cycle()
    cases = [world.new_case(f"Case {number}") for number in range(LINKS_READ_AT_ONCE)]
    world.run_until_quiet()
    client = SlowRecords(world.servicenow, extra_fields=FIELDS)
    client.moments, client.seconds = world.moments, seconds_a_write
    world.incidents = client
    for case_id in cases:
        world.coralogix.resolve(case_id, "done")
    return world, cases


def test_a_record_that_is_closed_while_the_writes_before_it_are_under_way() -> None:
    """All were read together, and the last write of them comes minutes later. It is read again, and left alone."""
    world, cases = resolved_at_once(seconds_a_write=5)
    last = max(cases, key=lambda each: (world.coralogix.ledger.case(each).created_at, each))
    world.once("after update", lambda: world.servicenow.people.close(world.sys_id(last)))
    report = world.cycle()
    ended = {outcome.action.case_id: outcome.result for outcome in report.outcomes}
    assert ended.pop(last) is Result.ALREADY
    assert set(ended.values()) == {Result.DONE}
    assert world.both(last) == ("RESOLVED", "7")


def test_records_that_were_read_just_now_are_not_read_one_by_one() -> None:
    world, _ = resolved_at_once(seconds_a_write=0)
    before = world.incidents.requests["records.get"]
    world.cycle()
    assert world.incidents.requests["records.get"] == before


def test_how_far_a_case_came_is_kept_when_the_next_verb_is_in_doubt() -> None:
    """Resolve is done; of the close that follows neither the answer nor the look for it comes back."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.cancel(sys_id)
    world.strike_cases(FaultKind.TIMEOUT, "cases.close")
    world.once("before close", lambda: world.strike_cases(FaultKind.ERROR_503_HTML, "cases.get"))
    report = world.cycle()
    assert [outcome.result for outcome in report.outcomes] == [Result.UNKNOWN]
    assert world.pair(case_id).link.case_peak is Stage.RESOLVED
    world.run_until_quiet()
    assert world.status(case_id) == "CLOSED"


def test_how_far_a_case_came_is_kept_when_it_is_gone_for_the_next_verb() -> None:
    """Resolve is done, and for the close the Case is hidden. Moved back and shown again, it is left alone."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.close(sys_id)
    world.once("before close", lambda: world.coralogix.hide(case_id))
    world.cycle()
    world.coralogix.hide(case_id, hidden=False)
    world.coralogix.reactivate(case_id)
    world.run_until_quiet()
    assert world.verbs(case_id).count("resolve") == 1
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK
