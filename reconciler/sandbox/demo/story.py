"""The demo's story as data: what happens to both services in each chapter, and how many writes it needs.

Case keys are those of a fresh sandbox; a record is named by its Case. ``writes`` is counted by hand from the public
contract, not taken from a run: the fewest that bring the other side into step.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.frozen import dataclass
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.control.people import People
from reconciler.sandbox.faults import Fault, FaultKind

Act = Callable[[Sandbox], str]
"""Does one thing to the sandbox and says it."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One part of the story; a cycle follows it."""

    headline: str
    why: str
    acts: tuple[Act, ...] = ()
    writes: int = 0
    """how many writes to both services the cycle needs"""
    goes_well: bool = True
    """False: the cycle must fail, and say so"""


def _arrives(title: str, priority: str) -> Act:
    def act(sandbox: Sandbox) -> str:
        case = People(sandbox).create_case(title, priority)
        return f"{case.key} ({priority}) appears: {title}"

    return act


def _on_case(ref: str, verb: str, words: str) -> Act:
    def act(sandbox: Sandbox) -> str:
        return f"{People(sandbox).act_on_case(ref, verb).key} {words}"

    return act


def _on_record(ref: str, verb: str, words: str) -> Act:
    def act(sandbox: Sandbox) -> str:
        return f"{People(sandbox).act_on_record(ref, verb)['number']} {words}"

    return act


def _recovers(ref: str) -> Act:
    def act(sandbox: Sandbox) -> str:
        return f"the signal behind {sandbox.coralogix.recover(ref).key} goes away: Coralogix resolves the Case"

    return act


def _loses_answer(sandbox: Sandbox) -> str:
    sandbox.faults.add(Fault(FaultKind.RESET, "records.create", after_effect=True))
    return "the connection to ServiceNow will be cut after the record is made, before the answer"


def _goes_down(sandbox: Sandbox) -> str:
    sandbox.faults.add(Fault(FaultKind.ERROR_503_HTML, "records.*", times=None))
    return "ServiceNow answers every request with 503"


def _comes_back(sandbox: Sandbox) -> str:
    sandbox.faults.clear()
    return "ServiceNow answers again"


STORY = (
    Chapter(
        headline="Four Cases appear",
        why="Every Case that becomes active gets one Incident, made once, with an id computed from the Case.",
        acts=(
            _arrives("Checkout: p95 latency above 4 s", "P1"),
            _arrives("Payments: 7 % of calls fail", "P2"),
            _arrives("Orders database: disk 93 % full", "P2"),
            _arrives("Canary: one probe is flapping", "P4"),
        ),
        writes=4,
    ),
    Chapter(
        headline="People take them up, on both sides",
        why="Whoever moves first, the other side follows: neither has to be looked at twice.",
        acts=(
            _on_record("CASE-1", "assign", "is assigned to Beth Anglin in ServiceNow"),
            _on_case("CASE-2", "acknowledge", "is acknowledged in Coralogix"),
            _on_record("CASE-3", "progress", "is put In Progress in ServiceNow"),
        ),
        writes=3,
    ),
    Chapter(
        headline="The work gets done",
        why="A resolved Incident resolves its Case with a reason; a Case that recovers resolves its Incident.",
        acts=(
            _on_record("CASE-1", "resolve", "is resolved in ServiceNow"),
            _recovers("CASE-2"),
            _on_record("CASE-3", "resolve", "is resolved in ServiceNow"),
        ),
        writes=3,
    ),
    Chapter(
        headline="One Incident is reopened, and left alone",
        why="Somebody had a reason: it gets no write of any kind until it moves forward by itself.",
        acts=(
            _on_record("CASE-3", "reopen", "is reopened in ServiceNow: the disk is full again"),
            _on_case("CASE-3", "close", "is closed in Coralogix all the same"),
        ),
    ),
    Chapter(
        headline="One Incident is canceled",
        why="Only a resolved Case is closed, so its Case is resolved first and closed then.",
        acts=(_on_record("CASE-4", "cancel", "is canceled in ServiceNow: a false alarm"),),
        writes=2,
    ),
    Chapter(
        headline="The answer to a create is lost",
        why="The record is looked for by its computed id before anything is sent again: one Case, one record.",
        acts=(
            _arrives("Login: certificate ends in 3 days", "P3"),
            _loses_answer,
        ),
        writes=1,
    ),
    Chapter(
        headline="ServiceNow is down",
        why="No answer is never an empty answer: nothing is planned, and what Coralogix says is remembered.",
        acts=(
            _goes_down,
            _arrives("Search: the queue is growing", "P2"),
            _on_case("CASE-5", "acknowledge", "is acknowledged in Coralogix"),
        ),
        goes_well=False,
    ),
    Chapter(
        headline="ServiceNow is back",
        why="Nothing was lost: the plan is made from what both sides look like now, not from missed messages.",
        acts=(
            _comes_back,
            _recovers("CASE-6"),
        ),
        writes=2,
    ),
    Chapter(
        headline="Everything is closed",
        why="Closing goes both ways too; a Closed Incident is never written again.",
        acts=(
            _on_record("CASE-1", "close", "is closed in ServiceNow"),
            _on_case("CASE-2", "close", "is closed in Coralogix"),
            _on_record("CASE-5", "resolve", "is resolved in ServiceNow"),
            _on_case("CASE-6", "close", "is closed in Coralogix"),
        ),
        writes=4,
    ),
    Chapter(
        headline="Nothing is left to do",
        why="A cycle in which nothing changed reads a few pages and writes nothing.",
    ),
)
"""Told in this order, each chapter followed by one cycle."""
