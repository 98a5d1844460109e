"""What the tables of a ServiceNow world look like: fields, defaults, references, choices and states, as data.

A raw value is always text; a field that is empty is not stored, and reads as ``""``. Sources: ServiceNow
documentation ``c_TableAPI`` and ``def-prio-lookup-rules``; the demo data of a new instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType

from reconciler.core.frozen import dataclass

INCIDENT = "incident"
API_USER = "coralogix.sync"
"""the integration user of the sandbox, which the API's clients act as unless told otherwise"""
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
"""how a time is stored: in UTC, to the second"""
STATE_WORDS = ("new", "in_progress", "on_hold", "resolved", "closed", "canceled")
"""what a state can mean, as the members of ``Lifecycle`` are called"""


class TableRow(dict[str, str]):
    """The raw values of one record; a field that is not there is empty. Never changed once it is stored."""

    def __missing__(self, key: str) -> str:
        """Read an absent field as empty text."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The state values of one task table; an empty value means that the table has no such state."""

    new: str = "1"
    in_progress: str = "2"
    on_hold: str = "3"
    resolved: str = "6"
    closed: str = "7"
    canceled: str = "8"
    mirror: str = ""
    """a second field that follows ``state``, as ``incident_state`` does"""
    close_info: Mapping[str, str] = field(default_factory=dict)
    """field -> label of what the data policy demands of a resolved or closed record"""
    also_over: frozenset[str] = frozenset()
    """further states that mean canceled"""

    @property
    def over(self) -> frozenset[str]:
        """Return the states in which a record is no longer active."""
        return frozenset({self.closed, self.canceled} - {""}) | self.also_over

    def word(self, state: str) -> str:
        """Return ``new``, ``in_progress``, … for a state value; the value itself where nothing explains it."""
        words = {getattr(self, word): word for word in STATE_WORDS}
        words |= dict.fromkeys(self.also_over, "canceled")
        return words.get(state, state) if state else ""

    @property
    def settled(self) -> frozenset[str]:
        """Return the states that need close information."""
        return frozenset({self.resolved, self.closed} - {""})


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """One table. Compared by identity, so that it can key a cache."""

    name: str
    fields: tuple[str, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    """field -> the table that it points to"""
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """field -> value -> label"""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """the columns that the database bounds, in characters"""
    display: str = "name"
    """the field by which a reference to this table is shown"""
    prefix: str = ""
    """what record numbers begin with; empty: the table has no numbers"""
    lifecycle: Lifecycle | None = None
    """None for a table that is not a task"""

    names: frozenset[str] = field(init=False)
    """the same as ``fields``, to look up in"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(self.fields))


def raw_time(moment: datetime) -> str:
    """Write a time as it is stored; ``moment`` is aware."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SYSTEM_FIELDS = ("sys_id", "sys_created_on", "sys_created_by", "sys_updated_on", "sys_updated_by", "sys_mod_count")
DATETIMES = frozenset(
    _words(
        "sys_created_on sys_updated_on opened_at resolved_at closed_at reopened_time due_date sla_due work_start "
        "work_end activity_due follow_up expected_start time_of_event"
    )
)
INTEGERS = frozenset(
    _words(
        "sys_mod_count reopen_count reassignment_count child_incidents escalation notify order sequence event_count "
        "state incident_state impact urgency priority severity hold_reason"
    )
)
BOOLEANS = frozenset(_words("active made_sla knowledge inactive locked_out"))
"""columns that hold ``true`` or ``false``, whatever they are given"""
JOURNALS = frozenset({"work_notes", "comments"})
COMPUTED = frozenset({*SYSTEM_FIELDS, "priority", "comments_and_work_notes", "sys_class_name", "sys_domain", "active"})
"""what a write cannot set: the server's own; ``sys_id`` is let through on a create alone"""
MASKED = "********"
"""what a password field reads as"""

STATES = MappingProxyType(
    {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
)
LEVELS = MappingProxyType({"1": "1 - High", "2": "2 - Medium", "3": "3 - Low"})
PRIORITIES = MappingProxyType(
    {"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low", "5": "5 - Planning"}
)
HOLD_REASONS = MappingProxyType(
    {"1": "Awaiting Caller", "3": "Awaiting Problem", "4": "Awaiting Vendor", "5": "Awaiting Change"}
)
CATEGORIES = MappingProxyType(
    {
        "inquiry": "Inquiry / Help",
        "software": "Software",
        "hardware": "Hardware",
        "network": "Network",
        "database": "Database",
    }
)
CLOSE_CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "new": (
            "Duplicate",
            "Known error",
            "No resolution provided",
            "Resolved by caller",
            "Resolved by change",
            "Resolved by problem",
            "Resolved by request",
            "Solution provided",
            "Workaround provided",
            "User error",
        ),
        "old": (
            "Solved (Work Around)",
            "Solved (Permanently)",
            "Solved Remotely (Work Around)",
            "Solved Remotely (Permanently)",
            "Not Solved (Not Reproducible)",
            "Not Solved (Too Costly)",
            "Closed/Resolved by Caller",
        ),
    }
)
CLOSE_INFO = MappingProxyType({"close_code": "Resolution code", "close_notes": "Resolution notes"})

_TASK_REFERENCES = {
    "assignment_group": "sys_user_group",
    "assigned_to": "sys_user",
    "caller_id": "sys_user",
    "cmdb_ci": "cmdb_ci",
    "business_service": "cmdb_ci_service",
    "service_offering": "cmdb_ci",
    "opened_by": "sys_user",
    "resolved_by": "sys_user",
    "closed_by": "sys_user",
    "reopened_by": "sys_user",
    "parent": INCIDENT,
    "parent_incident": INCIDENT,
    "caused_by": INCIDENT,
    "problem_id": "problem",
    "rfc": "change_request",
    "location": "cmn_location",
    "company": "core_company",
    "sys_domain": "sys_user_group",
}
_TASK_DEFAULTS = {
    "active": "true",
    "impact": "3",
    "urgency": "3",
    "severity": "3",
    "contact_type": "phone",
    "notify": "1",
    "escalation": "0",
    "made_sla": "true",
    "knowledge": "false",
    "approval": "not requested",
    "upon_approval": "proceed",
    "upon_reject": "cancel",
    "reopen_count": "0",
    "reassignment_count": "0",
    "child_incidents": "0",
    "sys_domain": "global",
    "sys_domain_path": "/",
}
_TASK_FIELDS = (
    *SYSTEM_FIELDS,
    *_words("number state incident_state active short_description description correlation_id correlation_display"),
    *_words("impact urgency priority severity category subcategory close_code close_notes hold_reason"),
    *_TASK_REFERENCES,
    *_words("opened_at resolved_at closed_at reopened_time due_date sla_due work_start work_end activity_due"),
    *_words("follow_up reopen_count reassignment_count child_incidents work_notes comments"),
    *_words("comments_and_work_notes contact_type notify escalation made_sla knowledge approval upon_approval"),
    *_words("upon_reject sys_class_name sys_domain_path expected_start additional_assignee_list sys_tags"),
    *_words("group_list delivery_plan delivery_task work_notes_list watch_list calendar_stc calendar_duration"),
    *_words("business_stc business_duration user_input approval_set approval_history order wf_activity"),
    *_words("rejection_goto time_worked"),
)
_TASK_LENGTHS = {"number": 40, "short_description": 160, "correlation_id": 100, "correlation_display": 100}


def task_schema(
    name: str,
    prefix: str,
    *,
    states: Mapping[str, str] = STATES,
    lifecycle: Lifecycle | None = None,
    close_codes: tuple[str, ...] = (),
    extra_fields: tuple[str, ...] = (),
    defaults: Mapping[str, str] | None = None,
) -> Schema:
    """Describe a table derived from task: its states (value -> label) and what they mean.

    Without ``close_codes`` any close code is taken.
    """
    cycle = lifecycle or Lifecycle()
    choices: dict[str, Mapping[str, str]] = {
        "state": states,
        "impact": LEVELS,
        "urgency": LEVELS,
        "severity": LEVELS,
        "priority": PRIORITIES,
        "hold_reason": HOLD_REASONS,
        "category": CATEGORIES,
    }
    if cycle.mirror:
        choices[cycle.mirror] = states
    if close_codes:
        choices["close_code"] = {code: code for code in close_codes}
    return Schema(
        name=name,
        fields=tuple(dict.fromkeys((*_TASK_FIELDS, *extra_fields))),
        defaults={**_TASK_DEFAULTS, "state": cycle.new, "sys_class_name": name, **(defaults or {})},
        references=_TASK_REFERENCES,
        choices=choices,
        lengths=_TASK_LENGTHS,
        display="number",
        prefix=prefix,
        lifecycle=cycle,
    )


KEPT_FOR = "u_coralogix_case"
"""A column that an administrator added, in which whatever else makes records may write the Case's id."""


@lru_cache(maxsize=4)
def incident_schema(close_codes: str) -> Schema:
    """Describe ``incident`` with the ``new`` or the ``old`` list of close codes."""
    return task_schema(
        INCIDENT,
        "INC",
        lifecycle=Lifecycle(mirror="incident_state", close_info=CLOSE_INFO),
        close_codes=CLOSE_CODES[close_codes],
        extra_fields=(KEPT_FOR,),
        defaults={"category": "inquiry"},
    )


def plain_schema(
    name: str, fields: str, *, display: str = "name", references: Mapping[str, str] | None = None, prefix: str = ""
) -> Schema:
    """Describe a table that is not a task, from its field names parted by blanks."""
    return Schema(
        name=name,
        fields=(*SYSTEM_FIELDS, *_words(fields)),
        references=references or {},
        display=display,
        prefix=prefix,
    )


PLAIN_TABLES: tuple[Schema, ...] = (
    plain_schema(
        "sys_user",
        "user_name name first_name last_name email active department time_zone user_password locked_out",
        references={"department": "cmn_department"},
    ),
    plain_schema("sys_user_group", "name description active email manager", references={"manager": "sys_user"}),
    *(
        plain_schema(name, "name sys_class_name short_description operational_status install_status")
        for name in ("cmdb_ci", "cmdb_ci_service")
    ),
    plain_schema("sys_choice", "name element value label sequence inactive language", display="label"),
    plain_schema("sys_properties", "name value description type"),
    plain_schema("sys_journal_field", "element_id element name value", display="element"),
    plain_schema(
        "sys_audit",
        "tablename documentkey fieldname oldvalue newvalue user reason record_checkpoint",
        display="fieldname",
    ),
    plain_schema("sys_audit_delete", "tablename documentkey display_value", display="documentkey"),
    plain_schema(
        "em_event",
        "source event_class node type resource metric_name severity message_key description additional_info "
        "time_of_event resolution_state alert",
        display="message_key",
        references={"alert": "em_alert"},
    ),
    plain_schema(
        "em_alert",
        "number source node type resource metric_name message_key severity state acknowledged maintenance "
        "description additional_info incident parent event_count work_notes",
        display="number",
        references={"incident": INCIDENT},
        prefix="Alert",
    ),
)
