"""How both sides of one link stand: derived once, and read by every rule.

A ``Standing`` holds all that a decision is made from, and is all that is handed on: a pair, the policies, and what is
known beside them. It derives each fact when it is first asked for. It is the one place that answers where a side is,
how far it ever was, whether the record is ours or over, and what each side asks of the other. It also answers how the
pair looks otherwise: as its route takes it, as bound to a record, as it goes on with the next one. What follows from
what it holds is a property; a method is handed what was read since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.core.copies import replace
from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.context import case_context, incident_context
from reconciler.core.expressions.templates import Rendering, Template, rendering
from reconciler.core.frozen import cached_property, dataclass
from reconciler.core.identity import fingerprint, generations, record_id
from reconciler.core.lifecycle import STEPS, as_known
from reconciler.core.model import Case, Hold, Incident, Link, Pair, Stage, named
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.merge import normal
from reconciler.core.policies.defaults import resolution_reason
from reconciler.core.policies.policies import EVENT_TABLE, Inbound, Outbound, Policies, Route
from reconciler.core.policies.requirements import parts_of
from reconciler.core.policies.routing import route_for

_OF_BOTH_SIDES = ("route", "case_stage", "word", "context", "in_step")
"""What depends on the two sides and the inbound policy alone, and is expensive: a copy with another link keeps it."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What one look at a pair shows."""

    pair: Pair
    policies: Policies
    knowledge: Knowledge

    # -- the pair ----------------------------------------------------------------------------------------------

    @cached_property
    def link(self) -> Link:
        """Return the link of the pair."""
        return self.pair.link

    @cached_property
    def case(self) -> Case:
        """Return the Case of the pair."""
        return self.pair.case

    @cached_property
    def incident(self) -> Incident | None:
        """Return the linked record, None until it was seen."""
        return self.pair.incident

    @property
    def is_event(self) -> bool:
        """Return whether the link's record is an alert behind events."""
        return self.link.table == EVENT_TABLE

    @property
    def inbound(self) -> Inbound:
        """Return the policy that the record goes by; raise KeyError where ``lost_rules`` says that it is gone."""
        return self.policies.inbound[self.link.inbound]

    @property
    def outbound(self) -> Outbound | None:
        """Return the policy that the Case goes by; None where the link is one-way."""
        return self.policies.outbound.get(self.link.outbound)

    @cached_property
    def lost_rules(self) -> str:
        """Say what the config no longer has of what made the link; empty when it has all of it."""
        return self.policies.lost_rules(self.link)

    @cached_property
    def route(self) -> Route | None:
        """Return the route that takes the Case today; an existing link goes by the one that it remembers."""
        return route_for(self.case, self.policies.routes)

    @property
    def chosen_id(self) -> str:
        """Return the ``sys_id`` that a record of this link gets when it is made."""
        return record_id(self.policies.owner, self.case.id, self.link.generation)

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of what both sides look like; an action and a hold remember it."""
        return fingerprint(self.pair)

    @property
    def is_left_alone(self) -> bool:
        """Return whether a person said to leave the pair alone, and nothing changed since."""
        ignored = self.link.ignored_fingerprint
        return bool(ignored) and ignored == self.fingerprint

    @property
    def hold(self) -> Hold | None:
        """Return the hold of the link, if nothing changed since it began."""
        hold = self.link.hold
        return hold if hold and hold.fingerprint == self.fingerprint else None

    @cached_property
    def is_ours(self) -> bool:
        """Return whether the record bears this Case's key and our mark."""
        return self.incident is not None and self.policies.is_ours(self.incident, self.case.id)

    @property
    def lost_mark(self) -> str:
        """Say that a record does not bear this Case's key and our mark any more; empty while it does."""
        if self.incident is None or self.is_ours:
            return ""
        return f"{named(self.incident)} does not bear this Case's key and our mark any more"

    @cached_property
    def further(self) -> tuple[Incident, ...]:
        """Return the records that are this Case's as well; a copy in another instance does not count.

        Instances are cloned over each other (PROD over TEST), ids, keys and marks included. Nor is a record that was
        left as it is when the link went on with the next one.
        """
        link = self.link
        return tuple(
            other
            for other in self.pair.others
            if self.policies.is_ours(other, self.case.id)
            and other.sys_id not in link.earlier
            and not (link.sys_id and other.connector != link.connector)
        )

    @property
    def looked_up(self) -> tuple[Incident, ...] | None:
        """Return the records that a look-up of this cycle found by the Case's key; None where nobody looked."""
        return self.knowledge.records.get((self.link.connector, self.case.id))

    @cached_property
    def with_key(self) -> Mapping[str, Incident]:
        """Return the records that bear the Case's key, remembered or looked up, by their ids."""
        return {record.sys_id: record for record in (*self.further, *(self.looked_up or ()))}

    @property
    def keeps_its_place(self) -> bool:
        """Return whether a record was made, or a create was sent, by rules that the link remembers."""
        link = self.link
        return bool(link.inbound and (link.create_in_doubt_since or link.earlier or self.further))

    @property
    def may_have_record(self) -> bool:
        """Return whether a record was, or may have been, made: then it stays where that is."""
        return bool(self.further) or self.keeps_its_place

    @property
    def has_next_record(self) -> bool:
        """Return whether the record of a re-activation is there already, and this database does not know of it.

        One that was put back from a copy does not, nor does that of a second daemon.
        """
        at, link = self.case.reactivated_at, self.link
        if at is None or at in link.reactivations:
            return False
        known = generations(self.policies.owner, self.case.id, (one.sys_id for one in self.further))
        return max(known, default=0) > link.generation

    # -- where they stand --------------------------------------------------------------------------------------

    @cached_property
    def case_stage(self) -> Stage | None:
        """Return the Case's stage; None when it is pending or its status unknown."""
        return self.policies.case_stage(self.case)

    @cached_property
    def incident_stage(self) -> Stage | None:
        """Return the record's stage; None when there is no record or its state is unknown."""
        return self.policies.incident_stage(self.link, self.incident) if self.incident else None

    @cached_property
    def word(self) -> str | None:
        """Return the record's state word; None when there is no record or nothing explains its state."""
        return self.policies.state_word(self.link, self.incident) if self.incident else None

    @cached_property
    def words(self) -> frozenset[str]:
        """List the words that hold for the record: its state's, its raw value, ``assigned``."""
        return self.policies.words(self.link, self.incident) if self.incident else frozenset()

    @cached_property
    def is_over(self) -> bool:
        """Return whether the record is Closed or Canceled: then it is never written again."""
        return self.incident is not None and self.policies.is_over(self.link, self.incident)

    @property
    def case_at(self) -> Stage:
        """Return the Case's stage; one that cannot be placed counts as open."""
        return self.case_stage or Stage.OPEN

    @property
    def incident_at(self) -> Stage:
        """Return the record's stage; one that cannot be placed counts as open."""
        return self.incident_stage or Stage.OPEN

    @cached_property
    def case_peak(self) -> Stage:
        """Return the highest stage of the Case, as far as we or the Case itself know, this look included.

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
        """Return the highest stage of the record, as far as we or the record itself know, this look included."""
        was_reopened = self.incident is not None and self.incident.was_reopened
        reached = Stage.RESOLVED if was_reopened else Stage.OPEN
        return max(self.incident_at, self.link.incident_peak or Stage.OPEN, reached)

    @property
    def is_case_back(self) -> bool:
        """Return whether the Case was moved back across ``resolved``."""
        return self.case_at < Stage.RESOLVED <= self.case_peak

    @property
    def is_incident_back(self) -> bool:
        """Return whether the record was moved back across ``resolved``."""
        return self.incident is not None and self.incident_at < Stage.RESOLVED <= self.incident_peak

    # -- what each asks of the other ---------------------------------------------------------------------------

    @cached_property
    def asks_of_record(self) -> Stage:
        """Return the stage to which the Case, by the inbound policy, brings its record."""
        return max(stage for stage in Stage if stage <= self.case_at and self.inbound.step(stage) is not None)

    @cached_property
    def asks_of_case(self) -> Stage | None:
        """Return the stage that the record asks of its Case, if the outbound policy listens; None for nothing."""
        if self.outbound is None or self.incident is None:
            return None
        asked = asked_of_case(self.words, self.outbound)
        return asked if asked is not None and self.meets(self.outbound.when) else None

    @property
    def record_goes_to(self) -> Stage | None:
        """Return the stage to which the record is brought: one at which it never stood; None for nowhere."""
        return self.asks_of_record if self.asks_of_record > self.incident_peak else None

    @property
    def case_goes_to(self) -> Stage | None:
        """Return the stage to which the Case is brought: one at which it never stood; None for nowhere."""
        asked = self.asks_of_case
        return asked if asked is not None and asked > self.case_peak else None

    @property
    def reason(self) -> tuple[str, str]:
        """Return the reason with which the Case would be resolved, as sent and in full; empty for a one-way link."""
        return resolution_reason(self.outbound.reason, self.context) if self.outbound else ("", "")

    @cached_property
    def withheld(self) -> str:
        """Say why a record that exists gets nothing from its Case now; empty when it does."""
        update_when = self.inbound.update_when
        if self.meets(update_when):
            return ""
        return f"update_when of [inbound.{self.link.inbound}] does not hold: {update_when.why_not(self.context)}"

    def meets(self, condition: Condition) -> bool:
        """Return whether a condition holds; one that always does is not shown the pair, which takes time to write."""
        return condition.is_always or condition.holds(self.context)

    @cached_property
    def context(self) -> Mapping[str, object]:
        """Return what conditions and templates may read: the Case, and its record where there is one."""
        case = case_context(self.case)
        return {**case, **incident_context(self.incident, self.word or "")} if self.incident else case

    @cached_property
    def in_step(self) -> Rendering:
        """Return the fields that follow the Case, rendered."""
        return self.rendered(self.inbound.fields)

    def rendered(self, templates: Mapping[str, Template]) -> Rendering:
        """Render fields of a policy for this pair."""
        return rendering(templates, self.context)

    # -- the pair otherwise ------------------------------------------------------------------------------------

    def _of(self, pair: Pair) -> Standing:
        return Standing(pair=pair, policies=self.policies, knowledge=self.knowledge)

    def on(self, link: Link) -> Standing:
        """Look at the same two sides with another link."""
        if link == self.link:
            return self  # with all that was derived already
        there = self._of(replace(self.pair, link=link))
        if link.inbound == self.link.inbound:
            known = vars(self)
            vars(there).update({name: known[name] for name in _OF_BOTH_SIDES if name in known})
        return there

    def seeing(self, *, case: Case | None = None, incident: Incident | None = None) -> Standing:
        """Look at the same link with a side, or both, as it was just read."""
        case = as_known(self.case, case) if case else self.case
        return self._of(replace(self.pair, case=case, incident=incident or self.incident))

    def seeing_only(self, incident: Incident) -> Standing:
        """Look at the same link with one record, and with none beside it."""
        return self._of(Pair(link=self.link, case=self.case, incident=incident))

    @cached_property
    def bound(self) -> Standing:
        """Look at the pair as linked to the record that was just read, which was not written since.

        What it was given before is not known, unless nobody changed it since it was made: then it holds what was kept.
        """
        incident = self.incident
        if incident is None:
            return self
        link = replace(
            self.link,
            connector=incident.connector,
            table=incident.table,
            sys_id=incident.sys_id,
            number=incident.number,
            kept=incident.values_of(fields_given(self.inbound)) if incident.mod_count == 0 else {},
            create_in_doubt_since=None,
        )
        return self.on(replace(link, incident_peak=self.policies.incident_stage(link, incident)))

    @property
    def as_made(self) -> Standing:
        """Look at the link with what its record kept of what it was made with, where the create's answer showed none.

        That is what it shows while nobody wrote it since.
        """
        incident, link = self.incident, self.link
        if incident is None or incident.mod_count or link.kept or not link.written:
            return self
        return self.on(replace(link, kept=incident.values_of(link.written)))

    @property
    def as_sent(self) -> Standing:
        """Look at the link as written by a write whose outcome is not known, as far as the record shows it.

        It shows what it holds as it was sent, and all of it where ours is the only write since. Else that would be
        taken for a person's edit once the Case asks for another value.
        """
        incident, link = self.incident, self.link
        sent = link.tries.sent if link.tries else None
        if incident is None or sent is None:
            return self
        held = incident.values_of(sent.fields)
        is_alone = incident.mod_count == sent.mod_count + 1 and is_user(incident.updated_by, sent.by)
        names = [name for name, value in held.items() if is_alone or normal(value) == normal(sent.fields[name])]
        written = {**link.written, **{name: sent.fields[name] for name in names}}
        return self.on(replace(link, written=written, kept={**link.kept, **incident.values_of(names)}))

    @property
    def as_told(self) -> Standing:
        """Look at the link with how far the Case says that it came: a later word of it may not say so any more.

        The time of its last re-activation is one word, and a clock that was set back makes the next one an older time.
        """
        reached = self.link.case_peak
        if not self.link.sys_id or (reached is not None and self.case_peak <= reached):
            return self
        return self.on(replace(self.link, case_peak=self.case_peak))

    @property
    def taken(self) -> Standing:
        """Look at the pair as taken by the route of today; one that keeps its place, or that no route takes, stays."""
        route = self.route
        if route is None or self.keeps_its_place:
            return self
        link = replace(
            self.link,
            admitted=True,
            route=route.name,
            inbound=route.inbound,
            outbound=route.outbound,
            connector=route.connector,
            table=self.policies.inbound[route.inbound].table,
        )
        return self.on(link)

    @property
    def at_newest(self) -> Standing:
        """Look at the pair without a record moved on to the newest generation whose record exists."""
        return self.on(at_newest(self.link, self.policies.owner, self.with_key))

    @property
    def on_next_record(self) -> Standing:
        """Look at the pair as it goes on with the record of the next generation; the one before is left as it is."""
        link = self.link.next_generation(self.case, self.case_at)
        before = (self.incident,) if self.incident else ()
        return self._of(Pair(link=link, case=self.case, others=(*self.pair.others, *before)))


def at_newest(link: Link, owner: str, sys_ids: Iterable[str]) -> Link:
    """Move a link without a record on to the newest generation whose record exists.

    After a database was lost, the records of earlier generations would else count as duplicates of the newest.
    """
    known = generations(owner, link.case_id, sys_ids)
    newest = max(known, default=1)
    if newest <= link.generation:
        return link
    before = (sys_id for generation, sys_id in known.items() if generation < newest)
    return replace(link, generation=newest, earlier=tuple(dict.fromkeys((*link.earlier, *before))))


def asked_of_case(words: frozenset[str], outbound: Outbound) -> Stage | None:
    """Return the highest stage that a record's words ask of its Case; None when they ask nothing.

    A word asks for the step of its own list alone. Where ``close_on`` does not hold ``closed``, a closed record
    counts as resolved, since it may have passed Resolved between two pulls.
    """
    if "closed" in words and "closed" not in outbound.close_on:
        words |= {"resolved"}
    return next((step.stage for step in reversed(STEPS) if words & outbound.listens(step)), None)


def fields_given(inbound: Inbound) -> frozenset[str]:
    """Name the fields of which the link remembers what the record kept: those in step, and who it is assigned to."""
    is_assigning = any("assigned_to" in part for part in parts_of(inbound).values())
    return frozenset(inbound.fields) | ({"assigned_to"} if is_assigning else frozenset())


def is_user(name: str, user: str) -> bool:
    """Return whether a name that a record bears is a user's; a login may write it in another case."""
    return bool(user) and name.casefold() == user.casefold()


def told_by(case: Case) -> str:
    """Name the note of a Case's last re-activation, among those that a link remembers."""
    return f"reactivated {case.reactivated_at.isoformat() if case.reactivated_at else ''}"
