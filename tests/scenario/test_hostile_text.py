"""Titles, labels and notes that mean to do harm: end to end, in process and over sockets on loopback."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli.build import build_context
from reconciler.cli.showing.cycle_report import print_report
from reconciler.config.load import parse_config
from reconciler.core.model import Case, SkipReason
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER, Sandbox, serve
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.store import Store
from tests.scenario.configured import ConfiguredWorld
from tests.store_helpers import empty_store

TITLES = {
    "quotes": """it's "down" `again` \\" \\' ''""",
    "carets": "disk^NQstate=7^ORassigned_to=x^ORDERBYnumber^^",
    "query words": "=,^javascript:gs.sleep(100000) ISNOTEMPTY IN(1,2)",
    "lines": "one\ntwo\r\nthree\u2028four\tfive",
    "braces": "{{ 7 * 7 }} {% for x in range(9) %} {# gone #} ${jndi:ldap://x} %s {0}",
    "code": "[code]<b>bold</b>[/code] [ CODE ]<script>x()</script>[/ code ]",
    "html": "<script>alert(1)</script><img src=x onerror=y> &lt;&amp;",
    "control": "bell\x07 escape\x1b[31mred\x1b[0m null\x00 back\x08 bom\ufeff turn\u202eover",
    "long": "x" * 512,
    "wide": "🔥" * 300 + "ß漢字",
    "sql": "'; DROP TABLE links; --",
    "blanks": "   \t  padded   ",
}
ONLY_TEXT = {"quotes", "carets", "query words", "braces", "html", "sql"}
"""these arrive as they were written"""
CONFIG = """
[inbound.default.on_create]
assignment_group = '{{ case.labels["team"] | default("") }}'
[inbound.default.on_acknowledge]
work_notes = "{{ case.title }}"
"""
HOSTILE_GROUPS = ("Service Desk^ORname=Network", "Service Desk^NQactive=true", "javascript:gs.getUserID()", "a,b=c")
NUMBERS = itertools.count()
FORBIDDEN = [chr(code) for code in itertools.chain(range(9), range(11, 32), (0x7F, 0x202E, 0xFEFF))]


@dataclass
class Scene:
    """Hold two services and a way to let a cycle fall."""

    coralogix: CoralogixWorld
    servicenow: ServiceNowWorld
    store: Store
    cycle: Callable[[], CycleReport]

    def record(self, case_id: str) -> TableRow:
        return self.servicenow.incident_for(case_id)

    def case(self, case_id: str) -> Case:
        return self.coralogix.ledger.case(case_id)


@contextmanager
def in_process() -> Iterator[Scene]:
    world = ConfiguredWorld(text=CONFIG)
    yield Scene(world.coralogix, world.servicenow, world.store, world.cycle)


@contextmanager
def over_http() -> Iterator[Scene]:
    sandbox = Sandbox(SandboxClock(follow_real_time=True))
    with serve(sandbox, sandbox.case_face()) as served, empty_store() as store:
        text = f"""
[coralogix]
base_url = "{served.case_url}"
api_key = {{ env = "KEY" }}
requests_per_second = 1000
[servicenow.main]
instance_url = "{served.record_url}"
username = "{API_USER}"
password = {{ env = "PASSWORD" }}
requests_per_second = 1000
workers = 1
{CONFIG}"""
        environ = {"KEY": API_KEY, "PASSWORD": API_PASSWORD}
        context = build_context(parse_config(text, environ=environ, folder=Path("/nowhere")), store)
        yield Scene(sandbox.coralogix, sandbox.servicenow, store, lambda: one_cycle(context, next(NUMBERS)))


def one_cycle(context: Context, number: int) -> CycleReport:
    return run_cycle(context, CycleRequest(), cycle_id=f"cycle-{number}")


@pytest.fixture(params=[in_process, over_http], ids=["process", "http"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with request.param() as made:
        made.cycle()
        yield made


def bystanders(scene: Scene) -> Mapping[str, TableRow]:
    return {row["sys_id"]: row for row in scene.servicenow.records("incident") if not row["correlation_id"]}


def test_hostile_titles_make_one_harmless_record_each(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    for state in ("1", "6"):
        scene.servicenow.people.open_incident(
            "somebody's own", state=state, close_code="Solution provided", close_notes="x"
        )
    untouched = bystanders(scene)
    cases = {name: scene.coralogix.create_case(title, labels=[(title, title)]) for name, title in TITLES.items()}
    report = scene.cycle()
    assert report.exit_code == 0, report.error
    assert len(report.outcomes) == len(TITLES)
    print_report(report)
    shown = capsys.readouterr().out
    assert not any(mark in shown for mark in FORBIDDEN)
    for name, case_id in cases.items():
        short = scene.record(case_id)["short_description"]
        assert len(short) <= 160, name
        assert not any(mark in short + scene.record(case_id)["description"] for mark in FORBIDDEN), name
        assert "\n" not in short, name
        assert short.endswith(TITLES[name] if name in ONLY_TEXT else ""), name
    for name in ("long", "wide"):
        record = scene.record(cases[name])
        in_utf_16 = len(record["short_description"].encode("utf-16-le")) // 2
        assert in_utf_16 in {159, 160}, "an instance that counts UTF-16 units cuts nothing, and there is no room left"
        assert record["short_description"].endswith("…")
        assert TITLES[name] in record["description"]
    assert bystanders(scene) == untouched
    assert not scene.cycle().plan.actions


def test_code_marks_do_nothing_in_a_journal(scene: Scene) -> None:
    case_id = scene.coralogix.create_case(TITLES["code"])
    scene.cycle()
    scene.coralogix.acknowledge(case_id)
    scene.cycle()
    (note,) = scene.servicenow.notes(scene.record(case_id)["sys_id"])
    assert note.startswith("(code)<b>bold</b>(/code)")
    assert "[" not in note


def test_a_hostile_label_finds_no_group(scene: Scene) -> None:
    cases = [scene.coralogix.create_case(name, labels=[("team", name)]) for name in HOSTILE_GROUPS]
    right = scene.coralogix.create_case("right", labels=[("team", "Network")])
    scene.cycle()
    assert scene.record(right)["assignment_group"]
    held = {skip.case_id for skip in scene.store.links.standing_skips() if skip.reason is SkipReason.REJECTED}
    assert held == set(cases)
    assert not any(scene.servicenow.incidents_for(case_id) for case_id in cases)


def test_hostile_close_notes_become_a_short_harmless_reason(scene: Scene) -> None:
    cases = {name: scene.coralogix.create_case(name) for name in TITLES}
    scene.cycle()
    for name, case_id in cases.items():
        notes = f"{TITLES[name]} " * (40 if name == "long" else 1)
        scene.servicenow.people.resolve(scene.record(case_id)["sys_id"], close_notes=notes)
    scene.cycle()
    for name, case_id in cases.items():
        case = scene.case(case_id)
        assert case.status == "RESOLVED", name
        assert 0 < len(case.resolution_reason) <= 500
        assert not any(mark in case.resolution_reason for mark in FORBIDDEN), name
    assert scene.case(cases["long"]).resolution_reason.endswith("…")
    assert "{{ 7 * 7 }}" in scene.case(cases["braces"]).resolution_reason
