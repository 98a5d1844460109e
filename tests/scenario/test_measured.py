"""What cycles leave in the metrics: of what was done, of how things stand, of both sides."""

from __future__ import annotations

from datetime import datetime

import pytest

from reconciler.cli.telling.measure import measure_cycle, measure_request, measure_sides
from reconciler.core.model import HttpRecord, System
from reconciler.engine.report import CycleReport
from reconciler.sandbox.faults import FaultKind
from reconciler.telemetry import metrics as m
from reconciler.telemetry.metrics import Metrics
from tests.builders import policies
from tests.scenario.test_holds import rejected
from tests.unit.telemetry.test_metrics import Samples, samples
from tests.world import World

LIMITS = {"coralogix": 100.0, "main": 50.0}


def told(metrics: Metrics) -> Samples:
    return {
        (name.removeprefix("reconciler_"), labels): value for (name, labels), value in samples(metrics.text()).items()
    }


def measure(metrics: Metrics, world: World, report: CycleReport) -> Samples:
    measure_cycle(metrics, report, world.context)
    return told(metrics)


def test_what_a_cycle_did_is_counted_and_its_lag_observed_by_direction() -> None:
    world, metrics = World(), Metrics()
    measure(metrics, world, world.cycle())
    world.new_case("One")
    world.new_case("Two")
    report = world.cycle(seconds=20)
    now = measure(metrics, world, report)
    assert now["actions_total", (("kind", "create_incident"), ("result", "done"))] == 2
    assert now["cycles_total", (("result", "done"),)] == 2
    assert now["last_cycle_timestamp_seconds", (("result", "done"),)] == report.finished_at.timestamp()
    assert now["sync_lag_seconds_count", (("direction", "to_servicenow"),)] == 2
    assert now["sync_lag_seconds_sum", (("direction", "to_servicenow"),)] >= 40
    assert now["cycle_duration_seconds_count", ()] == 2
    assert (now["open_links", ()], now["brake", ()]) == (2, 0)
    assert now["chain_seq", ()] == world.store.ledger.head()[0]
    assert now["database_bytes", ()] == world.store.size_bytes() > 0
    world.new_case("Three")
    later = measure(metrics, world, world.cycle())
    assert later["sync_lag_seconds_count", (("direction", "to_servicenow"),)] == 3


def test_holds_are_counted_by_reason_with_the_age_of_the_oldest() -> None:
    world, metrics = World(), Metrics()
    none = measure(metrics, world, world.cycle())
    assert none["holds", (("reason", "rejected"),)] == none["holds", (("reason", "incident_missing"),)] == 0
    assert ("oldest_hold_timestamp_seconds", ()) not in none
    case_id = rejected(world)
    held = measure(metrics, world, world.cycle())
    [row] = world.store.reports.holds()
    assert held["holds", (("reason", "rejected"),)] == 1
    assert held["oldest_hold_timestamp_seconds", ()] == datetime.fromisoformat(str(row["since"])).timestamp()
    world.cycle(seconds=3600)
    after = measure(metrics, world, world.cycle())
    assert world.skip(case_id) is None
    assert after["holds", (("reason", "rejected"),)] == 0
    assert ("oldest_hold_timestamp_seconds", ()) not in after


def test_cycles_that_fail_in_a_row_and_a_brake_are_told_until_one_goes_well() -> None:
    world, metrics = World(), Metrics()
    world.cycle()
    world.strike_cases(FaultKind.ERROR_500, "cases.list", times=2)
    for number in (1, 2):
        assert measure(metrics, world, world.cycle())["consecutive_failed_cycles", ()] == number
    assert measure(metrics, world, world.cycle())["consecutive_failed_cycles", ()] == 0
    world.rules = policies(limits=policies().limits.__class__(max_creates_per_cycle=0))
    world.new_case()
    refused = measure(metrics, world, world.cycle())
    assert (refused["brake", ()], refused["cycles_total", (("result", "refused"),)]) == (1, 1)
    world.rules = policies()
    assert measure(metrics, world, world.cycle())["brake", ()] == 0


def test_a_side_that_wants_to_be_left_alone_is_told_with_its_pace() -> None:
    world, metrics = World(), Metrics()
    world.cycle()
    measure_sides(metrics, world.context, LIMITS, world.clock.now())
    calm = told(metrics)
    main = (("side", "main"),)
    assert (calm["pace_requests_per_second", main], calm["pace_limit_requests_per_second", main]) == (50, 50)
    assert calm["paused_until_timestamp_seconds", main] == 0
    world.strike_records(FaultKind.RATE_429, "records.list", retry_after="600")
    world.cycle()
    measure_sides(metrics, world.context, LIMITS, world.clock.now())
    busy = told(metrics)
    assert busy["paused_until_timestamp_seconds", main] > world.clock.now().timestamp()
    assert busy["pace_requests_per_second", main] != calm["pace_requests_per_second", main]
    assert busy["paused_until_timestamp_seconds", (("side", "coralogix"),)] == 0


@pytest.mark.parametrize(("status", "word"), [(201, "201"), (None, "none")])
def test_a_request_is_counted_by_side_method_and_status(status: int | None, word: str) -> None:
    metrics, now = Metrics(), World().clock.now()
    record = HttpRecord(
        system=System.SERVICENOW,
        method="POST",
        path="/x",
        status=status,
        duration_ms=300,
        request_id=None,
        attempt=1,
        sent_at=now,
    )
    measure_request(metrics, "emea", record)
    seen = told(metrics)
    assert seen["requests_total", (("method", "POST"), ("side", "emea"), ("status", word))] == 1
    assert seen["request_duration_seconds_sum", (("side", "emea"),)] == 0.3
    assert m.REQUESTS.labels == ("side", "method", "status")
