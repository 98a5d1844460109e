"""The shape of the file, table by table: which keys there are, their kinds and bounds.

Rules of this file: everything may be left out (what must be there is asked for later, so that one missing key
hides no other problem), no text becomes a number, and None stands for what was switched off with ``false``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.config.shape.lines import KeyPath
from reconciler.core.expressions.conditions import ALWAYS
from reconciler.core.policies.policies import DEFAULT, INCIDENT_TABLE, Inbound, Limits
from reconciler.core.usual import (
    CASE_OVERLAP_SECONDS,
    DRIFT_CHECK_MINUTES,
    FIRST_LOOKBACK_HOURS,
    INCIDENT_OVERLAP_SECONDS,
    LAG_OBJECTIVE_SECONDS,
    POLL_SECONDS,
    REQUESTS_PER_SECOND,
    WORKERS,
)

RIGHT_WAYS = '{ env = "NAME" }, { file = "PATH" } or { credential = "NAME" }'
"""The three ways to say where a secret is."""


def _told(allowed: str) -> PydanticCustomError:
    """Make an error whose message ends with what is allowed."""
    return PydanticCustomError("allowed", "{allowed}", {"allowed": allowed})


def _secret(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError("secret", "{allowed}", {"allowed": RIGHT_WAYS})
    return value


def _template(value: object) -> object:
    if value is False:
        return None
    if not isinstance(value, str):
        raise _told("a template in quotes, or false to leave the field out")
    return value


def _step(value: object) -> object:
    if value is False:
        return None
    if not isinstance(value, dict):
        raise _told("a table of fields, or false to switch the step off")
    return value


def _reference(value: object) -> object:
    if value is False:
        return None
    if not isinstance(value, dict):
        raise _told('a table such as { table = "sys_user_group" }, or false to send the field as it is')
    return value


def _values(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _or_false(kind: str) -> WithJsonSchema:
    """Tell editors that a value may be switched off with ``false``."""
    return WithJsonSchema({"anyOf": [{"type": kind}, {"const": False}]})


class Table(BaseModel):
    """Check one table of the file: an unknown key, or a value of another type, is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class SecretTable(Table):
    """Where a secret is kept; exactly one of the three keys is given."""

    env: str | None = None
    file: str | None = None
    credential: str | None = None


SecretPlace = Annotated[SecretTable | None, BeforeValidator(_secret)]
Rate = Annotated[float, Field(ge=0.1, le=1000, allow_inf_nan=False)]
Workers = Annotated[int, Field(ge=1, le=32)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
OverlapSeconds = Annotated[int, Field(ge=0, le=604_800)]
FieldTemplates = dict[str, Annotated[str | None, BeforeValidator(_template), _or_false("string")]]
StepTemplates = Annotated[FieldTemplates | None, BeforeValidator(_step), _or_false("object")]
StateWords = dict[str, str]
_TEXT_OR_TEXTS = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})


class RemoteTable(Table):
    """The keys that both services have."""

    api_key: SecretPlace = None
    requests_per_second: Rate = REQUESTS_PER_SECOND
    workers: Workers = WORKERS
    ca_bundle: str | None = None
    proxy: str | None = None


class CoralogixTable(RemoteTable):
    """The keys of ``[coralogix]``."""

    region: str | None = None
    base_url: str | None = None
    partial_view: Literal["refuse", "accept"] = "refuse"
    deep_links: bool = False


class ServiceNowTable(RemoteTable):
    """The keys of one ``[servicenow.NAME]``."""

    instance_url: str | None = None
    auth: Literal["basic", "oauth_password", "oauth_client_credentials", "api_key"] = "basic"
    username: str | None = None
    password: SecretPlace = None
    client_id: str | None = None
    client_secret: SecretPlace = None
    states: StateWords = {}


class StateTable(Table):
    """The keys of ``[state]``."""

    path: str | None = None
    keep_bodies: bool = False


class AuditTable(Table):
    """The keys of ``[audit]``."""

    case_events: bool = True
    servicenow_history: bool = False
    values: Literal["plain", "hash"] = "plain"


class RetentionTable(Table):
    """The keys of ``[retention]``."""

    requests_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    history_days: Annotated[int, Field(ge=0, le=36_500)] = 0


class MetricsTable(Table):
    """The keys of ``[metrics]``."""

    listen: str | None = None
    textfile: str | None = None


class NotifyTable(Table):
    """The keys of ``[notify]``."""

    urls: list[Annotated[SecretTable, BeforeValidator(_secret)]] = []
    on: list[Literal["hold", "brake", "down", "recovered"]] = ["hold", "brake", "down", "recovered"]
    down_minutes: Annotated[int, Field(ge=1, le=10_080)] = 10
    heartbeat_url: SecretPlace = None


class ScheduleTable(Table):
    """The keys of ``[schedule]``."""

    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = POLL_SECONDS
    lag_objective_seconds: Annotated[int, Field(ge=1, le=86_400)] = LAG_OBJECTIVE_SECONDS
    case_overlap_seconds: OverlapSeconds = CASE_OVERLAP_SECONDS
    incident_overlap_seconds: OverlapSeconds = INCIDENT_OVERLAP_SECONDS
    first_lookback_hours: Annotated[int, Field(ge=0, le=87_600)] = FIRST_LOOKBACK_HOURS
    drift_check_minutes: Annotated[int, Field(ge=1, le=10_080)] = DRIFT_CHECK_MINUTES


class LimitsTable(Table):
    """The keys of ``[limits]``."""

    max_creates_per_cycle: Count = Limits.max_creates_per_cycle
    max_case_resolves_per_cycle: Count = Limits.max_case_resolves_per_cycle
    max_incident_resolves_per_cycle: Count = Limits.max_incident_resolves_per_cycle
    max_changes_on_new_config: Count = Limits.max_changes_on_new_config


class RouteTable(Table):
    """The keys of one ``[[route]]``."""

    name: str = "everything"
    when: str = ALWAYS
    labels: dict[str, Annotated[list[str], BeforeValidator(_values), _TEXT_OR_TEXTS]] = {}
    priorities: list[Literal["P1", "P2", "P3", "P4", "P5"]] | None = None
    fallback: bool = False
    connector: str | None = None
    inbound: str = DEFAULT
    outbound: str = DEFAULT


class ReferenceTable(Table):
    """The keys of one reference field of ``[inbound.NAME.references]``."""

    table: str | None = None
    name_field: str | None = None
    default: str | None = None


class InboundTable(Table):
    """The keys of one ``[inbound.NAME]``."""

    table: str = INCIDENT_TABLE
    create_when: str = ALWAYS
    existing: str | None = None
    update_when: str = ALWAYS
    on_reactivate: Literal["note", "new_record", "hold"] = "note"
    reactivations_per_day: Annotated[int, Field(ge=1, le=1000)] = Inbound.reactivations_per_day
    fields: FieldTemplates = {}
    on_create: FieldTemplates = {}
    on_acknowledge: StepTemplates = {}
    on_resolve: StepTemplates = {}
    on_close: StepTemplates = {}
    references: dict[str, Annotated[ReferenceTable | None, BeforeValidator(_reference), _or_false("object")]] = {}
    states: StateWords = {}
    way_back: Literal["none", "alert", "incident"] = "none"


class OutboundTable(Table):
    """The keys of one ``[outbound.NAME]``; a list that is left out is off."""

    acknowledge_on: list[str] = []
    resolve_on: list[str] = []
    close_on: list[str] = []
    when: str = ALWAYS
    reason: str | None = None


_EMPTY: Any = Field(default={}, validate_default=True)
"""a table that is left out: read as one without keys, so that nothing is built before a file is read"""


class File(Table):
    """The tables of the file."""

    owner: str = "Coralogix"
    mode: Literal["act", "observe"] = "act"
    coralogix: CoralogixTable | None = None
    servicenow: dict[str, ServiceNowTable] = {}
    state: StateTable = _EMPTY
    audit: AuditTable = _EMPTY
    retention: RetentionTable = _EMPTY
    metrics: MetricsTable = _EMPTY
    notify: NotifyTable = _EMPTY
    schedule: ScheduleTable = _EMPTY
    limits: LimitsTable = _EMPTY
    route: list[RouteTable] = []
    inbound: dict[str, InboundTable] = {}
    outbound: dict[str, OutboundTable] = {}


SECRET_KEYS = frozenset({"api_key", "password", "client_secret", "urls", "heartbeat_url"})

TABLES: Mapping[tuple[str, ...], type[Table]] = {
    (): File,
    ("coralogix",): CoralogixTable,
    ("servicenow", "*"): ServiceNowTable,
    ("state",): StateTable,
    ("audit",): AuditTable,
    ("retention",): RetentionTable,
    ("metrics",): MetricsTable,
    ("notify",): NotifyTable,
    ("schedule",): ScheduleTable,
    ("limits",): LimitsTable,
    ("route", "*"): RouteTable,
    ("inbound", "*"): InboundTable,
    ("inbound", "*", "references", "*"): ReferenceTable,
    ("outbound", "*"): OutboundTable,
}
"""Every table of the file but those of secrets; ``*`` is any name or list position."""


NAMED_TABLES: Mapping[str, type[Table]] = {
    "servicenow": ServiceNowTable,
    "inbound": InboundTable,
    "outbound": OutboundTable,
}
"""The tables that are written with a name, ``[servicenow.NAME]``, and what each of them is."""


def table_at(path: KeyPath) -> type[Table] | None:
    """Find which table a place is; None where the file has no table with fixed keys."""
    *_, key = [part for part in path if isinstance(part, str)] or [""]
    if key in SECRET_KEYS:
        return SecretTable
    for pattern, table in TABLES.items():
        if len(pattern) == len(path) and all(a in ("*", b) for a, b in zip(pattern, path, strict=True)):
            return table
    return None


def holds_secret(path: KeyPath) -> bool:
    """Return whether a value at this place may be a secret, so that it is shown nowhere."""
    return any(part in SECRET_KEYS for part in path)


def bounds_at(path: KeyPath) -> tuple[Any, Any]:
    """Return the least and the greatest number that a key may have."""
    table = table_at(path[:-1])
    metadata = table.model_fields[str(path[-1])].metadata if table else []
    low = next((part.ge for part in metadata if hasattr(part, "ge")), None)
    high = next((part.le for part in metadata if hasattr(part, "le")), None)
    return low, high
