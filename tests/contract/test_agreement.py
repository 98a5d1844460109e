"""Two equal worlds, the same people and the same calls: both clients answer the same at every step.

The steps are drawn from a seed, so that a disagreement can be played again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest

from reconciler.remotes.ports import CaseClient, CaseOrder, IncidentClient, Position
from reconciler.sandbox.coralogix.lifecycle import STATUSES, Profile, Step
from reconciler.sandbox.coralogix.records import NoSuchCaseError, StepRefusedError, person
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.outcomes import outcome_of
from tests.contract.stage import (
    HTTP,
    MEMORY,
    OWNER,
    START,
    Theatre,
    case_id,
    new_cases,
    new_records,
    record_fields,
    sys_id,
)

STEPS = 100
SEEDS = range(4)
TEXTS = ["", " ", "plain", "täst \U0001f525", "a^b,c=d", "line\nbreak", "x" * 200, "0", "{{x}}", "\u00a0"]
INCIDENT_FIELDS = (
    "short_description",
    "description",
    "impact",
    "urgency",
    "category",
    "close_code",
    "u_nope",
    "active",
)
STATES = ["1", "2", "3", "6", "7", "8", "99", ""]

RecordAct = Callable[[ServiceNowWorld], object]
RecordCall = Callable[[IncidentClient], object]
CaseAct = Callable[[CoralogixWorld], object]
CaseCall = Callable[[CaseClient], object]


class CaseScript:
    """Draw what people do to Cases, and what a client asks, both as functions of one world or client."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._ids: list[str] = ["CASE-1", case_id(99)]
        self._token: str | None = None

    def learn(self, world: CoralogixWorld, answer: object) -> None:
        """Take note of new ids and of the token to go on with."""
        self._ids = [*[case.id for case in world.cases()], "CASE-2", case_id(99)]
        if isinstance(answer, dict):
            self._token = answer.get("next_token")

    def act(self) -> CaseAct:
        choose = self._random.choice
        made, text, status = choose(self._ids), choose(TEXTS), choose([*STATUSES, "MERGED"])
        step, digits = choose(list(Step)), self._random.randrange(2_000_000)
        acts: list[CaseAct] = [
            lambda world: world.create_case(text or "t", labels=[("team", text)], activate=bool(digits % 2)),
            lambda world: world.create_case("usual"),
            lambda world: world.clock.advance(microseconds=digits),
            lambda world: world.step(made, step, "system", text),
            lambda world: world.step(made, step, reason=text),
            lambda world: world.set_status(made, status),
            lambda world: world.set_title(made, text or "t"),
            lambda world: world.set_priority(made, f"P{digits % 5 + 1}"),
            lambda world: world.assign(made, person(text).id if text else ""),
            lambda world: world.hide(made, hidden=bool(digits % 2)),
            lambda world: world.breach_kpi(made),
        ]
        return choose(acts)

    def call(self) -> CaseCall:
        choose = self._random.choice
        made, text, order = choose(self._ids), choose(TEXTS), choose(list(CaseOrder))
        size, token = choose([1, 2, 3, 200]), choose([None, self._token])
        statuses = self._random.sample(STATUSES, k=self._random.randrange(3))
        start = choose([None, START, START + timedelta(microseconds=self._random.randrange(5_000_000))])
        listing: CaseCall = lambda client: client.list_cases(  # noqa: E731
            order=order, page_size=size, page_token=token, statuses=statuses, created_from=start
        )
        calls: list[CaseCall] = [
            listing,
            listing,
            lambda client: client.list_cases(order=order, page_size=2, page_token=self._token),
            lambda client: client.get_case(made),
            lambda client: client.deep_link(made),
            lambda client: client.acknowledge(made),
            lambda client: client.resolve(made, text),
            lambda client: client.close(made),
        ]
        return choose(calls)


class RecordScript:
    """Draw what people do to records, and what a client asks, both as functions of one world or client."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._last: Position | None = None

    def learn(self, answer: object) -> None:
        """Take note of the place behind which to go on."""
        if isinstance(answer, dict):
            self._last = answer.get("last") or self._last

    def act(self) -> RecordAct:
        choose = self._random.choice
        made, text, fields = sys_id(self._random.randrange(12)), choose(TEXTS), self._fields()
        number, seconds = self._random.randrange(12), self._random.randrange(3)
        mark = choose([OWNER, OWNER.upper(), "Other"])
        acts: list[RecordAct] = [
            lambda world: world.open_incident(text, correlation_id=case_id(number), correlation_display=mark),
            lambda world: world.clock.advance(seconds=seconds),
            lambda world: world.assign(made),
            lambda world: world.progress(made),
            lambda world: world.hold(made),
            lambda world: world.resolve(made),
            lambda world: world.close(made),
            lambda world: world.cancel(made),
            lambda world: world.reopen(made),
            lambda world: world.edit(made, **fields),
            lambda world: world.note(made, text),
            lambda world: world.silent_edit(made, description=text),
            lambda world: world.copy(made),
            lambda world: world.remove(made) if seconds == 2 else None,
            lambda world: world.hide(made) if seconds == 2 else world.show(made),
        ]
        return choose(acts)

    def call(self) -> RecordCall:
        choose = self._random.choice
        numbers = [self._random.randrange(14) for _ in range(self._random.randrange(5))]
        number, fields, limit = self._random.randrange(12), self._fields(), choose([1, 3, 500])
        since = choose([None, START + timedelta(seconds=self._random.randrange(60))])
        after = choose([None, self._last])
        names = [*self._random.sample(TEXTS, k=3), "Network", "network"]
        event = {"message_key": choose(["a", "b"]), "severity": choose(["0", "1", "5"]), "description": choose(TEXTS)}
        calls: list[RecordCall] = [
            lambda client: client.changed("incident", since=since, after=after, limit=limit),
            lambda client: client.changed("incident", since=None, after=after, limit=limit),
            lambda client: client.find("incident", [case_id(one) for one in numbers]),
            lambda client: client.get("incident", sys_id(number)),
            lambda client: client.get_many("incident", [sys_id(one) for one in numbers]),
            lambda client: client.create("incident", record_fields(number, **fields)),
            lambda client: client.create("incident", record_fields(number)),
            lambda client: client.update("incident", sys_id(number), fields),
            lambda client: client.reference("sys_user_group", "name", names),
            lambda client: client.send_event(event),
            lambda client: client.rows("incident", "state!=7^ORDERBYDESCnumber", fields=["number"], limit=limit),
        ]
        return choose(calls)

    def _fields(self) -> dict[str, str]:
        names = self._random.sample(INCIDENT_FIELDS, k=self._random.randrange(4))
        fields = {name: self._random.choice([*TEXTS, "1", "2"]) for name in names}
        if self._random.random() < 0.4:
            fields["state"] = self._random.choice(STATES)
        if self._random.random() < 0.3:
            fields |= {"close_code": "Solution provided", "close_notes": "Done."}
        return fields


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("seed", SEEDS)
def test_both_case_clients_answer_the_same(seed: int, profile: Profile, theatre: Theatre) -> None:
    theatre.desk.answers_are_described = False
    knobs = {"fractional_digits": [0, 3, 6, 9][seed], "offset_tokens": seed == 1, "extra_fields": seed == 2}
    knobs |= {"fresh_update_time_null": seed == 3, "null_optionals": seed == 3, "duplicate_rows": seed == 0}
    real, remembered = (theatre.cases(face, new_cases(profile=profile, **knobs)) for face in (HTTP, MEMORY))
    script = CaseScript(seed)
    for _ in range(STEPS):
        act, call = script.act(), script.call()
        for stage in (real, remembered):
            with suppress(NoSuchCaseError, StepRefusedError):
                act(stage.world)
        answer = outcome_of(partial(call, real.client))
        assert answer == outcome_of(partial(call, remembered.client))
        assert real.world.journal == remembered.world.journal
        script.learn(real.world, answer)
    assert real.world.cases() == remembered.world.cases()
    assert real.requests == remembered.requests


@pytest.mark.parametrize("seed", SEEDS)
def test_both_incident_clients_answer_the_same(seed: int, theatre: Theatre) -> None:
    moods = [
        {},
        {"unreadable_row": "empty", "noop_bumps": "yes"},
        {"sys_id_on_post": "strip"},
        {"case_sensitive": "yes"},
    ]
    real, remembered = (theatre.records(face, new_records(**moods[seed])) for face in (HTTP, MEMORY))
    script = RecordScript(seed)
    for _ in range(STEPS):
        act, call = script.act(), script.call()
        for stage in (real, remembered):
            with suppress(Denial):
                act(stage.world)
        answer = outcome_of(partial(call, real.client))
        assert answer == outcome_of(partial(call, remembered.client))
        assert real.world.journal == remembered.world.journal
        script.learn(answer)
    assert real.world.records() == remembered.world.records()
