"""The live checks: each probe against an instance on which it must pass, and one on which it must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from reconciler.core.errors import RemoteError, Transient
from reconciler.core.findings import PAGES, Code
from reconciler.core.model import JsonObject, System
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.policies import Policies
from reconciler.preflight.probes import RIGHTS, CaseProbes, Finding, ProbedSide, Verdict
from reconciler.preflight.records import RecordProbes
from reconciler.remotes.servicenow.codec import asked_fields
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.routes import Right
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.servicenow.api.face import RateRule
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import plain_schema
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.builders import CASE_ID, NOW, OWNER, an_inbound, compiled, policies
from tests.clients import CasesInProcess, IncidentsInProcess
from tests.world import FIELDS

USER = "coralogix.sync"
ADMIN = Actor(user_name="admin", roles=frozenset({"admin"}), script=True)


@dataclass
class Instance:
    """Hold an instance with one record of ours and one of somebody else's, and probe it."""

    switches: Switches = field(default_factory=Switches)
    rules: Policies = field(default_factory=policies)
    fields: tuple[str, ...] = FIELDS
    user_name: str = USER
    polls_an_hour: float = 0

    def __post_init__(self) -> None:
        self.clock = SandboxClock(NOW)
        self.faults = FaultPlan()
        self.world = ServiceNowWorld(self.clock, self.faults, switches=self.switches)
        self.ours = self.world.people.open_incident("ours", correlation_id=CASE_ID, correlation_display=OWNER)
        self.clock.advance(seconds=5)
        self.theirs = self.world.people.open_incident("somebody else's")
        self.client = IncidentsInProcess(self.world, extra_fields=self.fields)

    def findings(self) -> dict[str, Finding]:
        probes = RecordProbes(
            client=self.client,
            policies=self.rules,
            user_name=self.user_name,
            fields={"incident": asked_fields(self.fields)},
            clock=self.clock.now,
            requests_an_hour=self.polls_an_hour,
        )
        before = len(self.world.journal)
        found = {one.probe.removeprefix("incident: "): one for one in probes.run()}
        assert len(self.world.journal) == before, "a probe wrote"
        return found


def verdicts(findings: dict[str, Finding], verdict: Verdict) -> set[str]:
    return {name for name, one in findings.items() if one.verdict is verdict}


def test_a_usual_instance_passes() -> None:
    found = Instance().findings()
    assert verdicts(found, Verdict.FAILED) == set()
    assert verdicts(found, Verdict.NOT_CHECKED) == {"notes", "roles", "writes"}
    assert found["login"].words == f"as {USER}, time zone US/Pacific, date and time format of the system"
    assert "is ignored" in found["unknown field"].words


def test_an_empty_table_proves_nothing_and_does_not_pass() -> None:
    instance = Instance()
    for sys_id in (instance.ours, instance.theirs):
        instance.world.people.remove(sys_id)
    assert verdicts(instance.findings(), Verdict.NOT_CHECKED) >= {"times", "fields", "unknown field"}


def test_times_that_mean_the_users_own_zone_fail() -> None:
    found = Instance(switches=Switches(literal_tz="user")).findings()
    assert verdicts(found, Verdict.FAILED) == {"times"}
    assert "GMT" in found["times"].advice
    assert not found["times"].may_pass


def test_a_time_that_may_not_be_read_fails() -> None:
    instance = Instance()
    instance.world.access.protect("incident", unreadable=("sys_updated_on",))
    found = instance.findings()
    assert verdicts(found, Verdict.FAILED) >= {"future", "fields"}
    assert "sys_updated_on" in found["fields"].words


@pytest.mark.parametrize(("unreadable", "probe"), [("correlation_display", "mark"), ("correlation_id", "key")])
def test_a_key_that_may_not_be_read_fails(unreadable: str, probe: str) -> None:
    instance = Instance()
    instance.world.access.protect("incident", unreadable=(unreadable,))
    found = instance.findings()
    assert probe in verdicts(found, Verdict.FAILED)
    assert unreadable in found[probe].advice


def test_an_instance_that_gives_nothing_for_what_it_does_not_understand_is_told() -> None:
    found = Instance(switches=Switches(invalid_query="no_rows")).findings()
    assert verdicts(found, Verdict.FAILED) == set()
    assert "gives no rows" in found["unknown field"].words
    assert "glide.invalid_query.returns_no_rows = true" in found["properties"].words


def test_a_mapped_field_that_does_not_exist_is_named() -> None:
    found = Instance(fields=(*FIELDS, "u_missing")).findings()
    assert verdicts(found, Verdict.FAILED) == {"fields"}
    assert found["fields"].words.endswith("u_missing")


def test_an_instance_that_does_not_tell_who_did_it_serves_all_the_same() -> None:
    """Such as one on which the user may not read ``sys_user``: nothing is decided by it."""
    instance = Instance()
    instance.world.access.protect("incident", unreadable=("opened_by", "resolved_by"))
    found = instance.findings()
    assert verdicts(found, Verdict.FAILED) == set()
    assert found["fields"].words.endswith("not in the audit: opened_by.user_name, resolved_by.user_name")


@pytest.mark.parametrize(
    ("table", "own", "advice"),
    [
        ("problm", "", "did you mean problem?"),
        ("u_cx_cas", "u_cx_case", "did you mean u_cx_case?"),
        ("zzz", "", "write the name of a table that it has"),
    ],
)
def test_a_table_that_the_instance_does_not_have_is_one_failure_with_the_nearest_name(
    table: str, own: str, advice: str
) -> None:
    instance = Instance(rules=policies(inbound=an_inbound(table=table)))
    if own:
        instance.world.tables.register(plain_schema("sys_db_object", "name"))
        instance.world.writes.insert("sys_db_object", {"name": own}, ADMIN)
    found = instance.findings()
    assert verdicts(found, Verdict.FAILED) == {f"{table}: table"}
    only = found[f"{table}: table"]
    assert (only.code, only.words) == (Code.NO_TABLE, f"Invalid table: the instance has no table {table}")
    assert only.advice == advice


def test_rows_that_are_hidden_make_the_pull_fail() -> None:
    instance = Instance()
    instance.world.access.hide(instance.ours)
    found = instance.findings()
    assert "pull" in verdicts(found, Verdict.FAILED)
    assert "1 rows" in found["pull"].words


def test_values_that_the_instance_does_not_have_are_named() -> None:
    inbound = an_inbound(on_create=compiled({}, category="weather", u_free="anything"))
    rules = policies(inbound=inbound, states={"main": {"42": "on_hold"}})
    found = Instance(switches=Switches(close_codes="old"), rules=rules).findings()
    words = found["choices"].words
    assert verdicts(found, Verdict.FAILED) == {"choices"}
    assert "[inbound.default.on_resolve] close_code = 'Solution provided' is not in the list" in words
    assert "[inbound.default.on_create] category = 'weather' is not in the list" in words
    assert "[servicenow.main.states] explains '42', which is no state" in words
    assert "u_free" not in words


def test_a_state_that_no_word_explains_is_named() -> None:
    instance = Instance()
    instance.world.writes.insert(
        "sys_choice",
        {"name": "incident", "element": "state", "value": "10", "label": "Awaiting parts", "inactive": "false"},
        instance.world.people.actor("admin"),
    )
    assert "the state 10 (Awaiting parts) is explained by no word" in instance.findings()["choices"].words


def test_choices_that_may_not_be_read_are_not_checked() -> None:
    instance = Instance()
    instance.world.access.protect("sys_choice", unreadable=("value", "element"))
    assert instance.findings()["choices"].verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize(("name", "verdict"), [("Network", Verdict.PASSED), ("Netwrok", Verdict.FAILED)])
def test_rows_that_the_config_names_are_looked_up(name: str, verdict: Verdict) -> None:
    inbound = an_inbound(on_create=compiled({}, assignment_group=name))
    finding = Instance(rules=policies(inbound=inbound)).findings()["sys_user_group: names"]
    assert finding.verdict is verdict
    assert name in finding.words


def test_clocks_that_differ_are_told() -> None:
    instance = Instance()
    instance.world.own_clock.set(instance.clock.now() + timedelta(minutes=5))
    finding = instance.findings()["clock"]
    assert finding.verdict is Verdict.FAILED
    assert "300 s" in finding.words


@pytest.mark.parametrize("kind", [FaultKind.UNAUTHORIZED_401, FaultKind.REFUSED, FaultKind.TIMEOUT])
def test_a_login_that_fails_may_pass_later_and_ends_the_questions(kind: FaultKind) -> None:
    instance = Instance()
    instance.faults.add(Fault(kind, "*", times=None))
    found = instance.findings()
    assert found["login"].may_pass
    assert verdicts(found, Verdict.PASSED) == set()
    assert sum(instance.client.requests.values()) == 1


def test_a_login_that_does_not_name_its_user_asks_for_anybody() -> None:
    assert Instance(user_name="").findings()["login"].verdict is Verdict.PASSED


def test_another_user_than_asked_for_means_that_a_condition_was_dropped() -> None:
    instance = Instance()
    instance.world.access.protect("sys_user", unreadable=("user_name",))
    assert instance.findings()["login"].verdict is Verdict.FAILED


# -- Coralogix -------------------------------------------------------------------------------------------------------


@dataclass
class Key:
    """Know who a key is, or answer with an error."""

    error: RemoteError | None = None

    def whoami(self) -> JsonObject:
        return {"team_name": "acme", "user_name": "sync"}

    def settings(self) -> JsonObject:
        if self.error:
            raise self.error
        return {"caseSettings": {"caseLifecycle": {"autoClose": {"postResolutionPeriod": "86400s"}}}}


class Team:
    """Hold a team in memory and probe it."""

    def __init__(self) -> None:
        self.clock = SandboxClock(NOW)
        self.faults = FaultPlan()
        self.world = CoralogixWorld(self.clock, self.faults)
        self.world.create_case("one")
        self.probes = CaseProbes(
            cases=CasesInProcess(self.world), identity=Key(), accept_partial_view=False, clock=self.clock.now
        )

    def findings(self) -> dict[str, Finding]:
        before = len(self.world.journal)
        found = {one.probe: one for one in self.probes.run()}
        assert not any(entry.changed for entry in self.world.journal[before:]), "a probe changed something"
        return found


def test_a_usual_team_passes() -> None:
    found = Team().findings()
    assert verdicts(found, Verdict.NOT_CHECKED) == set()
    assert verdicts(found, Verdict.FAILED) == set()
    assert found["login"].words == "team acme, as sync"
    assert found["settings"].words.endswith("after 1 day")


def test_a_partial_view_fails_unless_it_is_on_purpose() -> None:
    team = Team()
    team.faults.add(Fault(FaultKind.HIDDEN_ROWS, "cases.list", times=None))
    assert "partial_view" in team.findings()["list"].advice
    team.probes = replace(team.probes, accept_partial_view=True)
    assert team.findings()["list"].verdict is Verdict.NOT_CHECKED


def test_settings_that_may_not_be_read_are_not_checked() -> None:
    team = Team()
    team.probes = replace(team.probes, identity=Key(error=Transient("no")))
    assert team.findings()["settings"].verdict is Verdict.NOT_CHECKED


def test_a_list_that_fails_leaves_the_clock_unchecked() -> None:
    team = Team()
    team.faults.add(Fault(FaultKind.FORBIDDEN_403, "cases.list"))
    found = team.findings()
    assert (found["list"].verdict, found["list"].may_pass) == (Verdict.FAILED, False)
    assert "case:Read" in found["list"].advice
    assert found["clock"].verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize(
    ("lacking", "steps"), [(Right.ACKNOWLEDGE, {"acknowledge"}), (Right.CLOSE, {"resolve", "close"})]
)
def test_a_right_that_the_key_lacks_is_named_without_a_change(lacking: Right, steps: set[str]) -> None:
    team = Team()
    rights = [right.value for right in Right if right is not lacking]
    team.probes = replace(team.probes, cases=CasesInProcess(team.world, permissions=rights))
    found = team.findings()
    assert verdicts(found, Verdict.FAILED) == steps
    for step in steps:
        assert (found[step].code, found[step].may_pass) == (Code.CASE_WRITE, False)
        assert RIGHTS[step] in found[step].advice


def test_a_step_that_an_outage_keeps_from_its_answer_is_not_checked() -> None:
    team = Team()
    team.faults.add(Fault(FaultKind.TIMEOUT, "cases.acknowledge"))
    assert team.findings()["acknowledge"].verdict is Verdict.NOT_CHECKED


def test_every_failure_has_a_code() -> None:
    instance = Instance(switches=Switches(literal_tz="user"))
    instance.world.access.protect("incident", unreadable=("sys_updated_on", "correlation_id"))
    failed = [one for one in instance.findings().values() if one.verdict is Verdict.FAILED]
    assert failed
    assert all(one.code in PAGES for one in failed)


@dataclass(frozen=True)
class KnowsRoles:
    """Be a client of an instance that shows the roles of users."""

    client: IncidentsInProcess
    roles: tuple[str, ...]

    def rows(self, table: str, query: str, *, fields: Sequence[str], limit: int) -> tuple[JsonObject, ...]:
        if table != "sys_user_has_role":
            return self.client.rows(table, query, fields=fields, limit=limit)
        return tuple({"user.user_name": USER, "role.name": role} for role in self.roles)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.mark.parametrize(
    ("roles", "verdict", "code"),
    [
        (("itil", "rest"), Verdict.PASSED, None),
        (("snc_internal",), Verdict.NOT_CHECKED, Code.ROLES),
        ((), Verdict.NOT_CHECKED, None),
    ],
)
def test_roles_are_told_and_prove_nothing_that_they_do_not(
    roles: tuple[str, ...], verdict: Verdict, code: Code | None
) -> None:
    instance = Instance()
    instance.client = cast("IncidentsInProcess", KnowsRoles(instance.client, roles))
    finding = instance.findings()["roles"]
    assert (finding.verdict, finding.code) == (verdict, code)


@pytest.mark.parametrize(("allowed", "verdict"), [(100, Verdict.FAILED), (5000, Verdict.PASSED)])
def test_an_hourly_rule_that_the_polls_alone_use_up_is_told(allowed: int, verdict: Verdict) -> None:
    instance = Instance(polls_an_hour=120)
    instance.client.face.rate_rule = RateRule(requests_per_hour=allowed)
    finding = instance.findings()["hourly rule"]
    assert finding.verdict is verdict
    assert f"a rule allows {allowed} requests an hour, the polls alone make 120" in finding.words


def test_no_clock_is_not_the_right_time() -> None:
    assert ProbedSide(name=System.CORALOGIX).clock(None, NOW).verdict is Verdict.NOT_CHECKED


# --- records by other means ------------------------------------------------------------------------------------------


def looking_for(query: str, **switches: str) -> dict[str, Finding]:
    inbound = replace(an_inbound(), existing=Existing.compile(query))
    rules = replace(policies(), inbound={inbound.name: inbound})
    return Instance(rules=rules, switches=Switches(**switches)).findings()  # type: ignore[arg-type]


def test_a_query_for_records_by_other_means_passes_where_its_fields_are_there() -> None:
    assert looking_for("descriptionLIKE{{ case.id }}")["existing"].verdict is Verdict.PASSED
    assert "existing" not in Instance().findings()


@pytest.mark.parametrize("mode", ["ignore", "no_rows"])
def test_a_field_of_existing_that_the_table_lacks_fails_in_either_mode(mode: str) -> None:
    found = looking_for("u_no_such_field={{ case.id }}", invalid_query=mode)["existing"]
    assert found.verdict is Verdict.FAILED
    assert "u_no_such_field" in found.words


def test_a_query_that_finds_a_record_for_no_case_fails() -> None:
    found = looking_for("short_description={{ case.labels.get('app', ['somebody else'])[0] }}'s")["existing"]
    assert found.verdict is Verdict.FAILED
    assert "stands for a Case that there is not" in found.words
