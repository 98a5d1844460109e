"""The decision: from what is remembered about one Case to what is done about it, or why nothing is.

**The scale.** Both sides of a link stand on one ordered scale, the stage. Nothing here ever moves a side down it.

    stage          Case             record                                   verb that leads there
    open           ACTIVE           New
    acknowledged   ACKNOWLEDGED     In Progress, On Hold, assigned           acknowledge
    resolved       RESOLVED         Resolved                                 resolve
    closed         CLOSED           Closed, Canceled                         close (only from resolved)

A *peak* is the highest stage at which a side ever stood. A side is brought to a stage only if that is above its peak:
so the order in which news arrives does not matter, doing a thing twice changes nothing, and two sides never fight.

**The decision table.** The first row that applies decides; a row that names a side decides for that side alone.

    a person said to leave it alone, and nothing changed     nothing
    it was rejected, nothing changed, its time not come      nothing: ``rejected``

    no record yet
      never active, unknown, or gone                         nothing: ``pending_activation``, ``unknown_state``, …
      too old, no route, ``create_when`` false               nothing: ``before_origin``, ``not_routed``
      nobody looked for records with its key                 ask
      one bears it / several do                              adopt it, then as linked / nothing: ``duplicate_incidents``
      people have the record before it open again            nothing: ``incident_reopened``
      ``existing`` finds a record by other means             nothing: ``kept_elsewhere``
      a create may still run, and would not be recognised    nothing: ``settling``
      none of these                                          create it, at the stage where the Case stands

    linked
      the record of a re-activation is there already         as with no record yet
      an obstacle (``rules.OBSTACLES``, in their order)      nothing, with the obstacle's word
      its Case is active again, and gets a next record       as with no record yet
      record: moved back across ``resolved``                 nothing: ``incident_reopened``
      record: closed or canceled                             nothing: ``incident_terminal`` where something differs
      record: something differs, ``update_when`` is false    nothing: ``not_routed``
      record: its Case stands above the record's peak        advance it, with the fields that differ
      record: a field in step differs, and is still ours     update it
      Case: moved back across ``resolved``                   nothing: ``case_moved_back``; its record gets a note,
                                                             but where ``on_reactivate`` is ``hold``
      Case: the record's words ask for more than its peak    advance it, verb by verb

**Three steps.** ``Standing`` looks at the pair once, with the policies and with what is known beside them, and derives
how both sides stand; from then on it is all that is handed on. ``rules`` applies the table and returns a verdict.
``drafts`` renders the fields and makes the actions of that verdict. A rule never renders, and a draft decides only what
depends on the rendered fields: the rows that say "something differs".

Everything here is a function of its arguments. The decision is asked twice for each action: when the plan is made, and
again from what was read just before the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.model import Hold, Pair, Skip
from reconciler.core.planning.drafts import drafted
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan
from reconciler.core.planning.rules import verdict_on
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Policies

FIRST_RETRY = timedelta(minutes=15)
LAST_RETRY = timedelta(days=1)


def plan(
    pairs: Iterable[Pair],
    policies: Policies,
    knowledge: Knowledge,
    *,
    standing: tuple[Skip, ...] = (),
    policy_hash: str,
) -> Plan:
    """Decide for each pair and put the decisions into one ordered plan.

    A plan with questions is not complete: answer them in ``knowledge`` and plan again.
    """
    decisions = tuple(decide(pair, policies, knowledge) for pair in pairs)
    return Plan(decisions=decisions, standing_skips=standing, policy_hash=policy_hash)


def decide(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    """Decide for one pair. Nothing in the answer moves either side back."""
    return decide_standing(Standing(pair=pair, policies=policies, knowledge=knowledge))


def decide_standing(here: Standing) -> Decision:
    """Decide for a pair that was looked at already: by the rules, then all that is sent, then whether it is held."""
    here = here.as_made.as_sent.as_told
    verdict = verdict_on(here)
    decision = drafted(verdict)
    return _with_hold(decision, here)


def _with_hold(decision: Decision, here: Standing) -> Decision:
    """Hold a link whose fields cannot be made or whose look-up was refused.

    What a person, or a hold, said of how the pair looked before ends here, and so does a hold with nothing left to do.
    """
    hold = _hold_after(decision, here)
    ignored = here.link.ignored_fingerprint if here.is_left_alone else ""
    if decision.link.hold == hold and decision.link.ignored_fingerprint == ignored:
        return decision
    return replace(decision, link=replace(decision.link, hold=hold, ignored_fingerprint=ignored))


def _hold_after(decision: Decision, here: Standing) -> Hold | None:
    """Return the hold that a decision leaves: the one that stands, the next one, or none."""
    if here.is_left_alone:
        return None
    hold, now = here.hold if decision.link.hold else None, here.knowledge.now
    if decision.actions or (hold and now < hold.next_retry_at):
        return hold
    if decision.skip and decision.is_rejected:
        return next_hold(hold, detail=decision.skip.detail or "", fingerprint=here.fingerprint, now=now)
    return hold if decision.questions else None


def next_hold(previous: Hold | None, *, detail: str, fingerprint: str, now: datetime) -> Hold:
    """Hold a link after a rejection; each one in a row waits four times as long, up to a day."""
    attempts = previous.attempts + 1 if previous else 1
    wait = min(FIRST_RETRY * 4 ** min(attempts - 1, 6), LAST_RETRY)
    since = previous.since if previous else now
    return Hold(detail=detail, since=since, next_retry_at=now + wait, attempts=attempts, fingerprint=fingerprint)
