"""The tables of the two services, the database, metrics, messages and the schedule, made into values.

Every function adds a problem for what is wrong and goes on with a harmless value; a file with a problem is never used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from reconciler.config.addresses import listen_address, proxy_address, service_address
from reconciler.config.file import database_path, is_file_path, is_of_database
from reconciler.config.model import (
    AUTH_KEYS,
    REGION_HOSTS,
    Auth,
    CoralogixConfig,
    ListenAddress,
    MetricsConfig,
    NotifyConfig,
    Occasion,
    PartialView,
    RetentionConfig,
    ScheduleConfig,
    ServiceNowConfig,
    StateConfig,
)
from reconciler.config.secrets import Secret, open_secret
from reconciler.config.shape.lines import KeyPath
from reconciler.config.shape.problems import Problems, not_one_of, one_of, shown
from reconciler.config.shape.tables import (
    RIGHT_WAYS,
    CoralogixTable,
    MetricsTable,
    NotifyTable,
    RemoteTable,
    RetentionTable,
    ScheduleTable,
    SecretTable,
    ServiceNowTable,
    StateTable,
)
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STAGE_WORDS, WORD_STAGES
from reconciler.core.model import System

LONGEST_OWNER = 100
"""The length of ``correlation_display`` in ServiceNow."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_STAGE_WORDS: Mapping[str, str] = {stage.word: word for stage, word in STAGE_WORDS.items()}


@dataclass(frozen=True, kw_only=True)
class FileContext:
    """What reading a file needs beside the file itself: folder, environment, problems."""

    folder: Path
    """where relative paths start"""
    environ: Mapping[str, str]
    problems: Problems
    needs_secrets: bool = True
    """False where nothing will be sent, so that a secret that is not here is no problem"""

    def checked(self, path: KeyPath, check: Callable[[str], str], text: str) -> str:
        """Run a check that raises ValueError, and add its message as a problem at a place."""
        try:
            return check(text)
        except ValueError as error:
            self.problems.add(path, str(error))
            return text

    def file(self, path: KeyPath, text: str | None) -> Path | None:
        """Find a file that must be there."""
        if text is None:
            return None
        found = self.folder / text
        if not _is_file(found):
            self.problems.add(path, f"there is no file {found}")
        return found

    def secret(self, path: KeyPath, table: SecretTable | None) -> Secret | None:
        """Find a secret, which must be there and safe."""
        if table is None:
            return None
        given = table.model_dump(exclude_none=True)
        try:
            if len(given) != 1:
                raise ValueError(f"found {len(given)} places for one secret; allowed is {RIGHT_WAYS}")
            ((kind, place),) = given.items()
            return open_secret(kind, place, folder=self.folder, environ=self.environ, is_needed=self.needs_secrets)
        except ValueError as error:
            self.problems.add(path, str(error))
            return None


def _is_file(path: Path) -> bool:
    """Return whether there is a file; there is none of a name that the system cannot take."""
    try:
        return path.is_file()
    except OSError:
        return False


def owner_of(text: str) -> str:
    """Check the mark on our records, which stands in encoded queries; raise ValueError with one sentence."""
    if not text.strip() or text != text.strip():
        raise ValueError(f"found {shown(text)}; allowed is a text without spaces around it")
    if len(text) > LONGEST_OWNER:
        raise ValueError(f"found {len(text)} characters; allowed are {LONGEST_OWNER} (the field correlation_display)")
    if not text.isprintable() or any(mark in text for mark in "^,="):
        raise ValueError(f"found {shown(text)}; allowed is a text without ^ , = and control characters")
    return text


def name_of(text: str) -> str:
    """Check the name of a connector or policy; raise ValueError with one sentence."""
    if not _NAME.fullmatch(text):
        raise ValueError("a name has letters, digits, _ - and dots, 63 at most, and starts with a letter or digit")
    return text


def coralogix(table: CoralogixTable | None, reading: FileContext) -> CoralogixConfig:
    """Make ``[coralogix]``."""
    path: KeyPath = ("coralogix",)
    if table is None:
        reading.problems.add(path, "missing; the file needs a table [coralogix]")
        table = CoralogixTable()
    if table.api_key is None:
        reading.problems.add((*path, "api_key"), f"missing; allowed is {RIGHT_WAYS}")
    return CoralogixConfig(
        base_url=_coralogix_address(table, path, reading),
        region=table.region.lower() if table.region else None,
        api_key=reading.secret((*path, "api_key"), table.api_key) or _no_secret(),
        partial_view=PartialView(table.partial_view),
        deep_links=table.deep_links,
        requests_per_second=table.requests_per_second,
        workers=table.workers,
        ca_bundle=reading.file((*path, "ca_bundle"), table.ca_bundle),
        proxy=_proxy(table, path, reading),
    )


def _coralogix_address(table: CoralogixTable, path: KeyPath, reading: FileContext) -> str:
    if table.base_url is not None:
        if table.region is not None:
            reading.problems.add((*path, "base_url"), "stands beside region; allowed is one of the two")
        return reading.checked((*path, "base_url"), _coralogix_service, table.base_url)
    if table.region is None:
        if not reading.problems.at((*path, "base_url")):  # a wrong base_url was told, and taken out of the table
            reading.problems.add((*path, "region"), f"missing; allowed is {_regions()}, or base_url instead")
        return ""
    if table.region.lower() not in REGION_HOSTS:
        reading.problems.add((*path, "region"), not_one_of(table.region, REGION_HOSTS))
    return REGION_HOSTS.get(table.region.lower(), "")


def _regions() -> str:
    return one_of(map(shown, REGION_HOSTS))


def _coralogix_service(text: str) -> str:
    return service_address(text, ours="/mgmt/openapi/5")


def _servicenow_service(text: str) -> str:
    return service_address(text, ours="/api/now")


def connectors(tables: Mapping[str, ServiceNowTable], reading: FileContext) -> Mapping[str, ServiceNowConfig]:
    """Make every ``[servicenow.NAME]``."""
    if not tables:
        reading.problems.add(("servicenow",), "missing; the file needs a table [servicenow.NAME]")
    return {name: _connector(name, table, reading) for name, table in tables.items()}


def _connector(name: str, table: ServiceNowTable, reading: FileContext) -> ServiceNowConfig:
    path: KeyPath = ("servicenow", name)
    _check_login(table, path, reading.problems)
    if table.instance_url is None:
        reading.problems.add((*path, "instance_url"), "missing; allowed is https:// and the host of the instance")
    config = ServiceNowConfig(
        name=name,
        instance_url=reading.checked(
            # That it is missing was told above; the check wants an address that passes.
            (*path, "instance_url"),
            _servicenow_service,
            "https://missing" if table.instance_url is None else table.instance_url,
        ),
        auth=Auth(table.auth),
        username=_login_name((*path, "username"), _for_basic(table, path, reading), reading),
        password=reading.secret((*path, "password"), table.password),
        client_id=_login_name((*path, "client_id"), table.client_id, reading),
        client_secret=reading.secret((*path, "client_secret"), table.client_secret),
        api_key=reading.secret((*path, "api_key"), table.api_key),
        states=state_words(table.states, (*path, "states"), reading.problems),
        requests_per_second=table.requests_per_second,
        workers=table.workers,
        ca_bundle=reading.file((*path, "ca_bundle"), table.ca_bundle),
        proxy=_proxy(table, path, reading),
    )
    # Last: once the table itself has a problem, nothing more is told of its keys.
    reading.checked(path, _connector_name, name)
    return config


def _connector_name(text: str) -> str:
    """Check the name of a connector, by which its side is told from Coralogix; raise ValueError with one sentence."""
    if text == System.CORALOGIX:
        raise ValueError(f"the name {shown(text)} is taken: status, metrics and the audit call the other side so")
    return name_of(text)


def _check_login(table: ServiceNowTable, path: KeyPath, problems: Problems) -> None:
    """Require every key of this kind of login, and refuse the keys of other kinds."""
    if problems.at((*path, "auth")):
        return
    needed = AUTH_KEYS[Auth(table.auth)]
    words = f'auth = "{table.auth}" needs {one_of(needed, last="and")}'
    for key in sorted({key for keys in AUTH_KEYS.values() for key in keys}):
        given = getattr(table, key) is not None
        if given and key not in needed:
            problems.add((*path, key), f"does not belong here; {words}")
        elif not given and key in needed:
            problems.add((*path, key), f"missing; {words}")


def _login_name(path: KeyPath, text: str | None, reading: FileContext) -> str:
    if text is not None and (not text.strip() or not text.isprintable()):
        reading.problems.add(path, f"found {shown(text)}; allowed is a name without control characters")
    return text or ""


def _for_basic(table: ServiceNowTable, path: KeyPath, reading: FileContext) -> str | None:
    """Refuse a user name that a basic login would end at its colon: RFC 7617, section 2."""
    if Auth(table.auth) is Auth.BASIC and ":" in (table.username or ""):
        words = f'found {shown(table.username)}; auth = "basic" ends a name at its ":"; allowed is a name without'
        reading.problems.add((*path, "username"), f'{words}, or auth = "oauth_password"')
    return table.username


def _proxy(table: RemoteTable, path: KeyPath, reading: FileContext) -> str | None:
    return None if table.proxy is None else reading.checked((*path, "proxy"), proxy_address, table.proxy)


def state_words(table: Mapping[str, str], path: KeyPath, problems: Problems) -> Mapping[str, str]:
    """Map raw state values to state words; a stage word stands for the state word of that stage."""
    known = {**{word: word for word in WORD_STAGES}, **_STAGE_WORDS}
    for value, word in table.items():
        if word not in known:
            problems.add((*path, value), not_one_of(word, known))
        elif not value.strip() or not value.isprintable():
            problems.add((*path, value), "a state value is a text without control characters")
    return {value: known.get(word, word) for value, word in table.items()}


def state(table: StateTable, reading: FileContext) -> StateConfig:
    """Make ``[state]``."""
    path = database_path(table.path, folder=reading.folder, environ=reading.environ)
    if table.path is not None and not is_file_path(table.path, path):
        reading.problems.add(("state", "path"), f"found {shown(table.path)}; allowed is the path of a file")
    return StateConfig(path=path, keep_bodies=table.keep_bodies)


def retention(table: RetentionTable) -> RetentionConfig:
    """Make ``[retention]``; 0 days keep for ever."""
    requests, history = (timedelta(days=days) or None for days in (table.requests_days, table.history_days))
    return RetentionConfig(requests=requests, history=history)


def metrics(table: MetricsTable, reading: FileContext, database: Path) -> MetricsConfig:
    """Make ``[metrics]``; a text file is replaced after each cycle, so it is none of the database's own."""
    listen = None
    if table.listen is not None:
        try:
            host, port = listen_address(table.listen)
            listen = ListenAddress(host=host, port=port)
        except ValueError as error:
            reading.problems.add(("metrics", "listen"), str(error))
    textfile = None if table.textfile is None else reading.folder / table.textfile
    if textfile is not None and not is_file_path(table.textfile or "", textfile):
        words = f"found {shown(str(table.textfile))}; allowed is the path of a file"
        reading.problems.add(("metrics", "textfile"), words)
    elif textfile is not None and is_of_database(textfile, database):
        words = f"found {shown(str(table.textfile))}, a file of the database; allowed is the path of another file"
        reading.problems.add(("metrics", "textfile"), words)
    return MetricsConfig(listen=listen, textfile=textfile)


def notify(table: NotifyTable, reading: FileContext) -> NotifyConfig:
    """Make ``[notify]``."""
    found = [reading.secret(("notify", "urls", place), one) for place, one in enumerate(table.urls)]
    return NotifyConfig(
        urls=tuple(secret for secret in found if secret is not None),
        on=frozenset(map(Occasion, table.on)),
        down=timedelta(minutes=table.down_minutes),
        heartbeat=reading.secret(("notify", "heartbeat_url"), table.heartbeat_url),
    )


def schedule(table: ScheduleTable) -> ScheduleConfig:
    """Make ``[schedule]``."""
    return ScheduleConfig(
        poll=timedelta(seconds=table.poll_seconds),
        lag_objective=timedelta(seconds=table.lag_objective_seconds),
        case_overlap=timedelta(seconds=table.case_overlap_seconds),
        incident_overlap=timedelta(seconds=table.incident_overlap_seconds),
        first_lookback=timedelta(hours=table.first_lookback_hours),
        drift_check=timedelta(minutes=table.drift_check_minutes),
    )


def _no_secret() -> Secret:
    """Return a placeholder for a secret that is missing."""
    return Secret(source="nowhere", read=str)
