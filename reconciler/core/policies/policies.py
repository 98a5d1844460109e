"""The policies as values: routes, what a Case asks of its record, what a record asks of its Case, the brakes.

The config file becomes these objects once; everything that decides reads them and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from reconciler.core.expressions.conditions import ALWAYS, Condition
from reconciler.core.expressions.templates import Template
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import ASSIGNED, STATE_WORDS, STEP_TO, WORD_STAGES, Step, case_stage
from reconciler.core.model import Case, Incident, Link, Stage
from reconciler.core.policies.existing import Existing
from reconciler.core.usual import FIRST_LOOKBACK_HOURS

DEFAULT = "default"
"""The policy that a route uses where it names none, and that is there unless the config has its own."""
INCIDENT_TABLE = "incident"
EVENT_TABLE = "em_event"


class WayBack(StrEnum):
    """Where the way back of an event target is read."""

    NONE = "none"
    ALERT = "alert"
    INCIDENT = "incident"
    """the Incident that the alert led to"""


class OnReactivate(StrEnum):
    """What becomes of the record's side when a resolved Case is active again."""

    NOTE = "note"
    """one work note on the record"""
    NEW_RECORD = "new_record"
    """a record of the next generation, which the link goes on with"""
    HOLD = "hold"
    """nothing"""


OVER_WORDS = frozenset({"closed", "canceled"})
"""A record in one of these states is never written again."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """How the name that a template gives for a reference field becomes a ``sys_id``."""

    table: str
    """where the name is looked up, e.g. ``sys_user_group``"""
    name_field: str = "name"
    default: str = ""
    """the name that serves when the rendered one is unknown; empty: the link is held"""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which connector and policies the Cases that it takes get."""

    name: str
    when: Condition
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """each label must have one of these values"""
    priorities: tuple[str, ...] = ()
    fallback: bool = False
    """takes what no other route took, wherever it stands in the list"""
    connector: str
    inbound: str
    outbound: str
    """empty when the route is one-way"""


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """What a Case makes of its record. A step that is None is switched off."""

    name: str
    table: str = INCIDENT_TABLE
    create_when: Condition
    existing: Existing | None = None
    """finds records by other means; a Case that has one gets no second"""
    update_when: Condition = field(default=Condition.compile(ALWAYS))
    """while it is false, a record that exists gets nothing from its Case"""
    fields: Mapping[str, Template] = field(default_factory=dict)
    """kept in step with the Case, unless a person changes them"""
    on_create: Mapping[str, Template] = field(default_factory=dict)
    """written once"""
    on_acknowledge: Mapping[str, Template] | None = None
    on_resolve: Mapping[str, Template] | None = None
    on_close: Mapping[str, Template] | None = None
    references: Mapping[str, Reference] = field(default_factory=dict)
    on_reactivate: OnReactivate = OnReactivate.NOTE
    reactivations_per_day: int = 5
    """more new records than these are not made in a day; then a note"""
    way_back: WayBack = WayBack.NONE
    """only for ``em_event``"""
    states: Mapping[str, str] = field(default_factory=dict)
    """state words of a table that is not ``incident``; beside those of the connector"""

    def step(self, stage: Stage) -> Mapping[str, Template] | None:
        """Return the fields that bring a record to a stage; None where that step is switched off."""
        if stage is Stage.OPEN:
            return {}
        templates: Mapping[str, Template] | None = getattr(self, STEP_TO[stage].inbound)
        return templates

    def in_step_of(self, sent: Mapping[str, str]) -> dict[str, str]:
        """Pick from what is sent to a record the fields that are kept in step."""
        return {name: sent[name] for name in self.fields if name in sent}


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """Which words of a record ask which step of its Case."""

    name: str
    acknowledge_on: frozenset[str] = frozenset()
    resolve_on: frozenset[str] = frozenset()
    close_on: frozenset[str] = frozenset()
    when: Condition
    reason: Template
    """the resolution reason of the Case, from ``incident`` and ``case``"""

    def listens(self, step: Step) -> frozenset[str]:
        """Return the words that ask a step of the Case; none where the step is off."""
        words: frozenset[str] = getattr(self, step.outbound)
        return words


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The brakes: a plan that needs more is refused whole."""

    max_creates_per_cycle: int = 100
    max_case_resolves_per_cycle: int = 100
    max_incident_resolves_per_cycle: int = 200
    max_changes_on_new_config: int = 50
    """what changed routes and policies may do, unseen, to links that have a record"""


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Everything that a decision depends on beside what is remembered."""

    owner: str
    routes: tuple[Route, ...]
    connectors: frozenset[str] = frozenset()
    """those of the config; empty: not checked"""
    inbound: Mapping[str, Inbound]
    outbound: Mapping[str, Outbound]
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """connector -> raw state value -> state word, beside the usual ones"""
    limits: Limits = field(default_factory=Limits)
    first_lookback: timedelta = timedelta(hours=FIRST_LOOKBACK_HOURS)

    @property
    def all_connectors(self) -> frozenset[str]:
        """Name the connectors of the config, also those that no route uses any more: their links go on."""
        return self.connectors or frozenset(route.connector for route in self.routes)

    def is_ours(self, incident: Incident, case_id: str) -> bool:
        """Return whether a record bears this Case's key and our mark; no other is ever written or linked."""
        return incident.correlation_id == case_id and incident.correlation_display == self.owner

    def lost_rules(self, link: Link) -> str:
        """Say what the config no longer has of what made a link; empty when it has all of it."""
        if link.inbound not in self.inbound:
            return f"[inbound.{link.inbound}], which made it, is not in the config"
        if self.connectors and link.connector not in self.connectors:
            return f"[servicenow.{link.connector}], where it is, is not in the config"
        if link.outbound and link.outbound not in self.outbound:
            return f"[outbound.{link.outbound}], which it listens by, is not in the config"
        table = self.inbound[link.inbound].table
        if table != link.table:
            return f"the record is in {link.table}, [inbound.{link.inbound}] is for {table} now"
        return ""

    def case_stage(self, case: Case) -> Stage | None:
        """Place a Case on the scale; None when its status is pending or unknown."""
        return case_stage(case.status)

    def state_word(self, link: Link, incident: Incident) -> str | None:
        """Name a record's state: ``new``, ``in_progress``, …; None for a value that nothing explains."""
        if incident.table == EVENT_TABLE:
            return incident.state if incident.state in WORD_STAGES else None
        own = self.states.get(incident.connector, {})
        inbound = self.inbound.get(link.inbound)
        table_words = inbound.states if inbound and inbound.states else {}
        usual = STATE_WORDS if incident.table == INCIDENT_TABLE else {}
        return table_words.get(incident.state) or own.get(incident.state) or usual.get(incident.state)

    def words(self, link: Link, incident: Incident) -> frozenset[str]:
        """List the words that hold for a record: its state's, its raw value, and ``assigned``."""
        word = self.state_word(link, incident)
        if word is None:
            return frozenset()
        words = {word, incident.state}
        if _is_assigned(link, incident) and word not in OVER_WORDS:
            words.add(ASSIGNED)
        return frozenset(words)

    def incident_stage(self, link: Link, incident: Incident) -> Stage | None:
        """Place a record on the scale; None when its state is unknown.

        A New record that is assigned counts as acknowledged where the outbound policy listens to ``assigned``.
        """
        word = self.state_word(link, incident)
        if word is None:
            return None
        stage = WORD_STAGES[word]
        outbound = self.outbound.get(link.outbound)
        listens = outbound is not None and ASSIGNED in outbound.acknowledge_on
        if stage is Stage.OPEN and _is_assigned(link, incident) and listens:
            return Stage.ACKNOWLEDGED
        return stage

    def is_over(self, link: Link, incident: Incident) -> bool:
        """Return whether a record is Closed or Canceled and so is never written again."""
        return self.state_word(link, incident) in OVER_WORDS


def _is_assigned(link: Link, incident: Incident) -> bool:
    """Return whether somebody took a record; what a template of ours put into ``assigned_to`` is no person's act."""
    return bool(incident.assigned_to) and incident.assigned_to != link.kept.get("assigned_to")
