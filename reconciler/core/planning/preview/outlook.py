"""What the next cycle would do about one link, or why nothing is done about it now, and what would change that.

Everything here is a function of its arguments; nothing is asked of a service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STEP_TO
from reconciler.core.model import Action, ActionKind, Link, Pair, Skip, SkipReason, Stage, named
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Policies

PASSES: Mapping[SkipReason, str] = {
    SkipReason.PENDING_ACTIVATION: "Coralogix activates the Case",
    SkipReason.NOT_ROUTED: "a route of the config takes the Case; `reconciler policy test REF` shows why none does",
    SkipReason.BEFORE_ORIGIN: "a person takes it in with `reconciler once --since WHEN`",
    SkipReason.SETTLING: "the next cycles have looked again; it passes by itself",
    SkipReason.INCIDENT_TERMINAL: "nothing: a record that is Closed or Canceled is never written again",
    SkipReason.KEPT_ELSEWHERE: "the query of `existing` finds that record no more; a drift check asks again",
}
"""Reason that waits for no person -> what ends it."""
LINKED_AND_NOT_ROUTED = "the policy that it names is there again and lets the record be changed"


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What comes next for one link."""

    actions: tuple[Action, ...] = ()
    skip: Skip | None = None
    because: tuple[str, ...] = ()
    """why nothing is done; empty where something is, or a skip says it"""
    until: tuple[str, ...] = ()
    """what would change that; empty where a person has to look, whose words stand elsewhere"""


def outlook(pair: Pair, policies: Policies, knowledge: Knowledge) -> Outlook:
    """Look ahead for one link, as if each look-up found what it asks for."""
    from reconciler.core.planning.preview.trial import answered  # noqa: PLC0415 - what is at rest needs no decision

    here = Standing(pair=pair, policies=policies, knowledge=knowledge)
    if here.is_left_alone:
        return at_rest(here)
    decision = answered(pair, policies, knowledge)
    if decision.skip:
        is_linked = decision.skip.reason is SkipReason.NOT_ROUTED and pair.link.sys_id
        ends = LINKED_AND_NOT_ROUTED if is_linked else PASSES.get(decision.skip.reason)
        return Outlook(actions=decision.actions, skip=decision.skip, until=(ends,) if ends else ())
    if decision.actions:
        return Outlook(actions=decision.actions)
    return at_rest(here)


def at_rest(here: Standing) -> Outlook:
    """Say why nothing is done about a link for which nothing was decided, and what would change that."""
    if here.is_left_alone:
        return Outlook(
            because=("a person said to leave it alone (`reconciler holds ignore`)",),
            until=("either side changes", "a person says `reconciler holds retry`"),
        )
    return Outlook(because=tuple(_nothing_asked(here)), until=tuple(_would_move(here)))


def _nothing_asked(here: Standing) -> Iterator[str]:
    """Say why neither side has anything to ask of the other."""
    record = named(here.link) if here.link.sys_id else "its record"
    if here.case_at is here.incident_at:
        yield f"both sides stand at {here.case_at.word}"
        return
    yield f"the Case stands at {here.case_at.word}, {record} at {here.incident_at.word}"
    if here.case_at > here.incident_at:
        yield from _record_stays(here)
    else:
        yield from _case_stays(here)


def _record_stays(here: Standing) -> Iterator[str]:
    if here.asks_of_record < here.case_at:
        off = STEP_TO[here.case_at].inbound
        yield f"[inbound.{here.link.inbound}] {off} is off, so a Case that is {here.case_at.word} asks nothing"
    elif here.asks_of_record <= here.incident_peak:
        yield _no_news("the record", here.incident_peak)


def _case_stays(here: Standing) -> Iterator[str]:
    name, outbound = here.link.outbound, here.outbound
    if outbound is None:
        yield f"route {here.link.route} is one-way: nothing comes back to the Case"
    elif why := outbound.when.why_not(here.context):
        yield f"when of [outbound.{name}] does not hold: {why}"
    elif here.asks_of_case is None or here.asks_of_case <= here.case_at:
        words = ", ".join(sorted(here.words)) or "nothing"
        step = STEP_TO[here.incident_at].outbound
        yield f"[outbound.{name}] {step} holds none of the record's words: {words}"
    elif here.asks_of_case <= here.case_peak:
        yield _no_news("the Case", here.case_peak)


def _no_news(side: str, peak: Stage) -> str:
    return f"{side} stood at {peak.word} before; only a higher stage is news to it"


def _would_move(here: Standing) -> Iterator[str]:
    if min(here.case_at, here.incident_at) is Stage.CLOSED:
        yield "nothing: both sides are closed"
        return
    yield "either side goes further, or a field of the Case changes"
    if here.case_at is not here.incident_at:
        yield "another config says so"


def rule_of(kind: ActionKind, to_stage: Stage, link: Link) -> str:
    """Name the rule of the config that an action follows, as its link has it now."""
    inbound, step = f"[inbound.{link.inbound}]", STEP_TO.get(to_stage)
    to_record = f"{inbound} {step.inbound}" if step else inbound
    match kind:
        case ActionKind.CREATE_INCIDENT:
            return f"route {link.route}, {to_record}"
        case ActionKind.ADOPT_INCIDENT:
            return "the mark and the Case's key on the record"
        case ActionKind.ADVANCE_INCIDENT | ActionKind.SEND_EVENT:
            return to_record
        case ActionKind.UPDATE_INCIDENT:
            return f"[inbound.{link.inbound}.fields]"
        case ActionKind.ADD_WORK_NOTE:
            return f"{inbound} on_reactivate"
        case ActionKind.ADVANCE_CASE:
            return f"[outbound.{link.outbound}] {step.outbound}" if step else f"[outbound.{link.outbound}]"
    assert_never(kind)
