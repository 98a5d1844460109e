"""The probe that writes: what it makes, what it names when it fails, and that its record is nobody's Case's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pytest

from reconciler.core.findings import Code
from reconciler.preflight.probes import Finding, Verdict
from reconciler.preflight.writing import PROBE_MARK, TITLE, WriteProbe
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.builders import NOW, OWNER, an_inbound, compiled
from tests.clients import IncidentsInProcess

KEY = str(uuid.UUID(int=7))


@dataclass
class Instance:
    """Hold an empty instance, and write to it."""

    switches: Switches = field(default_factory=Switches)

    def __post_init__(self) -> None:
        self.faults = FaultPlan()
        self.world = ServiceNowWorld(SandboxClock(NOW), self.faults, switches=self.switches)

    def findings(self) -> dict[str, Finding]:
        client = IncidentsInProcess(self.world, owner=PROBE_MARK)
        inbound = an_inbound(on_create=compiled({}, assignment_group="Network", u_failing="{{ case.labels.nowhere }}"))
        probe = WriteProbe(client=client, inbound=inbound, sys_id="ab" * 16, key=KEY)
        return {one.probe.removeprefix("incident: write probe, "): one for one in probe.run()}


def test_it_takes_every_step() -> None:
    instance = Instance()
    found = instance.findings()
    assert list(found) == ["create", "chosen id", "read", "resolve", "close"]
    assert {one.verdict for one in found.values()} == {Verdict.PASSED}
    [record] = instance.world.records()
    assert (record["state"], record["short_description"], record["assignment_group"]) == ("7", TITLE, "")


def test_its_record_is_found_by_nothing_that_looks_for_ours() -> None:
    instance = Instance()
    instance.findings()
    ours = IncidentsInProcess(instance.world, owner=OWNER)
    assert ours.find("incident", [KEY]) == ()
    assert ours.changed("incident", since=None).incidents == ()


def test_an_id_that_is_not_kept_is_told_and_is_no_failure() -> None:
    found = Instance(switches=Switches(sys_id_on_post="strip")).findings()
    assert (found["chosen id"].verdict, found["chosen id"].code) == (Verdict.NOT_CHECKED, Code.CHOSEN_ID)
    assert found["close"].verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("operation", "last", "advice"),
    [
        ("records.create", "create", KEY),
        ("records.get", "read", "INC0010001"),
        ("records.update", "resolve", "INC0010001"),
    ],
)
def test_it_ends_with_the_first_step_that_fails_and_names_what_is_left(operation: str, last: str, advice: str) -> None:
    instance = Instance()
    instance.faults.add(Fault(FaultKind.FORBIDDEN_403, operation, times=None))
    found = instance.findings()
    assert list(found)[-1] == last
    assert (found[last].verdict, found[last].code) == (Verdict.FAILED, Code.RECORD_WRITE)
    assert advice in found[last].advice


def test_closing_that_another_role_may_is_told() -> None:
    found = Instance(switches=Switches(close_role="admin")).findings()
    assert found["resolve"].verdict is Verdict.PASSED
    assert found["close"].code is Code.RECORD_WRITE
