"""The names that a condition or template may use, each with one line about it, and the check of a name.

The words of the Cases API come first; Notification Center's names for the same things are accepted beside them, so
that conditions can be carried over. Its names and words that mean something else are refused with the right word.
Every snake_case name has a camelCase twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from functools import cache
from typing import TypeVar

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import CASE_STAGES, PENDING, WORD_STAGES

T = TypeVar("T")

STATUS_WORDS = (PENDING, *CASE_STAGES)
PRIORITY_WORDS = ("P1", "P2", "P3", "P4", "P5")
CATEGORY_WORDS = ("AVAILABILITY", "SECURITY")
RESOLVER_WORDS = (
    "system",
    "cxUser",
    "apiKey",
    "serviceNow",
    "slack",
    "pagerDuty",
    "microsoftTeams",
    "prometheusAlertManager",
)
"""The markers of the Cases API."""
RESOLVER_KINDS = ("SYSTEM", "USER")
"""Notification Center's words. Source: its page on the variables of conditions."""
INDICATOR_KINDS = ("alert", "generic", "prometheus")
ANY_KEY = "*"
"""Stands in a path for a key or an index that is only known when a Case is there."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """One name: what it holds, and what can follow it."""

    about: str
    words: tuple[str, ...] = ()
    """every value it can have, where that is known"""
    parts: Mapping[str, Name] = field(default_factory=dict)
    """what can follow after a dot"""
    each: Name | None = None
    """what an index gives, for a list; what any key gives, for a map"""
    keyed: bool = False
    """a map: any key is right"""
    extensible: bool = False
    """may have parts that are not listed here: the columns of an instance's own"""

    @property
    def own_parts(self) -> dict[str, Name]:
        """Return the parts without their camelCase twins."""
        twins = {camel(part) for part in self.parts if "_" in part}
        return {step: part for step, part in self.parts.items() if step not in twins}


@cache
def camel(name: str) -> str:
    """Write a snake_case name in camelCase."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def with_twins(parts: Mapping[str, T]) -> dict[str, T]:
    """Add the camelCase twin of every snake_case name; a name that begins with ``_`` has none."""
    return dict(parts) | {camel(name): part for name, part in parts.items() if not name.startswith("_")}


def _record(about: str, **parts: Name) -> Name:
    return Name(about=about, parts=with_twins(parts))


def _text(about: str, words: tuple[str, ...] = ()) -> Name:
    return Name(about=about, words=words)


def _list(about: str, each: Name) -> Name:
    return Name(about=about, each=each)


_LABEL = Name(about="one value, or several where the key repeats", each=_text("one of the values"))
_ENTITY_LABELS = Name(about="the labels by key, as in case.labels", keyed=True, each=_LABEL)
_RESOLVED_BY = _text("what resolved it: " + ", ".join(RESOLVER_WORDS) + "; only once resolved", RESOLVER_WORDS)
_RESOLVED_BY_WHOM = _text("SYSTEM, or USER for whatever else resolved it; only once resolved", RESOLVER_KINDS)
_RESOLVED_AT = _text("when it was resolved; only once resolved")
_REASON = _text("the resolution reason; only where one was given")
_SYSTEM = _text("the priority that Coralogix computed, where it says so", PRIORITY_WORDS)
_OVERRIDE = _text("the priority that a person set instead; only where one did", PRIORITY_WORDS)
_PRIORITY = _text("P1 to P5, the one that counts", PRIORITY_WORDS)
_KEY = _text("the readable id; only once the Case was active")
_URL = _text("the Case in the Coralogix console; only when it is known")

_INDICATOR = _record(
    "one alert or signal",
    kind=_text("alert, generic or prometheus", INDICATOR_KINDS),
    id=_text("its id"),
    alert_definition_id=_text("the id, of an alert only"),
    name=_text("its name, where the service gives one"),
    state=_text("TRIGGERED, RESOLVED, NO_DATA, or what the service says"),
    priority=_text("its own priority, where it has one"),
    triggered_at=_text("when it was first triggered, where known"),
    resolved_at=_text("when it recovered, where it has"),
    labels=Name(about="its labels", keyed=True, each=_text("one label")),
)

_CASE = _record(
    "the Case as it was last seen",
    id=_text("the UUID"),
    key=_KEY,
    readable_id=_KEY,
    title=_text("the title; people may edit it"),
    status=_text(", ".join(STATUS_WORDS), STATUS_WORDS),
    priority=_PRIORITY,
    case_priority=_PRIORITY,
    priority_system=_SYSTEM,
    priority_override=_OVERRIDE,
    priority_details=_record("why the priority is what it is", system=_SYSTEM, override=_OVERRIDE),
    category=_text(", ".join(CATEGORY_WORDS), CATEGORY_WORDS),
    created_at=_text("when it was created, ISO 8601 in UTC"),
    updated_at=_text("when it last changed, where known"),
    acknowledged_at=_text("when it was acknowledged, where it was"),
    reactivated_at=_text("when Coralogix re-activated it, where it did"),
    assignee=_text("the user id of the assignee; only when somebody is assigned"),
    resolution_reason=_REASON,
    resolved_by=_RESOLVED_BY,
    resolved_at=_RESOLVED_AT,
    resolution_details=_record(
        "the resolution; only once resolved", reason=_REASON, resolved_by=_RESOLVED_BY_WHOM, resolved_at=_RESOLVED_AT
    ),
    labels=Name(about='the labels by key, e.g. case.labels["routing.team"]', keyed=True, each=_LABEL),
    groupings=Name(about="the grouping values by key", keyed=True, each=_LABEL),
    impacted_entities=_list(
        "the names of impacted services and databases, with their parts",
        _record(
            "one entity; as text its name",
            name=_text("its name"),
            kind=_text("service or database", ("service", "database")),
            detail=_text("the service's language or the database's system"),
        ),
    ),
    services=_list("the names of impacted services", _text("a name")),
    databases=_list("the names of impacted databases", _text("a name")),
    indicators=_record(
        "the alerts and signals behind the Case",
        alerts=_list("those of Coralogix alerts", _INDICATOR),
        generic=_list("those of other sources", _INDICATOR),
        prometheus=_list("those of a Prometheus Alertmanager", _INDICATOR),
        all=_list("all of them", _INDICATOR),
        states=_list("the states of all of them, each once", _text("a state")),
        names=_list("the names of all of them that have one, each once", _text("a name")),
    ),
    kpi_breaches=_list("the time goals that were missed", _text("a goal")),
    parent_id=_text("the UUID of the parent Case, where it has one"),
    url=_URL,
    case_detail_url=_URL,
)

_COLUMNS = (
    "assigned_to",
    "assignment_group",
    "business_service",
    "caller_id",
    "category",
    "close_code",
    "close_notes",
    "closed_at",
    "closed_by",
    "cmdb_ci",
    "company",
    "contact_type",
    "description",
    "impact",
    "location",
    "opened_at",
    "opened_by",
    "priority",
    "problem_id",
    "reopen_count",
    "resolved_at",
    "resolved_by",
    "service_offering",
    "severity",
    "short_description",
    "subcategory",
    "urgency",
)

_INCIDENT = Name(
    about="the record as it was last read, raw values of the Table API, all of them text; an empty column has no value",
    extensible=True,
    parts={
        "number": _text("the number, e.g. INC0010001"),
        "sys_id": _text("the key of the record"),
        "table": _text("the table it lives in"),
        "connector": _text("the connector's name in the config"),
        "state": _text("the raw state, e.g. 6"),
        "state_word": _text("the state's word; only for a state that is explained", tuple(WORD_STAGES)),
        "updated_by": _text("the user name of whoever changed it last"),
        "created_at": _text("when it was created, ISO 8601 in UTC"),
        "updated_at": _text("when it last changed, ISO 8601 in UTC"),
        **{column: _text("the column of that name") for column in _COLUMNS},
    },
)

ROOTS: Mapping[str, Name] = {
    "case": _CASE,
    "incident": _INCIDENT,
    "_context": Name(
        about="what Notification Center tells beside the Case",
        parts={"entityType": _text("always cases", ("cases",)), "entityLabels": _ENTITY_LABELS},
    ),
    "alertDef": Name(
        about="the names of alert rules, read from the Case",
        parts={
            "name": _text("the title of the Case, for a Case has no alert name of its own"),
            "priority": _text("the priority of the Case", PRIORITY_WORDS),
            "entityLabels": _ENTITY_LABELS,
        },
    ),
}
"""What stands at the beginning of a name. ``_context`` and ``alertDef`` are there wherever ``case`` is."""

_ELSEWHERE: Mapping[str, str] = {
    "case.state": "case.state is a word of Notification Center; write case.status, one of " + ", ".join(STATUS_WORDS),
    "case.description": "a Case of the API has no description; there are case.title and case.resolution_reason",
    "case.assignee.userEmail": "a Case of the API knows only the user id of its assignee: write case.assignee",
    "_context.trigger": "what triggered a notification is not known here; a Case has case.status",
}


def roots_with_twins(roots: Iterable[str]) -> tuple[str, ...]:
    """List the beginnings that are allowed, with those that come along with ``case``."""
    asked = tuple(roots)
    return (*asked, "_context", "alertDef") if "case" in asked else asked


def find_name(path: Sequence[str | int], roots: Iterable[str]) -> Name | None:
    """Find what is known about a path; None where nothing is (a column of an instance's own).

    Raises ValueError with one sentence, with the nearest right name, when nothing can ever have that name.
    """
    allowed = roots_with_twins(roots)
    root, *steps = path
    if root not in allowed:
        raise ValueError(_unknown(str(root), "", allowed, allowed))
    name: Name | None = ROOTS[str(root)]
    so_far = str(root)
    for step in steps:
        if name is None:
            return None
        name = _follow(name, step, so_far)
        so_far = f"{so_far}[{step}]" if isinstance(step, int) or "." in step else f"{so_far}.{step}"
    return name


def _follow(name: Name, step: str | int, so_far: str) -> Name | None:
    if name.keyed and not isinstance(step, int):
        return name.each
    if name.each is not None and (isinstance(step, int) or step == ANY_KEY):
        return name.each
    if isinstance(step, str) and step in name.parts:
        return name.parts[step]
    explained = _ELSEWHERE.get(f"{so_far}.{step}")
    if explained:
        raise ValueError(explained)
    if name.each is not None:
        raise ValueError(f"{so_far} is a list: it has an index such as [0], and no {step!r}")
    if not name.parts:
        raise ValueError(f"{so_far} is text and has no part {step!r}")
    if name.extensible and isinstance(step, str) and not get_close_matches(step, name.parts, 1, 0.8):
        return None
    raise ValueError(_unknown(str(step), f"{so_far}.", name.parts, name.own_parts))


def _unknown(name: str, before: str, known: Iterable[str], shown: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1, 0.6)
    hint = f"did you mean {before}{near[0]}?" if near else f"there are {', '.join(sorted(shown))}"
    return f"there is no {before}{name}; {hint}"
