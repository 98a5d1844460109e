"""The one place where objects are built: a config becomes the clients, the store and the context of a cycle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import field, replace

from reconciler import __version__
from reconciler.cli.times import utc_now
from reconciler.config.model import Auth, Config, CoralogixConfig, PartialView, ServiceNowConfig
from reconciler.config.secrets import Secret
from reconciler.core.errors import ConfigError
from reconciler.core.frozen import dataclass
from reconciler.core.model import HttpRecord, System
from reconciler.core.policies.defaults import DEFAULT_REASON
from reconciler.core.policies.policies import Policies
from reconciler.core.policies.requirements import parts_of
from reconciler.engine.context import Context, Settings
from reconciler.engine.request_log import RequestLog
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import (
    Login,
    api_key_login,
    basic_login,
    bearer_login,
    client_credentials_login,
    password_login,
)
from reconciler.remotes.http.client import HttpService, environment_settings
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.http.settings import HttpSettings, Observer, ignore_record
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.remotes.servicenow.history import ServiceNowHistoryClient
from reconciler.store.store import Store

SNAPSHOT_NAMES = frozenset(
    {"number", "sys_id", "table", "connector", "state", "state_word", "assigned_to", "updated_by"}
    | {"created_at", "updated_at", "reopen_count"}
)
"""Names of ``incident`` in templates that need not be read as extra columns."""

SideObserver = Callable[[str, HttpRecord], None]
"""Called for each request with its side, in the thread that sent it."""


def ignore_side(side: str, record: HttpRecord) -> None:
    """Ignore a request."""


def build_context(
    config: Config,
    store: Store,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    told: SideObserver = ignore_side,
    time: ClientClock | None = None,
) -> Context:
    """Build everything that a cycle works with; ``told`` is called for each request. Nothing is sent yet."""
    stop = stop or threading.Event()
    requests = RequestLog()
    wire = Wire(
        observe=requests.note,
        told=told,
        stop=stop,
        time=time or ClientClock(),
        keep_bodies=config.state.keep_bodies,
        reads_only=config.observes,
    )
    coralogix = coralogix_service(config.coralogix, wire)
    connectors = {name: servicenow_client(one, config.policies, wire) for name, one in config.servicenow.items()}
    context = Context(
        cases=CoralogixClient(coralogix),
        connectors=connectors,
        users={name: one.username for name, one in config.servicenow.items() if one.username},
        events=CoralogixEventClient(coralogix) if config.audit.case_events else None,
        histories={name: ServiceNowHistoryClient(client) for name, client in connectors.items()}
        if config.audit.servicenow_history
        else {},
        store=store,
        policies=config.policies,
        policy_hash=config.policy_hash,
        clock=utc_now,
        requests=requests,
        settings=engine_settings(config),
        should_stop=stop.is_set,
        program_version=__version__,
        observes=config.observes,
    )
    return replace(context, progress=progress) if progress else context


def engine_settings(config: Config) -> Settings:
    """Return the settings of a cycle from a config."""
    return Settings(
        case_overlap=config.schedule.case_overlap,
        incident_overlap=config.schedule.incident_overlap,
        drift_check_every=config.schedule.drift_check,
        accept_partial_view=config.coralogix.partial_view is PartialView.ACCEPT,
        ask_deep_links=config.coralogix.deep_links,
        hides_values=config.audit.hides_values,
        requests_kept=config.retention.requests,
        history_kept=config.retention.history,
        workers_of={
            System.CORALOGIX: config.coralogix.workers,
            **{name: one.workers for name, one in config.servicenow.items()},
        },
    )


@dataclass(frozen=True, kw_only=True)
class Wire:
    """What all clients share: who is told of requests, the stop event, and what may be sent."""

    observe: Observer = ignore_record
    told: SideObserver = ignore_side
    """beside the log"""
    stop: threading.Event = field(default_factory=threading.Event)
    time: ClientClock = field(default_factory=ClientClock)
    keep_bodies: bool = False
    reads_only: bool = False
    """send no request that could write"""

    def observer(self, side: str) -> Observer:
        """Return the observer of one side's requests."""

        def observe(record: HttpRecord) -> None:
            self.observe(record)
            self.told(side, record)

        return observe


def coralogix_service(config: CoralogixConfig, wire: Wire) -> HttpService:
    """Build the HTTP service that all clients of Coralogix share: one login, one pace."""
    settings = _settings(config.base_url, config, wire)
    login = bearer_login(config.api_key.reveal())
    observe = wire.observer(System.CORALOGIX)
    return HttpService(
        System.CORALOGIX, settings, login, observe=observe, stop=wire.stop, clock=wire.time, name=System.CORALOGIX
    )


def servicenow_client(config: ServiceNowConfig, policies: Policies, wire: Wire) -> ServiceNowClient:
    """Build the client of one ServiceNow instance, which reads every field that a policy maps."""
    settings = _settings(config.instance_url, config, wire)
    login = _login(config)
    observe = wire.observer(config.name)
    http = HttpService(
        System.SERVICENOW, settings, login, observe=observe, stop=wire.stop, clock=wire.time, name=config.name
    )
    return ServiceNowClient(config.name, http, owner=policies.owner, extra_fields=mapped_fields(policies))


def mapped_fields(policies: Policies) -> Mapping[str, tuple[str, ...]]:
    """List, for each table, the fields that its policies write, and those that a condition or a reason reads."""
    looked_at = [outbound.when.names for outbound in policies.outbound.values()]
    # What the usual reason reads comes with every record.
    looked_at += [one.reason.names for one in policies.outbound.values() if one.reason.source != DEFAULT_REASON]
    looked_at += [inbound.update_when.names for inbound in policies.inbound.values()]
    read = {name.removeprefix("incident.") for names in looked_at for name in names if name.startswith("incident.")}
    fields: dict[str, set[str]] = {}
    for inbound in policies.inbound.values():
        names = {name for part in parts_of(inbound).values() for name in part}
        fields.setdefault(inbound.table, set()).update(names | (read - SNAPSHOT_NAMES))
    return {table: tuple(sorted(names)) for table, names in fields.items()}


def _settings(base_url: str, config: CoralogixConfig | ServiceNowConfig, wire: Wire) -> HttpSettings:
    settings = environment_settings(base_url)
    proxies = {"http": config.proxy, "https": config.proxy} if config.proxy else settings.proxies
    bundle = str(config.ca_bundle) if config.ca_bundle else settings.ca_bundle
    return replace(
        settings,
        proxies=proxies,
        ca_bundle=bundle,
        requests_per_second=config.requests_per_second,
        pool_size=config.workers + 1,
        keep_bodies=wire.keep_bodies,
        reads_only=wire.reads_only,
    )


def _login(config: ServiceNowConfig) -> Login:
    match config.auth:
        case Auth.BASIC:
            return basic_login(config.username, _reveal(config.password))
        case Auth.OAUTH_PASSWORD:
            return password_login(
                username=config.username,
                password=_reveal(config.password),
                client_id=config.client_id,
                client_secret=_reveal(config.client_secret),
            )
        case Auth.OAUTH_CLIENT_CREDENTIALS:
            return client_credentials_login(client_id=config.client_id, client_secret=_reveal(config.client_secret))
        case Auth.API_KEY:
            return api_key_login(_reveal(config.api_key))


def _reveal(secret: Secret | None) -> str:
    if secret is None:
        raise ConfigError(["a secret that this kind of login needs is not set"])
    return secret.reveal()


def secret_values(config: Config) -> tuple[str, ...]:
    """Read the present value of every secret in a config, to detect a change; raise ConfigError."""
    named = [config.coralogix.api_key]
    for one in config.servicenow.values():
        named += [secret for secret in (one.password, one.client_secret, one.api_key) if secret is not None]
    named += [*config.notify.urls, *([config.notify.heartbeat] if config.notify.heartbeat else [])]
    return tuple(secret.reveal() for secret in named)


def keep_config(config: Config, store: Store) -> None:
    """Store the text of the config that takes effect now; it names where secrets are kept, and holds none."""
    if config.source is not None:
        store.journal.note_config(config.policy_hash, config.source.read_text(encoding="utf-8-sig"), utc_now())
