"""The config as frozen values, with every default filled in.

Durations are ``timedelta``; addresses are bare and have no slash at the end; paths are absolute where the config
file's own path is. Nothing here holds the value of a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from reconciler.config.secrets import Secret
from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.templates import Template
from reconciler.core.frozen import dataclass
from reconciler.core.policies.policies import Policies


class Auth(StrEnum):
    """The ways to log in to ServiceNow."""

    BASIC = "basic"
    OAUTH_PASSWORD = "oauth_password"  # noqa: S105 - the name of a grant
    OAUTH_CLIENT_CREDENTIALS = "oauth_client_credentials"
    API_KEY = "api_key"


AUTH_KEYS: Mapping[Auth, tuple[str, ...]] = {
    Auth.BASIC: ("username", "password"),
    Auth.OAUTH_PASSWORD: ("username", "password", "client_id", "client_secret"),
    Auth.OAUTH_CLIENT_CREDENTIALS: ("client_id", "client_secret"),
    Auth.API_KEY: ("api_key",),
}
"""The keys that each kind of login needs; it may have no others."""

REGION_HOSTS: Mapping[str, str] = {
    region: f"https://api.{region}.coralogix.com" for region in ("us1", "us2", "us3", "eu1", "eu2", "ap1", "ap2", "ap3")
}
"""Source: ``coralogix-management-sdk``, ``go/openapi/cxsdk``."""


class Mode(StrEnum):
    """What the program may do to the two services."""

    ACT = "act"
    OBSERVE = "observe"
    """read, remember and plan; nothing that could write is sent"""


class PartialView(StrEnum):
    """What a cycle may do when the key does not see every Case."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, kw_only=True)
class CoralogixConfig:
    """The connection to Coralogix."""

    base_url: str
    """``https://host``, without a slash at the end; of the region where one is named"""
    region: str | None
    """in lower case; None when the address was given instead"""
    api_key: Secret
    partial_view: PartialView
    deep_links: bool
    """read each new Case's address in the console, for one more request"""
    requests_per_second: float
    """a ceiling"""
    workers: int
    """how many Cases are written side by side"""
    ca_bundle: Path | None
    proxy: str | None


@dataclass(frozen=True, kw_only=True)
class ServiceNowConfig:
    """The connection to one ServiceNow instance; ``AUTH_KEYS`` says which parts of the login are set."""

    name: str
    """the connector's name, as routes and links have it"""
    instance_url: str
    """``https://host``, without a slash at the end"""
    auth: Auth
    username: str
    password: Secret | None
    client_id: str
    client_secret: Secret | None
    api_key: Secret | None
    states: Mapping[str, str]
    """raw state value -> state word, beside the usual ones"""
    requests_per_second: float
    """a ceiling"""
    workers: int
    """how many records are written side by side"""
    ca_bundle: Path | None
    proxy: str | None


@dataclass(frozen=True, kw_only=True)
class StateConfig:
    """The database: where it is, and what is kept in it."""

    path: Path
    keep_bodies: bool
    """keep request bodies, redacted, beside each write"""


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """What is kept for audits."""

    hides_values: bool
    """of the values that are written only hashes are kept"""
    case_events: bool
    """read the own events of each Case that changed"""
    servicenow_history: bool
    """read ``sys_audit`` for each record that changed"""


@dataclass(frozen=True, kw_only=True)
class RetentionConfig:
    """For how long old rows are kept; None is for ever."""

    requests: timedelta | None
    history: timedelta | None
    """actions, notifications and cycles"""


@dataclass(frozen=True, kw_only=True)
class ListenAddress:
    """An address of this machine."""

    host: str
    port: int
    """0 is any that is free"""


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """Where metrics can be read; nothing is measured where neither is given."""

    listen: ListenAddress | None
    textfile: Path | None


class Occasion(StrEnum):
    """What a person is told by a message."""

    HOLD = "hold"
    BRAKE = "brake"
    DOWN = "down"
    RECOVERED = "recovered"


@dataclass(frozen=True, kw_only=True)
class NotifyConfig:
    """Who is told by messages, and of what."""

    urls: tuple[Secret, ...]
    """addresses of Apprise"""
    on: frozenset[Occasion]
    down: timedelta
    """how long a side may stay unread"""
    heartbeat: Secret | None
    """an address that is called after each whole cycle"""


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """When a cycle runs, and how far each pull looks behind its cursor."""

    poll: timedelta
    lag_objective: timedelta
    """how long a change may take to the other side: what ``status`` and alerts compare with"""
    case_overlap: timedelta
    incident_overlap: timedelta
    first_lookback: timedelta
    """also in ``Policies``, where it decides"""
    drift_check: timedelta


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that one config file says."""

    owner: str
    """the mark on every record we make (``correlation_display``)"""
    mode: Mode
    coralogix: CoralogixConfig
    servicenow: Mapping[str, ServiceNowConfig]
    """connector name -> instance, in the order of the file; never empty"""
    state: StateConfig
    audit: AuditConfig
    retention: RetentionConfig
    metrics: MetricsConfig
    notify: NotifyConfig
    schedule: ScheduleConfig
    policies: Policies
    source: Path | None = None
    """the file; None for a config made from text"""

    @property
    def observes(self) -> bool:
        """Return whether nothing is sent that could write."""
        return self.mode is Mode.OBSERVE

    @property
    def policy_hash(self) -> str:
        """Hash what decides about links: owner, routes, policies and state words; brakes and addresses do not count."""
        policies = self.policies
        decides = [policies.owner, policies.routes, policies.inbound, policies.outbound, policies.states]
        text = json.dumps(_plain(decides), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> Any:
    """Turn a value of the policies into JSON, so that its hash is the same in every process."""
    match value:
        case Condition() | Template():
            return value.source
        case Mapping():
            return {key: _plain(part) for key, part in value.items()}
        case AbstractSet():
            return sorted(value)
        case list() | tuple():
            return [_plain(part) for part in value]
        case _ if is_dataclass(value):
            return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value
