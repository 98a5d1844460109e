"""What people, and the services by themselves, do to Cases and records in a schedule, by word.

What a service refuses them changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from reconciler.sandbox.coralogix.records import NoSuchCaseError, StepRefusedError
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.campaign.schedule import CaseAct, RecordAct
from tests.campaign.stage import Stage

PERSON_ID = "0d6a4a3e-0000-4000-8000-000000000001"

ON_CASES: Mapping[str, Callable[[CoralogixWorld, str, str], object]] = {
    "acknowledge": lambda world, case_id, _: world.acknowledge(case_id),
    "unacknowledge": lambda world, case_id, _: world.unacknowledge(case_id),
    "resolve": lambda world, case_id, _: world.resolve(case_id, "a person saw to it"),
    "close": lambda world, case_id, _: world.close(case_id),
    "activate": lambda world, case_id, _: world.activate(case_id),
    "recover": lambda world, case_id, _: world.recover(case_id),
    "reactivate": lambda world, case_id, _: world.reactivate(case_id),
    "auto_close": lambda world, case_id, _: world.auto_close(case_id),
    "set_title": lambda world, case_id, value: world.set_title(case_id, f"Payments are slow {value}"),
    "set_priority": lambda world, case_id, value: world.set_priority(case_id, value),
    "set_reason": lambda world, case_id, _: world.set_reason(case_id, "on second thoughts"),
    "set_status": lambda world, case_id, value: world.set_status(case_id, value),
    "assign": lambda world, case_id, _: world.assign(case_id, PERSON_ID),
    "comment": lambda world, case_id, _: world.comment(case_id, "looking"),
    "breach_kpi": lambda world, case_id, _: world.breach_kpi(case_id),
    "hide": lambda world, case_id, _: world.hide(case_id),
    "show": lambda world, case_id, _: world.hide(case_id, hidden=False),
    "delete": lambda world, case_id, _: world.delete(case_id),
}

ON_RECORDS: Mapping[str, Callable[[ServiceNowWorld, str, str], object]] = {
    "assign": lambda world, sys_id, _: world.people.assign(sys_id),
    "unassign": lambda world, sys_id, _: world.people.assign(sys_id, ""),
    "progress": lambda world, sys_id, _: world.people.progress(sys_id),
    "hold": lambda world, sys_id, _: world.people.hold(sys_id),
    "resolve": lambda world, sys_id, _: world.people.resolve(sys_id),
    "close": lambda world, sys_id, _: world.people.close(sys_id),
    "cancel": lambda world, sys_id, _: world.people.cancel(sys_id),
    "reopen": lambda world, sys_id, _: world.people.reopen(sys_id),
    "back_to_new": lambda world, sys_id, _: world.people.back_to_new(sys_id),
    "edit_title": lambda world, sys_id, value: world.people.edit(sys_id, short_description=f"what it is: {value}"),
    "edit_urgency": lambda world, sys_id, value: world.people.edit(sys_id, urgency=value),
    "note": lambda world, sys_id, _: world.people.note(sys_id, "looking"),
    "set_state": lambda world, sys_id, value: world.people.set_state(sys_id, value),
    "silent_state": lambda world, sys_id, value: world.people.silent_edit(sys_id, state=value),
    "silent_title": lambda world, sys_id, value: world.people.silent_edit(
        sys_id, short_description=f"what it is: {value}"
    ),
    "copy": lambda world, sys_id, _: world.people.copy(sys_id),
    "remove": lambda world, sys_id, _: world.people.remove(sys_id),
    "hide": lambda world, sys_id, _: world.access.hide(sys_id),
    "show": lambda world, sys_id, _: world.access.show(sys_id),
    "drop_key": lambda world, sys_id, _: world.people.edit(sys_id, correlation_id=""),
    "drop_mark": lambda world, sys_id, _: world.people.edit(sys_id, correlation_display="somebody else"),
}
TAKING = frozenset({"remove", "drop_key", "drop_mark"})
"""After these nobody who did not know the record can find it."""


def act(stage: Stage, step: CaseAct | RecordAct) -> None:
    """Let somebody do something; nothing happens where there is nothing to do it to."""
    verb, case_id = step.verb if isinstance(step, RecordAct) else "", stage.case_ids.get(step.case, "")
    taken, hidden = [case_id] if verb in TAKING else [], [case_id] if verb == "hide" else []
    stage.note(step, takes_from=taken, hides_from=hidden)
    if step.verb.startswith("silent"):
        stage.announces_all = False
    stage.lists_all = stage.lists_all and verb not in TAKING
    if isinstance(step, CaseAct):
        _act_on_case(stage, step)
    else:
        _act_on_record(stage, step)


def _act_on_case(stage: Stage, step: CaseAct) -> None:
    if step.verb in {"create", "create_pending"}:
        if step.case not in stage.case_ids:
            active = step.verb == "create"
            labels = [("team", "second")] if stage.home_of(step.case) is stage.neighbour else []
            made = stage.coralogix.create_case("Payments are slow", labels=labels, activate=active)
            stage.case_ids[step.case] = made
        return
    case_id = stage.case_ids.get(step.case)
    if case_id is not None:
        with suppress(StepRefusedError, NoSuchCaseError):
            ON_CASES[step.verb](stage.coralogix, case_id, step.value)


def _act_on_record(stage: Stage, step: RecordAct) -> None:
    if step.verb == "auto_close":
        stage.home_of(step.case).people.auto_close()
        return
    if step.verb == "stranger":
        if step.case in stage.case_ids:
            stage.home_of(step.case).people.open_incident("by hand", correlation_id=stage.case_ids[step.case])
        return
    for sys_id in stage.records_of(step.case)[:1]:
        with suppress(LookupError):
            ON_RECORDS[step.verb](stage.home_of(step.case), sys_id, step.value)
