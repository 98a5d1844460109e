"""The command ``audit coverage``: every Case of a window with its record, every record with its Case."""

from __future__ import annotations

import platform
import shlex
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler import __version__
from reconciler.audit.coverage import Coverage, CoverageFinding
from reconciler.audit.fresh import CoverageRequest, FreshReading
from reconciler.audit.page import CoverageHeader, coverage_page
from reconciler.cli.build import build_context
from reconciler.cli.files import refuse_own_file, save_private
from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import os_user
from reconciler.cli.showing.evidence import end_refused, read_evidence
from reconciler.cli.start import read_config, start
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, table
from reconciler.cli.times import A_WHEN, WHEN, utc_now
from reconciler.config.model import Config, Mode
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject, System
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.sides import resume_sides
from reconciler.store.store import Store, sqlite_version

MOST_SHOWN = 50


@click.command("coverage")
@click.option("--since", type=WHEN, required=True, help=f"The window begins at WHEN: {A_WHEN}.")
@click.option("--until", type=WHEN, help="The window ends at WHEN; left out, now.")
@json_option
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a page to file.")
@click.pass_obj
def coverage_command(
    options: Globals, since: datetime, until: datetime | None, as_json: bool, html: Path | None
) -> None:
    """Read both services afresh and account for every Case and record of a window; writes nothing to any of them.

    A Case or record is of the window when it was made, or changed last, within it. Ends with 0 when neither side left
    anything out and every Case has its record, or a reason why not, and both stand together; with 3 otherwise.

    \b
    Examples:
      reconciler audit coverage --since 7d
      reconciler audit coverage --since 2026-03-01 --until 2026-04-01 --html march.html
    """
    start(options, quiet=True)
    asked = CoverageRequest(since=since, until=until or utc_now())
    if asked.since >= asked.until:
        raise ConfigError([f"--since {since.isoformat()} is not before --until {asked.until.isoformat()}"])
    config = read_config(options)
    if html is not None:
        refuse_own_file("--html", html, config)
    with read_evidence(config.state.path) as store:
        found = _read(config, store, asked)
        about = _about(config, store, asked)
    if html is not None:
        save_private("--html", html, coverage_page(found, about))
    print_json(coverage_document(found, about)) if as_json else print_coverage(found)
    if not (found.is_complete and found.is_clean):
        end_refused(exception_words(found))


def _read(config: Config, store: Store, asked: CoverageRequest) -> Coverage:
    bar = ProgressBar()
    # Observe mode, whatever the config says: nothing that could write is sent.
    context = build_context(replace(config, mode=Mode.OBSERVE), store)
    resume_sides(context)
    reading = FreshReading(
        cases=context.cases,
        connectors=context.connectors,
        tables=context.tables(),
        policies=context.policies,
        store=store,
        asked=asked,
        now=context.clock(),
        progress=lambda what, count: bar(f"reading {what}", count, 0),
    )
    try:
        return reading.run()
    finally:
        bar.clear()


def _about(config: Config, store: Store, asked: CoverageRequest) -> CoverageHeader:
    seq, head = store.ledger.head()
    return CoverageHeader(
        since=asked.since,
        until=asked.until,
        at=utc_now(),
        by=f"{os_user()} on {socket.gethostname()}",
        arguments=shlex.join(["reconciler", *sys.argv[1:]]),
        of=tuple(_sides(config)),
        database=store.path,
        config_hash=config.policy_hash,
        chain_seq=seq,
        chain_head=head.hex(),
        versions={"reconciler": __version__, "SQLite": sqlite_version(), "Python": platform.python_version()},
    )


def _sides(config: Config) -> Iterator[tuple[str, str]]:
    yield System.CORALOGIX, config.coralogix.base_url
    for name, one in config.servicenow.items():
        yield name, f"{one.instance_url} as {one.username or one.auth.value}"


def coverage_document(found: Coverage, about: CoverageHeader) -> JsonObject:
    """Write an account as the document of ``audit coverage --json``."""
    return {
        "version": DOCUMENT_VERSION,
        "complete": found.is_complete,
        "clean": found.is_clean,
        "since": about.since.isoformat(),
        "until": about.until.isoformat(),
        "asked_at": about.at.isoformat(),
        "not_shown": list(found.incomplete),
        "cases": [_plain(asdict(line)) for line in found.cases],
        "records": [_plain(asdict(line)) for line in found.records],
        "exceptions": [_plain(asdict(one)) for one in found.exceptions],
        "chain": {"seq": about.chain_seq, "head": about.chain_head},
        "config_hash": about.config_hash,
        "versions": dict(about.versions),
    }


def _plain(row: JsonObject) -> JsonObject:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for name, value in row.items()
    }


def print_coverage(found: Coverage) -> None:
    """Show an account to a person: in numbers, and each exception."""
    elsewhere = sum(line.elsewhere for line in found.cases)
    bare = sum(not line.sys_id for line in found.cases)
    print_lines(
        f"Cases    {len(found.cases)}: {len(found.cases) - bare - elsewhere} with a record, "
        f"{elsewhere} by other means, {bare} without one",
        f"records  {len(found.records)} that bear our mark",
        "both sides were read whole" if found.is_complete else "not everything was shown:",
        *(f"  {words}" for words in found.incomplete),
    )
    shown = found.exceptions[:MOST_SHOWN]
    if shown:
        print_lines(*table(["exception", "Case", "record", "since", "what"], map(_row, shown)))
    if len(found.exceptions) > len(shown):
        print_lines(f"and {len(found.exceptions) - len(shown)} more; --json and --html have all of them")


def _row(one: CoverageFinding) -> list[str]:
    return [one.kind.value, one.case_key or one.case_id, one.number or one.sys_id, one.since or "", one.words]


def exception_words(found: Coverage) -> str:
    """Return one line that says what is wrong, and what to do."""
    parts = [] if found.is_complete else ["not complete: look at the rights of the key and the user"]
    parts += (
        [] if found.is_clean else [f"{len(found.exceptions)} exceptions: `reconciler explain REF` tells each story"]
    )
    return "; ".join(parts)
