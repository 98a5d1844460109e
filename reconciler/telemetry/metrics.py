"""The metrics of the program, for Prometheus; with the server, the only user of prometheus_client.

The values are kept here and a scrape only formats them, so its cost does not depend on the database. Process and
platform are not measured: the service manager does that.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from reconciler.core.frozen import dataclass

PREFIX = "reconciler_"
READABLE_BY_ALL = 0o644


class MetricKind(StrEnum):
    """The kinds of metrics."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric; ``name`` leaves out the prefix ``reconciler_``."""

    name: str
    about: str
    kind: MetricKind = MetricKind.GAUGE
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """of a histogram's buckets"""
    lasts: bool = False
    """a gauge that goes on from the last text file, as counters and histograms do"""


LAST_READ = Metric(
    name="last_read_timestamp_seconds", about="When a side was last read whole; 0 for never.", labels=("side",)
)
LAST_CYCLE = Metric(
    name="last_cycle_timestamp_seconds", about="When a cycle last ended so.", labels=("result",), lasts=True
)
CYCLE_DURATION = Metric(
    name="cycle_duration_seconds",
    about="How long cycles took.",
    kind=MetricKind.HISTOGRAM,
    bounds=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)
CYCLES = Metric(name="cycles_total", about="Cycles that ended.", kind=MetricKind.COUNTER, labels=("result",))
FAILED_IN_A_ROW = Metric(name="consecutive_failed_cycles", about="Cycles since the last that went well.", lasts=True)
ACTIONS = Metric(
    name="actions_total",
    about="Writes that were planned and begun.",
    kind=MetricKind.COUNTER,
    labels=("kind", "result"),
)
LAG = Metric(
    name="sync_lag_seconds",
    about="From a change to the end of the write that carried it to the other side.",
    kind=MetricKind.HISTOGRAM,
    labels=("direction",),
    bounds=(5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)
LAG_OBJECTIVE = Metric(name="sync_lag_objective_seconds", about="How long that may take: lag_objective_seconds.")
OPEN_LINKS = Metric(name="open_links", about="Links whose two sides are not both closed.")
DATABASE_BYTES = Metric(name="database_bytes", about="Size of the database, without its write-ahead log.")
BRAKE = Metric(name="brake", about="1 while the last cycle was refused, so that a person must look.")
HOLDS = Metric(name="holds", about="Links that wait for a person.", labels=("reason",))
OLDEST_HOLD = Metric(
    name="oldest_hold_timestamp_seconds", about="Since when the oldest hold stands; absent where there is none."
)
REQUESTS = Metric(
    name="requests_total",
    about="Requests that left the program; the status is none where no answer came.",
    kind=MetricKind.COUNTER,
    labels=("side", "method", "status"),
)
REQUEST_DURATION = Metric(
    name="request_duration_seconds",
    about="How long requests took.",
    kind=MetricKind.HISTOGRAM,
    labels=("side",),
    bounds=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
PACE = Metric(name="pace_requests_per_second", about="How fast a side is asked at most, now.", labels=("side",))
PACE_LIMIT = Metric(
    name="pace_limit_requests_per_second", about="How fast the config allows it to be asked.", labels=("side",)
)
PAUSED_UNTIL = Metric(
    name="paused_until_timestamp_seconds", about="Nothing is sent to a side before; 0 for no pause.", labels=("side",)
)
CHAIN_SEQ = Metric(name="chain_seq", about="Number of the last entry of the chain.")
BUILD_INFO = Metric(name="build_info", about="1; what runs.", labels=("version", "python"))

METRICS = (
    *(LAST_READ, LAST_CYCLE, CYCLE_DURATION, CYCLES, FAILED_IN_A_ROW, ACTIONS, LAG, LAG_OBJECTIVE, OPEN_LINKS),
    *(DATABASE_BYTES, BRAKE, HOLDS, OLDEST_HOLD, REQUESTS, REQUEST_DURATION, PACE, PACE_LIMIT, PAUSED_UNTIL),
    *(CHAIN_SEQ, BUILD_INFO),
)

Labels = tuple[str, ...]


@dataclass
class _Spread:
    """The observations of a histogram, by bucket; the last has no bound."""

    counts: list[float]
    total: float = 0.0


class Metrics(Collector):
    """The present value of each metric. Safe for several threads."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[Labels, float]] = {}
        self._spreads: dict[str, dict[Labels, _Spread]] = {}
        self._lock = threading.Lock()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set one value of a gauge."""
        with self._lock:
            self._numbers.setdefault(metric.name, {})[labels] = value

    def set_all(self, metric: Metric, values: Mapping[str, float]) -> None:
        """Set every value of a gauge with one label; others that it had are gone."""
        with self._lock:
            self._numbers[metric.name] = {(label,): value for label, value in values.items()}

    def clear(self, metric: Metric) -> None:
        """Remove a gauge."""
        with self._lock:
            self._numbers.pop(metric.name, None)

    def get(self, metric: Metric, *labels: str) -> float:
        """Return a value of a gauge or counter; 0 where it has none."""
        with self._lock:
            return self._numbers.get(metric.name, {}).get(labels, 0.0)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Increase a counter."""
        with self._lock:
            values = self._numbers.setdefault(metric.name, {})
            values[labels] = values.get(labels, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""
        with self._lock:
            spread = self._spread(metric, labels)
            spread.counts[bisect_left(metric.bounds, value)] += 1
            spread.total += value

    def _spread(self, metric: Metric, labels: Labels) -> _Spread:
        none = _Spread(counts=[0.0] * (len(metric.bounds) + 1))
        return self._spreads.setdefault(metric.name, {}).setdefault(labels, none)

    # -- for Prometheus --------------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Family]:
        """Return every metric that has a value; called by the library."""
        with self._lock:
            found = [_family(metric, self._numbers, self._spreads) for metric in METRICS]
        return iter(found)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)

    def write(self, path: Path) -> None:
        """Replace the text file atomically, for node_exporter's textfile collector; raise OSError where that fails."""
        # In the same folder, since a rename is atomic only within one file system.
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(self.text())
            beside.chmod(READABLE_BY_ALL)
            beside.replace(path)
        finally:
            with suppress(OSError):
                beside.unlink()

    def resume(self, text: str) -> None:
        """Continue the counters of an earlier text file; raise ValueError where it cannot be read.

        Gauges are not taken from it, except those that last.
        """
        kept = {PREFIX + metric.name.removesuffix("_total"): metric for metric in METRICS if _is_kept(metric)}
        families = list(text_string_to_metric_families(text))
        for family in families:
            metric = kept.get(family.name)
            if metric is not None:
                self._resume(metric, ((each.name, each.labels, each.value) for each in family.samples))

    def _resume(self, metric: Metric, samples: Iterable[tuple[str, Mapping[str, str], float]]) -> None:
        below: dict[Labels, float] = {}  # a bucket counts those below it, too; each spread holds its own alone
        for name, given, value in samples:
            labels = tuple(given.get(label, "") for label in metric.labels)
            if name.endswith("_bucket"):
                at = bisect_left(metric.bounds, float(given["le"]))
                with self._lock:
                    self._spread(metric, labels).counts[at] += value - below.get(labels, 0.0)
                below[labels] = value
            elif name.endswith("_sum"):
                with self._lock:
                    self._spread(metric, labels).total += value
            elif metric.kind is not MetricKind.HISTOGRAM:  # its count is the sum of its buckets
                self.count(metric, *labels, by=value)


def _is_kept(metric: Metric) -> bool:
    return metric.kind is not MetricKind.GAUGE or metric.lasts


def _family(
    metric: Metric, numbers: Mapping[str, Mapping[Labels, float]], spreads: Mapping[str, Mapping[Labels, _Spread]]
) -> Family:
    name, about = PREFIX + metric.name, metric.about
    if metric.kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, about, labels=metric.labels)
        bounds = [str(float(bound)) for bound in metric.bounds] + ["+Inf"]
        for labels, spread in spreads.get(metric.name, {}).items():
            buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
            histogram.add_metric(labels, buckets, sum_value=spread.total)
        return histogram
    made = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = made(name, about, labels=metric.labels)
    for labels, value in numbers.get(metric.name, {}).items():
        family.add_metric(labels, value)
    return family
