"""Pulls, drift checks, kills and rebuilds: everything is read, once, in order, and no cursor goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.core.model import HttpRecord, SkipReason, System
from reconciler.engine.context import Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.reading.pull import pull_cases
from reconciler.engine.reading.window import Window
from reconciler.engine.report import CycleRequest
from reconciler.rebuild.rebuild import rebuild
from reconciler.remotes.ports import CaseOrder, CasePage
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.sandbox.servicenow.switches import Switches
from tests.scenario.wild_support import Killed, MeddledCases, WildWorld, kill
from tests.store_helpers import empty_store
from tests.world import START


def test_a_backfill_of_half_an_hour_after_an_outage_of_three_loses_nothing_between() -> None:
    """The daemon was down for hours; a person starts ``once --since 30m``. What changed before that is read as well."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    other, other_sys_id = world.link_one("another")
    world.clock.advance(minutes=1)
    world.servicenow.people.resolve(sys_id)
    world.coralogix.acknowledge(other)
    world.clock.advance(hours=3)
    world.store.facts.put("last_drift_check", world.clock.now().isoformat())
    world.new_case("a later one, which moves the cursors on")
    world.servicenow.people.note(other_sys_id, "Later.")
    world.cycle(since=world.clock.now() - timedelta(minutes=30))
    world.cycle()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert world.both(other) == ("ACKNOWLEDGED", "2")


def test_a_create_that_was_killed_waits_where_ids_are_not_kept() -> None:
    """Killed while a create runs on an instance that strips our id, and that commits late. The next start waits."""
    world = WildWorld(switches=Switches(sys_id_on_post="strip"))
    world.link_one()
    case_id = world.new_case("another")
    world.servicenow.tables.delay_commit(100)
    world.once("after create", kill)
    with pytest.raises(Killed):
        world.cycle()
    world.cycle()
    assert world.skip(case_id) is SkipReason.SETTLING
    for _ in range(12):
        world.cycle()
    assert len(world.sent(case_id, Operation.INSERT)) == 1
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_cursors_never_go_back() -> None:
    """Listings are struck by a lag again and again. What a cursor once reached it keeps."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.run_until_quiet()
    for number in range(4):
        world.coralogix.set_title(case_id, f"title {number}")
        world.servicenow.people.note(sys_id, "A note.")
        world.cycle()
        stood = {name: cursor.time for name, cursor in world.store.snapshots.cursors().items()}
        world.servicenow.access.list_lag = timedelta(minutes=4)
        world.coralogix.ledger.use(replace(world.coralogix.ledger.knobs, stale_list_seconds=240.0))
        world.strike_records(FaultKind.STALE_LIST, "records.list", times=4)
        world.strike_cases(FaultKind.STALE_LIST, "cases.list", times=2)
        world.cycle(seconds=1)
        world.record_faults.clear()
        world.case_faults.clear()
        for name, cursor in world.store.snapshots.cursors().items():
            before = stood[name]
            assert before is None or (cursor.time is not None and cursor.time >= before), name


SMALL_PAGES = Settings(workers=1, case_page_rows=2, all_cases_page_rows=2)


class _Truncated(MeddledCases):
    """Say ``pbacTruncated`` on one page of one order only."""

    at: tuple[CaseOrder, int]

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = 200,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        page = super().list_cases(
            order=order, page_token=page_token, page_size=page_size, statuses=statuses, created_from=created_from
        )
        self.seen = {**getattr(self, "seen", {}), order: getattr(self, "seen", {}).get(order, 0) + 1}
        return replace(page, truncated=(order, self.seen[order]) == self.at)


@pytest.mark.parametrize("order", list(CaseOrder))
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_one_truncated_page_of_either_listing_is_enough(order: CaseOrder, nth: int) -> None:
    """``pbacTruncated`` on any page of any listing makes the pull partial, and no cursor of it moves."""
    world = WildWorld(settings=SMALL_PAGES)
    for number in range(6):
        world.new_case(f"Case {number}")
    client = _Truncated(world.coralogix)
    client.moments = world.moments
    client.at = (order, nth)
    window = Window(overlap=timedelta(minutes=10), first_lookback=timedelta(days=1), origin=None, now=START)
    side = pull_cases(replace(world.context, cases=client), window)
    assert side.partial
    assert side.pulled.cursors == ()


def test_the_head_of_a_listing_is_its_newest_row() -> None:
    """A listing of several pages moves its cursor to the newest time of all, which stands on the first."""
    world = WildWorld(settings=SMALL_PAGES)
    case_ids = []
    for number in range(6):
        case_ids.append(world.new_case(f"Case {number}"))
        world.clock.advance(seconds=10)
    world.cycle()
    newest = world.coralogix.ledger.case(case_ids[-1])
    assert world.store.snapshots.cursors()["cases.created"].time == newest.created_at
    assert world.store.snapshots.cursors()["cases.updated"].time == newest.updated_at


def test_what_was_read_before_a_kill_is_in_the_audit() -> None:
    """Killed at its first write: the requests of the cycle's pull are recorded already."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before update", kill)
    context = world.context
    record = HttpRecord(
        system=System.CORALOGIX,
        method="POST",
        path="/read",
        status=200,
        duration_ms=1,
        request_id=None,
        attempt=1,
        sent_at=START,
    )
    context.requests.note(record)
    world.clock.advance(seconds=30)
    with pytest.raises(Killed):
        run_cycle(context, CycleRequest(), cycle_id="killed")
    rows = world.store.database.named("SELECT path FROM audit_http WHERE cycle_id = 'killed'")
    assert next(row["path"] for row in rows) == "/read"


def test_the_oldest_case_comes_first() -> None:
    """Actions stand in the order in which their Cases were created."""
    world = WildWorld()
    world.cycle()
    case_ids = []
    for number in range(8):
        case_ids.append(world.new_case(f"Case {number}"))
        world.clock.advance(seconds=1)
    report = world.cycle()
    assert [action.case_id for action in report.plan.actions] == case_ids


def test_a_refused_login_is_not_tried_for_every_link_of_a_drift_check() -> None:
    """The key was revoked between the list and the single reads of a drift check: one refusal, no lock-out."""
    world = WildWorld()
    case_ids = [world.link_one(f"Case {number}")[0] for number in range(4)]
    for case_id in case_ids:
        world.coralogix.hide(case_id)  # not listed any more, so each is asked for by itself
    world.settings = replace(world.settings, accept_partial_view=True)
    world.strike_cases(FaultKind.UNAUTHORIZED_401, "cases.get", times=None)
    asked = world.cases.requests["cases.get"]
    world.cycle(seconds=1000)
    assert world.cases.requests["cases.get"] - asked == 1


def test_a_suspect_that_cannot_be_understood_stops_nobody() -> None:
    """A Case answered 404 once, and comes back in a form that nobody understands. The others go on meanwhile."""
    world = WildWorld(settings=replace(WildWorld().settings, accept_partial_view=True))
    case_id, sys_id = world.link_one()
    other, other_sys_id = world.link_one("another")
    world.servicenow.people.progress(sys_id)
    world.once("before get_case", lambda: world.coralogix.hide(case_id))
    world.cycle()
    world.coralogix.hide(case_id, hidden=False)
    world.meddled.poison = frozenset({case_id})
    world.servicenow.people.progress(other_sys_id)
    for _ in range(3):
        assert world.cycle().error is None
    assert world.status(other) == "ACKNOWLEDGED"


def test_a_nightly_check_reads_every_case_of_thirty_days_whatever_its_status() -> None:
    """The full check lists without a status, from 30 days ago."""
    asked: list[tuple[tuple[str, ...], datetime | None]] = []
    world = WildWorld()
    world.link_one()
    listing = world.meddled.list_cases

    def noted(**how: object) -> CasePage:
        asked.append((tuple(how.get("statuses", ())), how.get("created_from")))  # type: ignore[arg-type]
        return listing(**how)  # type: ignore[arg-type]

    world.meddled.list_cases = noted  # type: ignore[method-assign]
    report = world.cycle(seconds=25 * 3600)
    assert report.kind.value == "full"
    assert [(statuses, world.clock.now() - since) for statuses, since in asked if since] == [((), timedelta(days=30))]


def test_a_rebuild_takes_its_origin_from_the_service() -> None:
    """Our clock is an hour ahead when the links are rebuilt. A Case that is opened and over right after is not lost."""
    world = WildWorld()
    world.link_one()
    world.ahead = timedelta(hours=1)
    world.store = empty_store()
    rebuild(world.context, cycle_id="rebuild")
    origin = world.store.facts.origin()
    assert origin is not None
    assert abs(origin - world.clock.now()) < timedelta(minutes=1)


def test_a_record_that_changes_later_in_a_second_that_was_read_is_seen_by_the_next_reading() -> None:
    """ServiceNow's times are whole seconds, and the id of the later one may come first among those of a second."""
    world = WildWorld(settings=Settings(workers=1, short_rows=0))
    case_ids = [world.new_case(f"Case {number}") for number in range(4)]
    world.run_until_quiet()
    world.clock.advance(seconds=30)
    by_id = sorted(case_ids, key=world.sys_id)
    world.servicenow.people.progress(world.sys_id(by_id[-1]))
    world.cycle(seconds=0)
    for case_id in by_id[:-1]:
        world.servicenow.people.progress(world.sys_id(case_id))
    world.cycle(seconds=30)
    assert {world.both(case_id)[0] for case_id in case_ids} == {"ACKNOWLEDGED"}
