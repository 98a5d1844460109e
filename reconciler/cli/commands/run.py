"""The command ``run``: the daemon."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import click

from reconciler.cli.options import Globals
from reconciler.cli.running.live import LiveContext
from reconciler.cli.showing.cycle_report import summary
from reconciler.cli.start import open_store, read_config, start
from reconciler.cli.telling.telling import Telling
from reconciler.core.errors import Refused, StoreBusy, StoreError
from reconciler.daemon.early import EARLY
from reconciler.daemon.schedule import Daemon
from reconciler.daemon.timetable import TickResult
from reconciler.engine.backfill import take_part
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest, CycleResult
from reconciler.store.opening.lock import DAEMON_COMMAND, DatabaseLock
from reconciler.telemetry.log import bind_cycle, new_cycle_id

log = logging.getLogger(__name__)


@click.command()
@click.pass_obj
def run(options: Globals) -> int:
    """Run cycle after cycle until SIGTERM; the action in hand is finished first.

    One that comes while the program still loads ends it before the first cycle.

    SIGHUP reads the config anew: a wrong one is told in the log, and the one before stays in force. A secret that
    changes in its file is taken up by the next cycle, without any signal.

    \b
    Examples:
      reconciler run
      reconciler --config /etc/reconciler/reconciler.toml --log-format json run
      kill -HUP PID             # under systemd: systemctl reload
    """
    start(options)
    config = read_config(options)
    stop = threading.Event()
    path = config.state.path
    with (
        DatabaseLock(path, command=DAEMON_COMMAND) as lock,
        open_store(path, lock) as store,
        Telling(store, serves=True) as telling,
    ):
        live = LiveContext(
            config,
            store,
            telling=telling,
            read=lambda: read_config(options),
            stop=stop,
            progress=lambda *_: daemon.beat(),
        )
        daemon = Daemon(
            lambda cycle_id: tick(live.current(), telling, cycle_id),
            timetable=live.timetable(),
            stop=stop,
            reload=live.reload,
            early=EARLY,
        )
        return daemon.run()


def tick(context: Context, telling: Telling, cycle_id: str) -> TickResult:
    """Run one cycle of the daemon and return its result; a failed store ends the daemon."""
    try:
        report = run_cycle(context, CycleRequest(lists_skips=False), cycle_id=cycle_id)
    except StoreError as error:
        telling.cycle_failed()
        if isinstance(error, StoreBusy):
            raise  # the next cycle tries again
        return TickResult(ok=False, summary=str(error), fatal=error)
    telling.cycle_ended(report, context)
    if report.error is None or isinstance(report.error, Refused):
        _take_part(context, telling)
    return TickResult(
        ok=report.exit_code == 0 or report.result is CycleResult.STOPPED,
        summary=summary(report) if report.error is None else str(report.error),
        counts=news_counts(report),
    )


def _take_part(context: Context, telling: Telling) -> None:
    """Run the next part of a backfill that was handed over, if any, and store its result for the command."""
    cycle_id = new_cycle_id()
    with bind_cycle(cycle_id):
        try:
            part = take_part(context, cycle_id)
        except StoreError as error:  # the next cycle finds out whether the database can be used
            log.error("a batch of a backfill failed", extra={"because": str(error)})  # noqa: TRY400 - no fault of ours
            return
        if part is not None:
            telling.cycle_ended(part, context)
            log.info("a batch of a backfill ended", extra={"summary": summary(part), "left": part.left})


def news_counts(report: CycleReport) -> Mapping[str, int]:
    """Return the counts that make a cycle news when they differ from the last cycle's."""
    done = len(report.outcomes) - report.failed
    return {"planned": len(report.plan.actions), "done": done, "failed": report.failed, "held": report.held}
