"""Run a backfill for a person: estimate it, then run it in parts, here or in the running daemon."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import field, replace
from pathlib import Path

import click

from reconciler.cli.build import build_context, keep_config
from reconciler.cli.options import Globals
from reconciler.cli.people import note_cycles
from reconciler.cli.refs import find_case
from reconciler.cli.running.cycles import say_stopping
from reconciler.cli.showing.cycle_report import sent_words
from reconciler.cli.start import open_store, read_config, start
from reconciler.cli.telling.telling import Telling
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, say
from reconciler.cli.times import utc_now
from reconciler.config.model import Config
from reconciler.core.errors import ConfigError, Locked
from reconciler.core.frozen import dataclass
from reconciler.core.identity import CASE_ID
from reconciler.core.model import JsonObject
from reconciler.core.words import counted
from reconciler.daemon.signals import stop_on_signal
from reconciler.engine.backfill import BackfillProgress, next_part, whole_document
from reconciler.engine.estimate import Estimate, estimate
from reconciler.engine.parts import BackfillRequest
from reconciler.store.asked.backfills import BackfillState
from reconciler.store.opening.lock import DAEMON_COMMAND, DatabaseLock, holder_of
from reconciler.store.store import Store
from reconciler.telemetry.log import bind_cycle, new_cycle_id

LOOK_SECONDS = 0.5
"""How often the command checks the progress of what it handed over."""
SEEN_EVERY_SECONDS = 10.0
"""How often it says that it still waits; for one that is silent for two minutes the daemon begins nothing more."""
_KEY = re.compile(r"[A-Za-z]+-[0-9]+")


@dataclass(frozen=True, kw_only=True)
class BackfillOptions:
    """How a backfill is run and shown."""

    as_json: bool
    is_brief: bool
    """only count successes; name failures"""
    is_sure: bool
    """do not ask"""


def backfill(options: Globals, asked: BackfillRequest, way: BackfillOptions) -> int:
    """Run a backfill to its end, show what came of it, and return the exit code.

    With ``batch`` it is handed to the daemon if one works on the database. SIGTERM and Ctrl-C let the action in hand
    finish; a second one ends the process at once.
    """
    start(options, quiet=True)
    config = read_config(options)
    stop = threading.Event()
    with ExitStack() as stack:
        lock = _locked(stack, config.state.path, asked)
        store = stack.enter_context(open_store(config.state.path, lock))
        asked = replace(asked, refs=_known_refs(store, asked.refs))
        if not (asked.refs or _is_wanted(config, store, asked, way)):
            say("reconciler: nothing was done")
            return 1
        note_cycles(store, "once", limits_on=asked.limits_on)
        run = _by_itself if lock else _by_the_daemon
        with stop_on_signal(stop, say_stopping):
            told = run(config, store, asked, _BackfillOutput(way=way), stop)
    return told.end()


def _locked(stack: ExitStack, path: Path, asked: BackfillRequest) -> DatabaseLock | None:
    """Lock the database; return None where a daemon has it that can run this backfill. Raises Locked."""
    try:
        return stack.enter_context(DatabaseLock(path, command="reconciler once"))
    except Locked as error:
        holder = holder_of(path)
        if holder is None or holder.command != DAEMON_COMMAND:
            raise
        if asked.batch is None:
            raise Locked(f"{error}. With `--batch N` this is handed to the daemon") from error
        return None


def _known_refs(store: Store, refs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the Case id of each REF that is remembered; an unknown id or key is kept as it is."""
    found: list[str] = []
    problems: list[str] = []
    for ref in refs:
        try:
            found.append(find_case(store, ref))
        except ConfigError as error:
            # What no database knows may still be a Case of Coralogix; what two Cases share has to be told apart first.
            is_askable = CASE_ID.fullmatch(ref.lower()) or _KEY.fullmatch(ref)
            if not is_askable or "could be any" in str(error):
                problems += error.problems
            else:
                found.append(ref.lower() if CASE_ID.fullmatch(ref.lower()) else ref.upper())
    if problems:
        raise ConfigError(problems)
    return tuple(found)


# -- before it starts ----------------------------------------------------------------------------------------------


def _is_wanted(config: Config, store: Store, asked: BackfillRequest, way: BackfillOptions) -> bool:
    """Show the estimated cost of a backfill, and ask on a terminal whether to go on."""
    progress = ProgressBar()
    context = build_context(config, store, progress=progress)
    about = estimate(context, asked, pause_seconds=config.schedule.poll.total_seconds())
    progress.clear()
    say(*estimate_lines(about))
    asks = sys.stdin.isatty() and not way.is_sure
    return not asks or click.confirm("Go on?", err=True)


def estimate_lines(about: Estimate) -> list[str]:
    """Return the lines that describe an estimate."""
    batches = f"{about.parts} batches" if about.parts > 1 else "one batch"
    words = (
        f"{_without_record(about.cases)}: about {counted(about.to_servicenow, 'request')} to ServiceNow "
        f"and {about.to_coralogix} to Coralogix, in {batches}, about {_duration(about.seconds)}"
    )
    rules = [
        f"{connector} allows {limit} requests an hour, of which this takes {about.share(connector):.0%}"
        for connector, limit in about.hourly.items()
    ]
    return [words, *(rules or ["no answer told of a rule that limits requests an hour"])]


def _without_record(cases: int) -> str:
    match cases:
        case 0:
            return "no Case is without a record that it may get"
        case 1:
            return "one Case has no record and may get one"
    return f"some {cases} Cases have no record and may get one"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute"


# -- while it runs -------------------------------------------------------------------------------------------------


@dataclass
class _BackfillOutput:
    """Collect the documents of the parts; print each as it ends, and the whole at the end."""

    way: BackfillOptions
    documents: list[JsonObject] = field(default_factory=list)
    progress: BackfillProgress = field(default_factory=BackfillProgress)
    by_daemon: bool = False

    def part(self, document: JsonObject) -> None:
        """Keep the document of a part that ended, and show it."""
        self.documents.append(document)
        if not self.way.as_json:
            print_lines(*_part_lines(len(self.documents), document, is_brief=self.way.is_brief))

    def end(self) -> int:
        """Print how it ended, and return the exit code."""
        whole = whole_document(self.documents, self.progress) | {"by_daemon": self.by_daemon}
        if self.way.as_json:
            print_json(whole)
        else:
            print_lines(_last_line(whole, self.progress))
        if self.progress.error:
            say(f"reconciler: {self.progress.error}")
        elif self.progress.is_stopped:
            say("reconciler: stopped as asked; what was not begun is left as it was")
        return self.progress.exit_code


def _part_lines(number: int, document: JsonObject, *, is_brief: bool) -> list[str]:
    results = [action["result"] for action in document["actions"]]
    done = sum(result in ("done", "already") for result in results)
    sent = sent_words(done, observed=document["mode"] != "act")
    lines = [f"batch {number}: {len(results)} planned, {sent}; {counted(document['left'], 'Case')} left"]
    for action in document["actions"]:
        went_well = action["result"] in ("done", "already", None)
        if not (went_well and is_brief):
            name = action["case_key"] or action["case_id"]
            words = [action["kind"], name, action["number"], action["result"], action["detail"]]
            lines.append("  " + "  ".join(str(word) for word in words if word))
    return lines


def _last_line(whole: JsonObject, progress: BackfillProgress) -> str:
    batches = whole["batches"]
    done = sum(one["done"] for one in batches)
    failed = sum(one["failed"] for one in batches)
    words = f", {failed} failed" if failed else ""
    by = ", by the daemon" if whole["by_daemon"] else ""
    read = f"{counted(progress.cases, 'Case')} in {counted(len(batches), 'batch', 'batches')}"
    return f"backfill {whole['result']}: {read}, {done} done{words}{by}"


Run = Callable[[Config, Store, BackfillRequest, _BackfillOutput, threading.Event], _BackfillOutput]


def _by_itself(
    config: Config, store: Store, asked: BackfillRequest, told: _BackfillOutput, stop: threading.Event
) -> _BackfillOutput:
    """Run part after part in this process, with a pause between two."""
    keep_config(config, store)
    bar = ProgressBar()
    with Telling(store, serves=False) as telling:
        telling.take_up(config)
        context = build_context(config, store, stop=stop, progress=bar, told=telling.request)
        while not told.progress.is_over and not stop.is_set():
            cycle_id = new_cycle_id()
            with bind_cycle(cycle_id):
                report, told.progress = next_part(context, asked, told.progress, cycle_id)
                if report:
                    telling.cycle_ended(report, context)
            bar.clear()
            if report:
                told.part(report.document())
            if not told.progress.is_over and stop.wait(config.schedule.poll.total_seconds()):
                told.progress = told.progress.stopped()
    return told


def _by_the_daemon(
    config: Config, store: Store, asked: BackfillRequest, told: _BackfillOutput, stop: threading.Event
) -> _BackfillOutput:
    """Hand a backfill to the daemon, and wait until it is over or the daemon is gone."""
    told.by_daemon = True
    handed = store.backfills.hand_over(asked.document(), told.progress.document(), utc_now())
    say("handed to the daemon, which takes a batch after each of its cycles; Ctrl-C asks for no further batch")
    try:
        _wait(config.state.path, store, handed, told, stop)
    finally:
        store.backfills.take_away(handed)
    return told


def _wait(path: Path, store: Store, seq: int, told: _BackfillOutput, stop: threading.Event) -> None:
    """Show each part as it ends, until the backfill or the daemon ended."""
    seen = time.monotonic()
    is_stopping = False
    while True:
        # State and holder before the parts: what was stored when they ended is then among these.
        handed = store.backfills.get(seq)
        holder = holder_of(path)
        for document in store.backfills.parts(seq)[len(told.documents) :]:
            told.part(document)
        if handed is None:
            return
        progress = BackfillProgress.of(handed.progress)
        if handed.state is BackfillState.ENDED:
            told.progress = progress
            return
        if holder is None or holder.command != DAEMON_COMMAND:
            words = "the daemon ended meanwhile; what it had not begun is left as it was: run this again"
            told.progress = replace(progress, error=words, exit_code=1)
            return
        if stop.is_set() and not is_stopping:
            store.backfills.stop(seq)
            is_stopping = True
        if time.monotonic() - seen > SEEN_EVERY_SECONDS:
            store.backfills.wait(seq, utc_now())
            seen = time.monotonic()
        time.sleep(LOOK_SECONDS)
