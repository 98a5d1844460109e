"""Schedules by seed: the same seed gives the same schedule on every machine and in every run."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.faults import DRIPS, ODD_ANSWERS, FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from tests.campaign.more import ALWAYS, Kind, weave
from tests.campaign.schedule import (
    Backup,
    CaseAct,
    Cycle,
    Hosts,
    Interrupt,
    Kill,
    LateCommit,
    OtherCycle,
    RecordAct,
    Restore,
    Schedule,
    Setting,
    Skew,
    Step,
    Strike,
    Wait,
    When,
)

T = TypeVar("T")

STRIKES = tuple(kind for kind in FaultKind if kind not in DRIPS | ODD_ANSWERS)
"""Those are woven in by ``more``, so that a seed gives the schedule that it gave before there were any."""

CASE_VERBS: Mapping[str, int] = {
    "create": 10,
    "acknowledge": 10,
    "resolve": 10,
    "close": 6,
    "recover": 5,
    "unacknowledge": 4,
    "reactivate": 4,
    "set_title": 4,
    "set_priority": 4,
    "activate": 2,
    "create_pending": 2,
    "auto_close": 2,
    "set_reason": 1,
    "assign": 1,
    "comment": 1,
    "breach_kpi": 1,
    "hide": 1,
    "show": 1,
    "delete": 1,
    "set_status": 1,
}
RECORD_VERBS: Mapping[str, int] = {
    "assign": 8,
    "progress": 8,
    "resolve": 9,
    "close": 7,
    "cancel": 4,
    "hold": 4,
    "reopen": 5,
    "back_to_new": 3,
    "edit_title": 3,
    "edit_urgency": 3,
    "unassign": 2,
    "note": 2,
    "auto_close": 2,
    "set_state": 2,
    "silent_state": 2,
    "silent_title": 1,
    "copy": 1,
    "remove": 1,
    "hide": 1,
    "show": 1,
    "drop_key": 1,
    "drop_mark": 1,
    "stranger": 1,
}
"""``stranger``: somebody opens a record by hand that bears the Case's id and not our mark."""
BELOW_RESOLVED = (
    ((CaseAct, "acknowledge"), (RecordAct, "progress"), (RecordAct, "assign")),
    ((CaseAct, "unacknowledge"), (RecordAct, "back_to_new"), (RecordAct, "unassign")),
)
ACROSS_RESOLVED = (
    ((CaseAct, "resolve"), (RecordAct, "resolve")),
    ((CaseAct, "reactivate"), (RecordAct, "reopen"), (RecordAct, "hold"), (RecordAct, "back_to_new")),
)
"""What brings both sides forward, and what then moves one of them back."""
READS = ("cases.list", "cases.get", "records.list", "records.get")
WRITES = ("cases.acknowledge", "cases.resolve", "cases.close", "records.create", "records.update")
OPERATIONS = (*READS, *WRITES)
STATES = ("1", "2", "3", "6", "7", "8", "42")
STATUSES = ("ACTIVE", "ACKNOWLEDGED", "RESOLVED", "CLOSED", "CASE_STATUS_SNOOZED")
WAITS = (1, 30, 30, 30, 61, 301, 601, 901, 3700, -1, -30, -300, -600, 90000)
STEP_KINDS: Mapping[str, int] = {
    "scene": 5,
    "back": 1,
    "yesterday": 1,
    "case": 4,
    "record": 4,
    "cycle": 4,
    "strike": 2,
    "wait": 3,
    "care": 1,
}
CAUSES: Mapping[str, tuple[str, ...]] = {
    "records.create": ("create", "activate"),
    "records.update": ("acknowledge", "resolve", "close", "recover", "set_title"),
    "cases.acknowledge": ("assign", "progress", "hold"),
    "cases.resolve": ("resolve", "cancel"),
    "cases.close": ("close", "cancel"),
}
"""What somebody does before a cycle that is to ask for a write."""


def generate(seed: str, kinds: AbstractSet[Kind] = ALWAYS) -> Schedule:
    """Make the schedule of a seed, with further kinds of trouble woven in."""
    return weave(_Maker(seed).schedule(), seed, kinds)


class _Maker:
    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def schedule(self) -> Schedule:
        """Make a setting, and about 8 to 20 steps of which the first opens a Case."""
        self._setting = self._make_setting()
        self._cases = self._random.choice((1, 1, 1, 2, 2, 3))
        opened = [CaseAct(case, "create") for case in range(self._random.randint(1, self._cases))]
        steps = [step for _ in range(self._random.randint(5, 12)) for step in self._steps()]
        return Schedule(self._setting, (*opened, *steps))

    def _make_setting(self) -> Setting:
        return Setting(
            profile=self._pick(("strict", "strict", "lenient")),
            knobs=CaseKnobs(
                list_lag_seconds=self._pick((0.0, 0.0, 0.0, 5.0, 45.0)),
                fractional_digits=self._pick((6, 6, 3, 0)),
                offset_tokens=self._rarely(),
                fresh_update_time_null=self._rarely(),
                nulls_first=self._rarely(),
                duplicate_rows=self._rarely(),
            ),
            switches=self._make_switches(),
            record_lag_seconds=self._pick((5, 30, 30, 100)),
            hosts=self._pick((Hosts.ONE, Hosts.ONE, Hosts.ONE_DATABASE, Hosts.TWO_DATABASES)),
            limit=1 if self._rarely() else 100,
            page_rows=self._pick((100, 100, 2, 1)),
            short_rows=self._pick((100, 100, 1)),
        )

    def _make_switches(self) -> Switches:
        """Make an instance; one that kept neither the id nor the key would leave nothing to find a record by."""
        strips_key = self._random.random() < 0.02
        return Switches(
            sys_id_on_post="honour" if strips_key else self._pick(("honour", "honour", "strip")),
            correlation_on_post="strip" if strips_key else "keep",
            noop_bumps=self._pick(("no", "no", "yes")),
            note_bumps=self._pick(("yes", "yes", "no")),
            unreadable_row=self._pick(("absent", "absent", "empty")),
            total_count=self._pick(("before_acl", "before_acl", "after_acl")),
            case_sensitive=self._pick(("no", "no", "yes")),
            close_role=self._pick(("any", "any", "any", "any", "admin")),
            close_info=self._pick(("mandatory", "mandatory", "optional")),
            empty_value=self._pick(("clears", "clears", "ignored")),
        )

    def _steps(self) -> list[Step]:
        word = self._weighted(STEP_KINDS)
        match word:
            case "scene":
                return self._scene()
            case "back":
                return self._back()
            case "yesterday":
                return self._yesterday()
            case _:
                return [self._step(word)]

    def _back(self) -> list[Step]:
        """Let one side follow the other, and then somebody move either of them back."""
        case, host = self._case(), self._host()
        forth, back = self._pick((BELOW_RESOLVED, ACROSS_RESOLVED))
        steps: list[Step] = [kind(case, verb) for kind, verb in (self._pick(forth), self._pick(back))]
        return [steps[0], Cycle(host), steps[1], Cycle(host)]

    def _yesterday(self) -> list[Step]:
        """Copy a database away, let something happen that its daemon follows, and put the copy back."""
        host = self._host()
        meanwhile = [self._step(self._pick(("case", "record"))) for _ in range(self._random.randint(1, 3))]
        return [
            Backup(host),
            *meanwhile,
            Cycle(host),
            Wait(self._pick((1, 30, 901, 90000))),
            Restore(host),
            Cycle(host),
        ]

    def _scene(self) -> list[Step]:
        """Let somebody cause a write, and something happen to it."""
        operation = self._pick(tuple(CAUSES))
        verb = self._pick(CAUSES[operation])
        case, host = self._case(), self._host()
        cause = CaseAct(case, verb) if verb in CASE_VERBS and "records" in operation else RecordAct(case, verb)
        match self._pick(("fault", "fault", "read fault", "interrupt", "interrupt", "late")):
            case "fault":
                return [cause, self._fault_at(operation), Cycle(host)]
            case "read fault":
                return [cause, self._fault_at(self._pick(READS)), Cycle(host)]
            case "late":
                return [LateCommit(self._pick((5, 40, 200))), cause, Cycle(host)]
            case _:
                when = self._pick((When.BEFORE, When.AFTER))
                return [cause, Cycle(host, (Interrupt(operation, 1, when, self._what(host)),))]

    def _step(self, word: str) -> Step:
        match word:
            case "case":
                return self._case_act()
            case "record":
                return self._record_act()
            case "strike":
                return self._strike()
            case "wait":
                return Wait(self._pick(WAITS))
            case "care":
                return self._care()
            case _:
                return self._cycle()

    def _case_act(self) -> CaseAct:
        verb = self._weighted(CASE_VERBS)
        values = {"set_priority": ("P1", "P3", "P5", ""), "set_title": ("a", "b"), "set_status": STATUSES}
        return CaseAct(self._case(), verb, self._pick(values.get(verb, ("",))))

    def _record_act(self) -> RecordAct:
        verb = self._weighted(RECORD_VERBS)
        values = {
            "set_state": STATES,
            "silent_state": STATES,
            "edit_urgency": ("1", "2", "3"),
            "edit_title": ("a", "b"),
            "silent_title": ("a", "b"),
        }
        return RecordAct(self._case(), verb, self._pick(values.get(verb, ("",))))

    def _strike(self) -> Strike:
        return self._fault_at(self._pick(OPERATIONS))

    def _fault_at(self, operation: str) -> Strike:
        times = self._pick((1, 1, 1, 2, 4))
        return Strike(self._pick(STRIKES), operation, after_effect=self._random.random() < 0.5, times=times)

    def _care(self) -> Step:
        host = self._host()
        where = self._pick((host, -1))
        skew = Skew(where, self._pick((-600, -90, 90, 600)))
        among: tuple[Step, ...] = (Backup(host), Backup(host), Restore(host), skew)
        return self._pick(among)

    def _cycle(self) -> Cycle:
        count = self._pick((0, 0, 0, 1, 1, 2))
        host = self._host()
        return Cycle(host, tuple(self._interrupt(host) for _ in range(count)))

    def _interrupt(self, host: int) -> Interrupt:
        when = self._pick((When.BEFORE, When.AFTER))
        what = self._what(host)
        if isinstance(what, Kill) and self._random.random() < 0.5:
            return Interrupt("commit", self._random.randint(1, 12), when, what)
        operation = self._pick(("*", *WRITES, "records.list.find", "records.list.many", "records.get", "cases.get"))
        nth = self._random.randint(1, 8) if operation == "*" else self._pick((1, 1, 1, 2))
        return Interrupt(operation, nth, when, what)

    def _what(self, host: int) -> Kill | CaseAct | RecordAct | OtherCycle:
        word = self._pick(("kill", "case", "record", "other"))
        if word == "other" and self._setting.hosts is Hosts.TWO_DATABASES:
            return OtherCycle(1 - host)
        if word == "case":
            return self._case_act()
        return self._record_act() if word == "record" else Kill()

    def _case(self) -> int:
        return self._random.randrange(self._cases)

    def _host(self) -> int:
        return 0 if self._setting.hosts is Hosts.ONE else self._random.randrange(2)

    def _rarely(self) -> bool:
        return self._random.random() < 0.1

    def _pick(self, among: Sequence[T]) -> T:
        return self._random.choice(among)

    def _weighted(self, weights: Mapping[str, int]) -> str:
        return self._random.choices(tuple(weights), tuple(weights.values()))[0]
