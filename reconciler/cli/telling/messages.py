"""Messages to people: new holds, a brake, a side that is down, and recoveries.

Rules of this file: news is the difference between the present state and what was told last, which the database stores:
nothing is told twice, also over a restart, and news close together is one message. It is stored as told before the
message is sent, and taken back if no address accepted it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.config.model import NotifyConfig, Occasion
from reconciler.core.frozen import dataclass
from reconciler.core.text import cut
from reconciler.engine.report import CycleReport, CycleResult
from reconciler.store.database.codec import time_text
from reconciler.store.store import Store
from reconciler.store.values import Row
from reconciler.telemetry.log import escape_controls, redact
from reconciler.telemetry.notifications import HeartbeatSender, Message, MessageSender, Severity, apprise_delivery

TOLD = "notify.told"
"""The key of the fact that holds what was told."""
LEAST_PAUSE = timedelta(seconds=30)
"""Between two messages; news in between goes into the next."""
MOST_LISTED = 10
MOST_CHARACTERS = 300
"""of the detail of one hold"""
END_LIMIT_SECONDS = 10.0
"""How long an ending program waits for messages that are being sent."""


@dataclass(frozen=True, kw_only=True)
class ToldSoFar:
    """What people were told so far."""

    holds_until: str = ""
    """those that began after this time were not told yet"""
    brake: bool = False
    down: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class News:
    """The state after a cycle, as far as messages depend on it."""

    at: datetime
    holds: Sequence[Row]
    """those that were not told yet"""
    brake: str
    """its words; empty where there is none"""
    released: bool
    """a cycle went through, so that a brake is over"""
    down_since: Mapping[str, datetime]
    """the sides that were not read whole for longer than ``down_minutes``, and since when"""
    read: frozenset[str]


class Messages:
    """Send messages to every address of one config until ``close``. For the thread that runs the cycles."""

    def __init__(self, config: NotifyConfig, store: Store, *, source: str) -> None:
        self._config = config
        self._store = store
        self._source = source
        self._senders = senders_of(config)
        self._heartbeat = HeartbeatSender(config.heartbeat.reveal()) if config.heartbeat else None
        self._last_at: datetime | None = None
        """of a message"""
        self._sent: list[tuple[ToldSoFar, Message]] = []
        """the messages that nobody may have taken yet, each with what was told before it"""

    def cycle_ended(self, report: CycleReport, unread_since: Mapping[str, datetime]) -> None:
        """Send what is new; ``unread_since`` has when each side was last read whole."""
        if self._heartbeat and report.error is None and report.result is not CycleResult.STOPPED:
            self._heartbeat.beat()
        now = report.finished_at
        is_early = self._last_at is not None and timedelta() <= now - self._last_at < LEAST_PAUSE
        if not self._senders or is_early:
            return
        told = self._told(report.started_at)
        news = self._news(report, told, unread_since)
        message = compose(news, told, self._config.on, source=self._source)
        after = told_after(news, told)
        if after != told:
            self._remember(after)
        if message is not None:
            self._sent = [*self._on_their_way(), (told, message)]
            self._last_at = now
            for sender in self._senders:
                sender.put(message)

    def close(self, *, wait: bool) -> None:
        """End the senders, waiting a while with ``wait``; what was not sent is told after the next start."""
        ending: list[MessageSender | HeartbeatSender] = [*self._senders, *filter(None, [self._heartbeat])]
        for each in ending:
            each.close()
        if not wait:
            return
        for each in ending:
            each.join(END_LIMIT_SECONDS / len(ending))
        if lost := self._on_their_way():
            self._remember(lost[0][0])

    def _on_their_way(self) -> list[tuple[ToldSoFar, Message]]:
        """Return the messages behind the last that arrived; one before it that did not was given up for good."""
        arrived = [place for place, (_, message) in enumerate(self._sent) if message.arrived.is_set()]
        return self._sent[arrived[-1] + 1 :] if arrived else self._sent

    def _news(self, report: CycleReport, told: ToldSoFar, unread_since: Mapping[str, datetime]) -> News:
        now = report.finished_at
        return News(
            at=now,
            holds=self._store.reports.holds_since(told.holds_until) if report.held else (),
            brake=str(report.error) if report.result is CycleResult.REFUSED else "",
            released=report.error is None,
            down_since={name: at for name, at in unread_since.items() if now - at >= self._config.down},
            read=report.read_whole,
        )

    def _told(self, started_at: datetime) -> ToldSoFar:
        """Return what was told last; where the clock was set back since, holds of this cycle are news all the same."""
        text = self._store.facts.get(TOLD)
        if text is None:
            return ToldSoFar()
        saved = json.loads(text)
        until = min(saved["holds_until"], time_text(started_at - timedelta(milliseconds=1)))
        return ToldSoFar(holds_until=until, brake=saved["brake"], down=tuple(saved["down"]))

    def _remember(self, told: ToldSoFar) -> None:
        self._store.facts.put(TOLD, json.dumps(asdict(told)))


def senders_of(config: NotifyConfig) -> tuple[MessageSender, ...]:
    """Make the sender to each address; raise ConfigError for what is none, and where Apprise is not installed."""
    ways = [(secret.source, apprise_delivery(secret.source, secret.reveal())) for secret in config.urls]
    return tuple(MessageSender(name, deliver) for name, deliver in ways)


def told_after(news: News, told: ToldSoFar) -> ToldSoFar:
    """Return what people know once the news was told."""
    until = max((str(row["since"]) for row in news.holds), default=told.holds_until)
    brake = bool(news.brake) or (told.brake and not news.released)
    down = {*told.down, *news.down_since} - news.read
    return replace(told, holds_until=until, brake=brake, down=tuple(sorted(down)))


def compose(news: News, told: ToldSoFar, on: frozenset[Occasion], *, source: str) -> Message | None:
    """Compose one message from all news that the config asks for; None where there is none."""
    troubles: list[tuple[str, str]] = []
    down = sorted(news.down_since.keys() - {*told.down} - news.read) if Occasion.DOWN in on else []
    troubles += [(f"{name} is down", _down_words(name, news)) for name in down]
    if Occasion.BRAKE in on and news.brake and not told.brake:
        troubles.append(("a brake stands", f"A brake stands, and nothing is written: {_words(news.brake)}"))
    if Occasion.HOLD in on and news.holds:
        troubles.append(_hold_words(news.holds))
    recoveries: list[tuple[str, str]] = []
    if Occasion.RECOVERED in on:
        back = sorted({*told.down} & news.read)
        recoveries += [(f"{name} is read again", f"{name} is read whole again.") for name in back]
        if told.brake and news.released and not news.brake:
            recoveries.append(("the brake is off", "The brake is off: a cycle went through."))
    if not (troubles or recoveries):
        return None
    titles, bodies = zip(*troubles, *recoveries, strict=True)
    # A hold that is told while a brake stands is as serious as the brake, also where that was told before.
    is_failure = bool(down) or (Occasion.BRAKE in on and bool(news.brake))
    severity = Severity.FAILURE if is_failure else Severity.WARNING
    return Message(
        title=f"Reconciler: {'; '.join(titles)}",
        body="\n\n".join([*bodies, source]),
        severity=severity if troubles else Severity.SUCCESS,
    )


def source_of(config_file: Path | None) -> str:
    """Return the host and config file that a message comes from."""
    named = f", {config_file.absolute()}" if config_file else ""
    return f"From {socket.gethostname()}{named}"


def _down_words(name: str, news: News) -> str:
    since = news.down_since[name]
    minutes = (news.at - since).total_seconds() / 60
    return f"{name} was not read whole for {minutes:.0f} minutes, since {since:%Y-%m-%d %H:%M} UTC."


def _hold_words(holds: Sequence[Row]) -> tuple[str, str]:
    listed = [_hold_line(row) for row in holds[:MOST_LISTED]]
    more = [f"- and {len(holds) - MOST_LISTED} more"] if len(holds) > MOST_LISTED else []
    title = "a Case waits for a person" if len(holds) == 1 else f"{len(holds)} Cases wait for a person"
    head = "New holds; `reconciler holds list` says what to do:"
    return title, "\n".join([head, *listed, *more])


def _hold_line(row: Row) -> str:
    record = f", {row['number']}" if row["number"] else ""
    return f"- {row['case_key'] or row['case_id']}{record}: {row['reason']}: {_words(str(row['detail'] or ''))}"


def _words(text: str) -> str:
    return cut(escape_controls(redact(text)), MOST_CHARACTERS)
