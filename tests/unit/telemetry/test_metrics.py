"""What is measured, as Prometheus reads it: names, kinds, text files whole, and counting that goes on from one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.telemetry import metrics as m
from reconciler.telemetry.metrics import METRICS, MetricKind, Metrics

CONTRACT = {
    "last_read_timestamp_seconds": ("gauge", ("side",)),
    "last_cycle_timestamp_seconds": ("gauge", ("result",)),
    "cycle_duration_seconds": ("histogram", ()),
    "cycles_total": ("counter", ("result",)),
    "consecutive_failed_cycles": ("gauge", ()),
    "actions_total": ("counter", ("kind", "result")),
    "sync_lag_seconds": ("histogram", ("direction",)),
    "open_links": ("gauge", ()),
    "database_bytes": ("gauge", ()),
    "brake": ("gauge", ()),
    "holds": ("gauge", ("reason",)),
    "requests_total": ("counter", ("side", "method", "status")),
    "request_duration_seconds": ("histogram", ("side",)),
    "pace_requests_per_second": ("gauge", ("side",)),
    "paused_until_timestamp_seconds": ("gauge", ("side",)),
    "chain_seq": ("gauge", ()),
    "build_info": ("gauge", ("version", "python")),
}
"""What dashboards and alerts of others rely on."""

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples
    }


def measured() -> Metrics:
    """Give one value of every metric, two of some."""
    metrics = Metrics()
    for metric in METRICS:
        labels = tuple(f"{label}-1" for label in metric.labels)
        if metric.kind is MetricKind.GAUGE:
            metrics.set(metric, 7, *labels)
        elif metric.kind is MetricKind.COUNTER:
            metrics.count(metric, *labels, by=3)
        else:
            for value in (0.01, metric.bounds[2], 1e9):
                metrics.observe(metric, value, *labels)
    return metrics


def test_every_metric_of_the_contract_is_there_with_its_labels() -> None:
    known = {metric.name: (metric.kind.value, metric.labels) for metric in METRICS}
    assert CONTRACT.items() <= known.items()


def test_all_that_is_read_begins_alike_and_nothing_else_is_measured() -> None:
    families = list(text_string_to_metric_families(measured().text().decode()))
    assert {family.name for family in families} == {
        "reconciler_" + metric.name.removesuffix("_total") for metric in METRICS
    }
    assert {"reconciler_" + metric.name.removesuffix("_total"): metric.kind.value for metric in METRICS} == {
        family.name: family.type for family in families
    }
    assert all(family.documentation.endswith(".") for family in families)


def test_a_histogram_counts_up_to_each_bound() -> None:
    metrics = Metrics()
    for value in (1, 5, 6, 1e6):
        metrics.observe(m.LAG, value, "to_servicenow")
    told = samples(metrics.text())

    def at(name: str, **labels: str) -> float:
        return told[
            f"reconciler_sync_lag_seconds{name}", tuple(sorted({"direction": "to_servicenow", **labels}.items()))
        ]

    assert [at("_bucket", le=le) for le in ("5.0", "15.0", "86400.0", "+Inf")] == [2, 3, 3, 4]
    assert (at("_count"), at("_sum")) == (4, 1_000_012)


def test_a_gauge_that_is_set_anew_forgets_what_it_had() -> None:
    metrics = Metrics()
    metrics.set_all(m.HOLDS, {"rejected": 2, "case_moved_back": 1})
    metrics.set_all(m.HOLDS, {"rejected": 0})
    metrics.set(m.OLDEST_HOLD, 5)
    metrics.clear(m.OLDEST_HOLD)
    assert samples(metrics.text()) == {("reconciler_holds", (("reason", "rejected"),)): 0}


def test_counting_goes_on_from_a_text_file_and_what_is_so_now_does_not(tmp_path: Path) -> None:
    first = measured()
    path = tmp_path / "reconciler.prom"
    first.write(path)
    second = Metrics()
    second.resume(path.read_text())
    told, before = samples(second.text()), samples(first.text())
    lasting = {"reconciler_last_cycle_timestamp_seconds", "reconciler_consecutive_failed_cycles"}
    expected = {
        key: value
        for key, value in before.items()
        if key[0] in lasting or key[0].endswith(("_total", "_bucket", "_count", "_sum"))
    }
    assert told == expected
    second.count(m.CYCLES, "result-1")
    assert samples(second.text())["reconciler_cycles_total", (("result", "result-1"),)] == 4


@pytest.mark.parametrize("text", ["no metrics at all {", 'reconciler_cycles_total{result="done"} many\n'])
def test_a_text_file_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Metrics().resume(text)


def test_a_text_file_is_put_in_place_whole_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.prom"
    path.write_text("of before")
    measured().write(path)
    assert path.read_bytes() == measured().text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["reconciler.prom"]


def test_a_text_file_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.prom"
    path.mkdir()
    with pytest.raises(OSError, match=r".+"):
        measured().write(path)
    assert [each.name for each in tmp_path.iterdir()] == ["reconciler.prom"]
