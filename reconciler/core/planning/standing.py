"""How both sides of one link stand: looked at once, and read by every rule.

A ``Standing`` is made from a pair and the policies alone. Whoever has one asks nobody again where a side is, how far
it ever was, whether the record is ours or over, or what each side asks of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.core.expressions.context import case_context, incident_context
from reconciler.core.identity import fingerprint, record_id
from reconciler.core.lifecycle import STEPS
from reconciler.core.model import Case, Incident, Link, Pair, Skip, SkipReason, Stage
from reconciler.core.policies.policies import EVENT_TABLE, Inbound, Outbound, Policies, Route
from reconciler.core.policies.routing import route_for


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Hold what one look at a pair showed."""

    pair: Pair
    policies: Policies
    fingerprint: str
    """what both sides look like; an action and a hold remember it"""
    lost_rules: str
    """what the config no longer has of what made the link; empty when it has all of it"""
    case_stage: Stage | None
    """None when the Case is pending or its status unknown"""
    incident_stage: Stage | None
    """None when there is no record or its state is unknown"""
    word: str | None
    """the record's state word"""
    words: frozenset[str]
    """the words that hold for the record: its state's, its raw value, ``assigned``"""
    is_ours: bool
    """the record bears this Case's key and our mark"""
    is_over: bool
    """the record is Closed or Canceled and is never written again"""
    further: tuple[Incident, ...]
    """records that are this Case's as well, beside the linked one"""

    # -- the pair ----------------------------------------------------------------------------------------------

    @property
    def link(self) -> Link:
        """Give the link of the pair."""
        return self.pair.link

    @property
    def case(self) -> Case:
        """Give the Case of the pair."""
        return self.pair.case

    @property
    def incident(self) -> Incident | None:
        """Give the linked record, None until it was seen."""
        return self.pair.incident

    @property
    def is_event(self) -> bool:
        """Say whether the link's record is an alert behind events."""
        return self.link.table == EVENT_TABLE

    @property
    def inbound(self) -> Inbound:
        """Give the policy that the record goes by; raise KeyError where ``lost_rules`` says that it is gone."""
        return self.policies.inbound[self.link.inbound]

    @property
    def outbound(self) -> Outbound | None:
        """Give the policy that the Case goes by; None where the link is one-way."""
        return self.policies.outbound.get(self.link.outbound)

    @cached_property
    def route(self) -> Route | None:
        """Give the route that takes the Case today; an existing link goes by the one that it remembers."""
        return route_for(self.case, self.policies.routes)

    @property
    def chosen_id(self) -> str:
        """Give the ``sys_id`` that a record of this link gets when it is made."""
        return record_id(self.policies.owner, self.case.id, self.link.generation)

    # -- where they stand --------------------------------------------------------------------------------------

    @property
    def case_at(self) -> Stage:
        """Give the Case's stage; one that cannot be placed counts as open."""
        return self.case_stage or Stage.OPEN

    @property
    def incident_at(self) -> Stage:
        """Give the record's stage; one that cannot be placed counts as open."""
        return self.incident_stage or Stage.OPEN

    @cached_property
    def case_peak(self) -> Stage:
        """Give the highest stage of the Case, as far as we or the Case itself know, this look included.

        A Case that was re-activated since it was first seen, or since its record was made, was resolved once, and one
        that was acknowledged since then was acknowledged once, even if no pull of this database saw it.
        """
        times = (self.link.first_seen_at, self.incident.created_at if self.incident else None)
        known_since = min((time for time in times if time), default=None)
        told = {Stage.RESOLVED: self.case.reactivated_at, Stage.ACKNOWLEDGED: self.case.acknowledged_at}
        anew = max(self.link.reactivations, default=None)  # with a record of its own: what was before counts no more
        reached = [
            stage
            for stage, at in told.items()
            if at and known_since and at >= known_since and not (anew and at <= anew)
        ]
        return max(self.case_at, self.link.case_peak or Stage.OPEN, *reached)

    @cached_property
    def incident_peak(self) -> Stage:
        """Give the highest stage of the record, as far as we or the record itself know, this look included.

        A record that counts reopenings was resolved once, even if no pull saw it.
        """
        was_reopened = self.incident is not None and self.incident.reopen_count > 0
        reached = Stage.RESOLVED if was_reopened else Stage.OPEN
        return max(self.incident_at, self.link.incident_peak or Stage.OPEN, reached)

    @property
    def agreed(self) -> Stage | None:
        """Give the highest stage that both sides were seen to have reached."""
        return self.link.agreed

    @property
    def is_case_back(self) -> bool:
        """Say whether the Case was moved back across ``resolved``."""
        return self.case_at < Stage.RESOLVED <= self.case_peak

    @property
    def is_incident_back(self) -> bool:
        """Say whether the record was moved back across ``resolved``."""
        return self.incident is not None and self.incident_at < Stage.RESOLVED <= self.incident_peak

    # -- what each asks of the other ---------------------------------------------------------------------------

    @cached_property
    def asks_of_record(self) -> Stage:
        """Give the stage to which the Case, by the inbound policy, brings its record."""
        return highest_step(self.inbound, self.case_at)

    @cached_property
    def asks_of_case(self) -> Stage | None:
        """Give the stage that the record asks of its Case, if the outbound policy listens; None for nothing."""
        if self.outbound is None or self.incident is None:
            return None
        asked = asked_of_case(self.words, self.outbound)
        return asked if asked is not None and self.outbound.when.holds(self.context) else None

    @cached_property
    def withheld(self) -> str:
        """Say why a record that exists gets nothing from its Case now; empty when it does."""
        why = self.inbound.update_when.why_not(self.context)
        return f"update_when of [inbound.{self.link.inbound}] does not hold: {why}" if why else ""

    @cached_property
    def context(self) -> Mapping[str, object]:
        """Give what conditions and templates may read: the Case, and its record where there is one."""
        case = case_context(self.case)
        return {**case, **incident_context(self.incident, self.word or "")} if self.incident else case

    # -- what is made of it ------------------------------------------------------------------------------------

    def on(self, link: Link) -> Standing:
        """Give the same look with a link that goes by the same rules; one that does not is looked at anew."""
        return replace(self, pair=replace(self.pair, link=link))

    def skip(self, reason: SkipReason, detail: str | None = None) -> Skip:
        """Skip this pair for a reason."""
        return Skip(case_id=self.case.id, case_key=self.case.key, reason=reason, detail=detail)


def look_at(pair: Pair, policies: Policies) -> Standing:
    """Look at a pair under these policies."""
    link, incident = pair.link, pair.incident
    return Standing(
        pair=pair,
        policies=policies,
        fingerprint=fingerprint(pair),
        lost_rules=policies.lost_rules(link),
        further=_rivals(pair, policies),
        case_stage=policies.case_stage(pair.case),
        incident_stage=policies.incident_stage(link, incident) if incident else None,
        word=policies.state_word(link, incident) if incident else None,
        words=policies.words(link, incident) if incident else frozenset(),
        is_ours=incident is not None and policies.is_ours(incident, pair.case.id),
        is_over=incident is not None and policies.is_over(link, incident),
    )


def _rivals(pair: Pair, policies: Policies) -> tuple[Incident, ...]:
    """Give the records that are this Case's as well; a copy in another instance is no rival of the linked one.

    Instances are cloned over each other (PROD over TEST), ids, keys and marks included. Nor is a record that was left
    as it is when the link went on with the next one.
    """
    link = pair.link
    return tuple(
        other
        for other in policies.further_records(pair)
        if other.sys_id not in link.earlier and not (link.sys_id and other.connector != link.connector)
    )


def highest_step(inbound: Inbound, stage: Stage) -> Stage:
    """Give the highest stage up to ``stage`` to which the policy brings a record."""
    return max(step for step in Stage if step <= stage and inbound.step(step) is not None)


def asked_of_case(words: frozenset[str], outbound: Outbound) -> Stage | None:
    """Give the highest stage that a record's words ask of its Case; None when they ask nothing.

    A word asks for the step of its own list alone. Where ``close_on`` does not hold ``closed``, a closed record
    counts as resolved, since it may have passed Resolved between two pulls.
    """
    if "closed" in words and "closed" not in outbound.close_on:
        words |= {"resolved"}
    return next((step.stage for step in reversed(STEPS) if words & outbound.listens(step)), None)
