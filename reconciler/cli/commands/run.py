"""The command ``run``: the daemon."""

from __future__ import annotations

import threading

import click

from reconciler.cli.build import build_context, open_store, read_config, start
from reconciler.cli.cycles import new_cycle_id
from reconciler.cli.options import Globals
from reconciler.cli.output import summary
from reconciler.core.errors import CycleFailed, StoreBusy, StoreError
from reconciler.daemon.schedule import Daemon, TickResult, Timetable
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.store.lock import DatabaseLock
from reconciler.telemetry.log import bind_cycle


@click.command()
@click.pass_obj
def run(options: Globals) -> int:
    """Run cycle after cycle until SIGTERM; the action in hand is finished first."""
    start(options)
    config = read_config(options)
    stop = threading.Event()
    with DatabaseLock(config.state.path, command="reconciler run"), open_store(config.state.path) as store:
        timetable = Timetable(poll_seconds=config.schedule.poll.total_seconds())
        daemon = Daemon(lambda: tick(context), timetable=timetable, stop=stop)
        context = build_context(config, store, stop=stop, progress=lambda *_: daemon.beat())
        return daemon.run()


def tick(context: Context) -> TickResult:
    """Run one cycle of the daemon and say how it went; a store that fails is the end."""
    cycle_id = new_cycle_id()
    with bind_cycle(cycle_id):
        try:
            report = run_cycle(context, CycleRequest(lists_skips=False), cycle_id=cycle_id)
        except StoreBusy:
            raise  # the next cycle tries again
        except StoreError as error:
            return TickResult(ok=False, summary=str(error), fatal=error)
    words = summary(report) if report.error is None else str(report.error)
    cut_short = context.should_stop() and isinstance(report.error, CycleFailed)
    return TickResult(ok=report.exit_code == 0 or cut_short, summary=words)
