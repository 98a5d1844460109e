"""The alerts and the dashboard that are shipped: they ask for what is measured, and each alert fires when it should.

What promtool says of them is tried where it is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.telemetry.metrics import METRICS, PREFIX, Metric, MetricKind
from tests.unit.telemetry.test_metrics import measured

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "systemd" / "prometheus"
RULES = FOLDER / "reconciler.rules.yml"
DASHBOARD = FOLDER / "grafana-dashboard.json"
CASES = Path(__file__).with_name("alerts.test.yml")
ANNOTATIONS = re.compile(r"^ {8}annotations:\n(?: {10}.*\n)+", re.MULTILINE)
KNOWN = {PREFIX + metric.name: metric for metric in METRICS}
ADDED = ("job", "instance", "le")
"""labels that Prometheus adds"""


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text())


def metric_of(name: str) -> Metric | None:
    """Find the metric of a series; a histogram's has an ending of its own."""
    plain = KNOWN.get(name)
    if plain is not None:
        return plain if plain.kind is not MetricKind.HISTOGRAM else None
    spread = KNOWN.get(re.sub(r"_(?:bucket|sum|count)$", "", name))
    return spread if spread is not None and spread.kind is MetricKind.HISTOGRAM else None


def unknown(text: str) -> list[str]:
    """Name the series of a text that the program does not offer, and labels that they do not have."""
    names = re.findall(r"\breconciler_\w+", text)
    found = [name for name in names if metric_of(name) is None]
    labels = {label for name in names if (metric := metric_of(name)) for label in metric.labels}
    used = re.findall(r"[{,]\s*(\w+)\s*=~?", text)
    used += [one.strip() for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", text) for one in listed.split(",")]
    return found + [label for label in used if label not in labels | {*ADDED}]


@pytest.mark.parametrize("query", queries())
def test_the_dashboard_asks_for_what_there_is(query: str) -> None:
    assert unknown(query) == []


def test_the_alerts_and_their_tests_ask_for_what_there_is() -> None:
    expressions = re.findall(r"expr: (>-\n(?: {10}.*\n)+|.*\n)", RULES.read_text())
    assert len(expressions) == len(alerts()) > 5
    assert {text: found for text in expressions if (found := unknown(text))} == {}
    series = re.findall(r"series: '([^']+)'", CASES.read_text())
    assert {one: found for one in series if (found := unknown(one))} == {}


@pytest.mark.parametrize(
    "text", ["reconciler_no_such_thing", 'reconciler_brake{side="x"}', "reconciler_cycle_duration_seconds"]
)
def test_what_there_is_not_would_be_noticed(text: str) -> None:
    assert unknown(text)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        metric.name
        for query in queries()
        for name in re.findall(r"\breconciler_\w+", query)
        if (metric := metric_of(name))
    }
    assert {metric.name for metric in METRICS} - shown == {"last_cycle_timestamp_seconds"}


def test_every_alert_is_in_the_table_of_operations() -> None:
    page = (ROOT / "systemd" / "README.md").read_text()
    assert re.findall(r"^\| `(Reconciler\w+)` \|", page, re.MULTILINE) == alerts()


def test_panels_are_told_apart_and_do_not_lie_on_one_another() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in found)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_every_alert_is_tried_both_ways() -> None:
    tried = re.findall(r"alertname: (\w+)(\}|\n +exp_alerts)?", CASES.read_text())
    for alert in alerts():
        assert {bool("exp_alerts" in how) for name, how in tried if name == alert} == {True, False}, alert


# -- what promtool says of them --------------------------------------------------------------------------------------


def promtool(*words: str, folder: Path, given: str | None = None) -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on this machine (Debian: apt-get install prometheus)")
    done = subprocess.run([found, *words], cwd=folder, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_alerts_are_valid_with_their_words() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES.name, folder=FOLDER)


@pytest.mark.gate
def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    """Without the words for people, which the tests would have to repeat."""
    (tmp_path / RULES.name).write_text(ANNOTATIONS.sub("", RULES.read_text()))
    shutil.copy(CASES, tmp_path)
    assert "SUCCESS" in promtool("test", "rules", CASES.name, folder=tmp_path)


def test_the_queries_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    rules = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m").replace("$", "")}
        for number, query in enumerate(queries())
    ]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "queries.yml", folder=tmp_path)


def test_the_metrics_keep_the_habits_of_prometheus(tmp_path: Path) -> None:
    assert promtool("check", "metrics", folder=tmp_path, given=measured().text().decode()) == ""
