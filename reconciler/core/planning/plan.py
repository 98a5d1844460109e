"""A plan is an ordered, countable, printable value; it carries nothing out.

Rules of this file: two plans with the same hash would do the same, decided from the same; a plan that needs
more than the limits allow is refused whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from reconciler.core.frozen import dataclass
from reconciler.core.identity import digest
from reconciler.core.model import (
    Action,
    ActionKind,
    FieldNote,
    JsonObject,
    Link,
    Outcome,
    Skip,
    SkipReason,
    Stage,
    Verb,
)

if TYPE_CHECKING:
    from reconciler.core.policies.existing import Terms
    from reconciler.core.policies.policies import Limits

DOCUMENT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Question:
    """What must be read before a decision can be made; the engine asks in batches."""

    connector: str
    table: str
    name: str
    """a Case id for a record, the name for a reference"""
    name_field: str = ""
    """empty: which records bear this Case's key? Else: which row of the table has this name?"""
    terms: Terms = ()
    """where there are any: which records by other means stand for this Case?"""


ROUNDS = 4
"""An answer can lead to one more question: a record, a name, its default."""

Answered = TypeVar("Answered")


def until_answered(
    value: Answered,
    asks: Callable[[Answered], Sequence[Question]],
    answered: Callable[[Answered, Sequence[Question]], Answered],
) -> Answered:
    """Answer the questions that a value asks, and make it again with the answers, until it asks nothing more."""
    for _ in range(ROUNDS):
        questions = asks(value)
        if not questions:
            break
        value = answered(value, questions)
    return value


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided for one link."""

    link: Link
    actions: tuple[Action, ...] = ()
    skip: Skip | None = None
    questions: tuple[Question, ...] = ()
    notes: tuple[FieldNote, ...] = ()

    @property
    def is_rejected(self) -> bool:
        """Return whether the link is, or has to be, held because something was refused."""
        return self.skip is not None and self.skip.reason is SkipReason.REJECTED


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one cycle would do, in order, and everything that it would not, with the reason."""

    decisions: tuple[Decision, ...] = ()
    standing_skips: tuple[Skip, ...] = ()
    """links at rest that were skipped before and still are"""
    policy_hash: str = ""

    @property
    def actions(self) -> tuple[Action, ...]:
        """List the actions in the order in which they are begun."""
        return tuple(action for decision in self.decisions for action in decision.actions)

    @property
    def skips(self) -> tuple[Skip, ...]:
        """List why Cases get no action: those decided now, then those that stand from before."""
        decided = {decision.link.case_id for decision in self.decisions}
        now = tuple(decision.skip for decision in self.decisions if decision.skip)
        return now + tuple(skip for skip in self.standing_skips if skip.case_id not in decided)

    @property
    def questions(self) -> tuple[Question, ...]:
        """List what must be read before this plan is complete."""
        return tuple(question for decision in self.decisions for question in decision.questions)

    def counts(self) -> Counter[ActionKind]:
        """Count the actions by kind."""
        return Counter(action.kind for action in self.actions)

    def hash(self) -> str:
        """Name what this plan would do and what it was decided from; 64 hex digits."""
        return plan_hash(self.policy_hash, ((action_document(action), action.fingerprint) for action in self.actions))


def plan_hash(policy_hash: str, rows: Iterable[tuple[JsonObject, str]]) -> str:
    """Name what a plan of these actions would do, each with what it was decided from; 64 hex digits."""
    return digest([policy_hash, [list(row) for row in rows]])


def action_document(action: Action) -> JsonObject:
    """Write one action as the public contract has it."""
    return {
        "kind": action.kind.value,
        "case_id": action.case_id,
        "case_key": action.case_key,
        "connector": action.connector,
        "table": action.table,
        "sys_id": action.sys_id,
        "number": action.number,
        "from": action.from_stage.word if action.from_stage else None,
        "to": action.to_stage.word,
        "path": [verb.value for verb in action.path],
        "fields": dict(action.fields),
        "detail": action.detail,
    }


def outcome_document(outcome: Outcome) -> JsonObject:
    """Write one action with its result."""
    detail = outcome.detail if outcome.detail is not None else outcome.action.detail
    number = outcome.incident.number if outcome.incident else outcome.action.number
    document = action_document(outcome.action)
    return document | {"number": number or None, "result": outcome.result.value, "detail": detail}


def skip_document(skip: Skip) -> JsonObject:
    """Write one skip as the public contract has it."""
    return {"case_id": skip.case_id, "case_key": skip.case_key, "reason": skip.reason.value, "detail": skip.detail}


def plan_document(plan: Plan) -> JsonObject:
    """Write a plan as the document of ``plan --json``."""
    counts = plan.counts()
    return {
        "version": DOCUMENT_VERSION,
        "hash": plan.hash(),
        "actions": [action_document(action) for action in plan.actions],
        "skips": [skip_document(skip) for skip in plan.skips],
        "counts": {kind.value: counts[kind] for kind in ActionKind},
    }


def _resolves_incident(action: Action) -> bool:
    moves = action.kind is ActionKind.ADVANCE_INCIDENT and action.to_stage >= Stage.RESOLVED
    return moves and (action.from_stage or Stage.OPEN) < Stage.RESOLVED


def needs(plan: Plan) -> Mapping[str, int]:
    """Count what the brakes count, under the names of the config keys.

    Closing what is resolved already is not dangerous and is not counted.
    """
    return {
        "max_creates_per_cycle": plan.counts()[ActionKind.CREATE_INCIDENT],
        "max_case_resolves_per_cycle": sum(Verb.RESOLVE in action.path for action in plan.actions),
        "max_incident_resolves_per_cycle": sum(_resolves_incident(action) for action in plan.actions),
    }


def changes_to_existing(plan: Plan) -> Counter[ActionKind]:
    """Count, by kind, what a plan writes on either side of links that have a record already."""
    return Counter(action.kind for decision in plan.decisions if decision.link.sys_id for action in decision.actions)


def over_limits(plan: Plan, limits: Limits) -> tuple[str, ...]:
    """Say which brakes a plan would break, each with its numbers; empty when it fits."""
    allowed = vars(limits)
    return tuple(
        f"the plan needs {count}, [limits] {name} allows {allowed[name]}"
        for name, count in needs(plan).items()
        if count > allowed[name]
    )
