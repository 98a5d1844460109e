"""The command ``status``: how things stand."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import OBSERVING, glance, read_store, start
from reconciler.cli.terminal import print_json, print_lines, say, table
from reconciler.cli.times import DURATION, oldest_read_allowed, utc_now
from reconciler.config.glance import Glance
from reconciler.core.errors import ConfigError, Refused
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.core.words import counted
from reconciler.engine.reading.window import is_unfinished
from reconciler.engine.report import CycleResult
from reconciler.engine.sides import side_of_store
from reconciler.store.opening.lock import DAEMON_COMMAND, Holder, holder_of
from reconciler.store.store import Store
from reconciler.store.values import Lag, StatusSummary

REDRAWN_EVERY_SECONDS = 2.0
LAG_OF = timedelta(days=1)
"""the period over which the lag is shown"""


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Draw it anew every two seconds, until Ctrl-C.")
@click.option("--check", "is_check", is_flag=True, help="For monitors: 0 all well, 1 a side was not read, 3 a brake.")
@click.option(
    "--max-age", type=DURATION, help="How old a whole read may be for --check  [default: three polls, at least 2m]"
)
@click.pass_obj
def status(options: Globals, as_json: bool, watch: bool, is_check: bool, max_age: timedelta | None) -> int:
    """Show the daemon, each side's last whole read, pauses, the last cycle, open links and holds.

    \b
    Examples:
      reconciler status
      reconciler status --check --max-age 5m   # for a monitor: one line for each complaint
    """
    start(options, quiet=True)
    if watch and (as_json or is_check):
        raise ConfigError(["--watch draws for a person: it goes neither with --json nor with --check"])
    config = glance(options)
    if watch:
        _watch(config)
        return 0
    document = _document(config)
    allowed = oldest_read_allowed(config.poll) if max_age is None else max_age
    complaints = _complaints(document, allowed)
    if as_json:
        print_json(document)
    elif not is_check:
        print_status(document)
    elif not complaints and document["brake"] is None:
        print_lines("all well")
    return _check_code(document, complaints) if is_check else 0


def _watch(config: Glance) -> None:
    """Draw the status until Ctrl-C, which is how it ends."""
    with suppress(KeyboardInterrupt):
        while True:
            document = _document(config)
            click.clear()
            print_status(document)
            time.sleep(REDRAWN_EVERY_SECONDS)


def _document(config: Glance) -> JsonObject:
    path, now = config.database, utc_now()
    with read_store(path) as store:
        return status_document(store.reports.status_summary(), now) | {
            "database": store.path,
            "mode": config.mode,
            "sides": sides_document(store, config.ceilings, now),
            "daemon": _daemon(holder_of(path)),
            "chain": _chain(store),
            "sync_lag": _lag_document(store.reports.lags(since=now - LAG_OF), config.lag_objective),
        }


def _daemon(holder: Holder | None) -> JsonObject:
    is_daemon = holder is not None and holder.command == DAEMON_COMMAND
    return {
        "running": is_daemon,
        "pid": holder.pid if holder and is_daemon else None,
        "since": holder.since if holder and is_daemon else None,
    }


def _chain(store: Store) -> JsonObject:
    seq, head = store.ledger.head()
    return {"seq": seq, "head": head.hex()}


def _lag_document(lags: Sequence[Lag], objective: timedelta) -> JsonObject:
    """Summarise how long changes took to the other side."""
    seconds = sorted(lag.seconds for lag in lags)
    return {
        "p50_seconds": _quantile(seconds, 0.5),
        "p95_seconds": _quantile(seconds, 0.95),
        "objective_seconds": objective.total_seconds(),
    }


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return a quantile of sorted values; None where there are none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _complaints(document: JsonObject, allowed: timedelta) -> list[str]:
    """Return which sides were not read whole lately."""
    limit = allowed.total_seconds()
    return [
        f"{name}: last read whole {_ago(side)}, {limit:.0f} s are allowed"
        for name, side in document["sides"].items()
        if side["age_seconds"] is None or side["age_seconds"] >= limit
    ]


def _ago(side: JsonObject) -> str:
    return "never" if side["age_seconds"] is None else f"{side['age_seconds']:.0f} s ago"


def _check_code(document: JsonObject, complaints: Sequence[str]) -> int:
    """Say each complaint, and what the brake says, and return the exit code of ``--check``."""
    for words in complaints:
        say(f"reconciler: {words}")
    if document["brake"] is not None:
        say(f"reconciler: {document['brake']}")
        return Refused.exit_code
    return 1 if complaints else 0


def status_document(summary: StatusSummary, now: datetime) -> JsonObject:
    """Write the summary of a database as the document of ``status --json``. Lags are in seconds."""
    cursors = {
        name: {
            "time": cursor.time.isoformat() if cursor.time else None,
            "lag_seconds": round((now - cursor.time).total_seconds(), 1) if cursor.time else None,
            "unfinished": is_unfinished(cursor),
        }
        for name, cursor in summary.cursors.items()
    }
    return {
        "version": DOCUMENT_VERSION,
        "last_cycle": dict(summary.last_cycle) if summary.last_cycle else None,
        "brake": _brake(summary),
        "cursors": cursors,
        "links": summary.links,
        "open_links": summary.open_links,
        "waiting": summary.waiting,
        "holds": dict(summary.holds),
        "skips": dict(summary.skips),
        "quarantined": summary.quarantined,
        "unfinished_actions": summary.unfinished_actions,
    }


def _brake(summary: StatusSummary) -> str | None:
    """Return why the last cycle was refused; None if it was not."""
    last = summary.last_cycle
    is_refused = last is not None and last["result"] == CycleResult.REFUSED.value
    return str(last["refused_because"]) if last and is_refused else None


def sides_document(store: Store, ceilings: Mapping[str, float], now: datetime) -> JsonObject:
    """Return when each side was last read whole, and its pauses and pace.

    ``ceilings`` has the pace that the config allows to each, in requests a second.
    """
    read_at = store.journal.last_whole_reads(now)
    states = {name: side_of_store(store, name) for name in ceilings}
    return {
        name: {
            "read_at": at.isoformat() if (at := read_at.get(name)) else None,
            "age_seconds": round((now - at).total_seconds(), 1) if at else None,
            "paused_until": silent.isoformat() if (silent := state.silent_until) and silent > now else None,
            "requests_per_second": state.requests_per_second or ceilings[name],
            "refused_logins": state.refused_logins,
        }
        for name, state in states.items()
    }


def print_status(document: JsonObject) -> None:
    """Show the status to a person."""
    print_lines(f"database   {document['database']}")
    if document.get("mode") == "observe":
        print_lines(f"mode       {OBSERVING}")
    last = document["last_cycle"]
    if last is None:
        print_lines("last cycle none yet")
    else:
        ended = last["finished_at"] or "not finished"
        print_lines(
            f"last cycle {last['kind']} {last['result'] or 'running'}, began {last['started_at']}, ended {ended}"
        )
        if last["refused_because"]:
            print_lines(f"           {last['refused_because']}")
    daemon = document["daemon"]
    words = f"runs, pid {daemon['pid']}, since {daemon['since']}" if daemon["running"] else "does not run"
    print_lines(f"daemon     {words}")
    for name, side in document["sides"].items():
        print_lines(f"read       {name}: last whole {_ago(side)}")
        if side["paused_until"] is not None:
            print_lines(f"paused     {name}: nothing is sent before {side['paused_until']}{_refusals(side)}")
    print_lines(f"sync lag   {_lag_words(document['sync_lag'])}")
    print_lines(f"links      {document['links']} in all, {document['open_links']} open, {document['waiting']} to plan")
    print_lines(f"holds      {_counts(document['holds'])}")
    print_lines(f"skips      {_counts(document['skips'])}")
    if document["quarantined"]:
        print_lines(f"quarantine {counted(document['quarantined'], 'record')} that could not be understood")
    print_lines(f"chain      {document['chain']['seq']} entries, head {document['chain']['head']}")
    rows = [(name, cursor["time"]) for name, cursor in document["cursors"].items()]
    if rows:
        print_lines("", *table(("cursor", "newest change that was read"), rows))


def _lag_words(lag: JsonObject) -> str:
    if lag["p50_seconds"] is None:
        return "no change was carried in the last day"
    is_over = lag["p95_seconds"] > lag["objective_seconds"]
    over = f", over the {lag['objective_seconds']:.0f} s aimed at" if is_over else ""
    return f"of the last day: half within {lag['p50_seconds']:.0f} s, 95 % within {lag['p95_seconds']:.0f} s{over}"


def _refusals(side: JsonObject) -> str:
    count = side["refused_logins"]
    return f" (its login was refused {counted(count, 'time')} in a row: look at the credentials)" if count else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
