"""Run one cycle for a command: from the config to the report and the exit code."""

from __future__ import annotations

import threading

from reconciler.cli.build import build_context, keep_config
from reconciler.cli.options import Globals
from reconciler.cli.people import note_cycles
from reconciler.cli.showing.cycle_report import print_report
from reconciler.cli.start import open_store, read_config, start
from reconciler.cli.telling.telling import Telling
from reconciler.cli.terminal import ProgressBar, print_json, say
from reconciler.config.model import Config
from reconciler.core.errors import Refused
from reconciler.core.planning.plan import over_limits
from reconciler.daemon.signals import stop_on_signal
from reconciler.engine import brakes
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest, CycleResult
from reconciler.store.opening.lock import DatabaseLock
from reconciler.store.store import Store
from reconciler.telemetry.log import bind_cycle, new_cycle_id


def carry_out(options: Globals, request: CycleRequest, command: str, *, as_json: bool, is_brief: bool) -> int:
    """Run one cycle that acts, show its report, and return the exit code; ``command`` is what the lock names.

    SIGTERM and Ctrl-C let the action in hand finish; a second one ends the process at once.
    """
    start(options, quiet=True)
    config = read_config(options)
    if config.observes and request.expected is not None:
        raise Refused('nothing is carried out while the config says mode = "observe"; set mode = "act" and apply again')
    progress, stop = ProgressBar(), threading.Event()
    path = config.state.path
    with DatabaseLock(path, command=f"reconciler {command}") as lock, open_store(path, lock) as store:
        cycle_id = new_cycle_id()
        keep_config(config, store)
        if _is_noted(request):
            note_cycles(store, command, limits_on=request.limits_on)
        with bind_cycle(cycle_id), stop_on_signal(stop, say_stopping), Telling(store, serves=False) as telling:
            telling.take_up(config)
            context = build_context(config, store, stop=stop, progress=progress, told=telling.request)
            report = run_cycle(context, request, cycle_id=cycle_id)
            telling.cycle_ended(report, context)
        refusals = refusals_of(config, store, report) if config.observes and request.limits_on else []
    progress.clear()
    print_json(report.document()) if as_json else print_report(report, is_brief=is_brief)
    for words in refusals:
        say(f'reconciler: with mode = "act" this plan would be refused: {words}')
    return end(report)


def refusals_of(config: Config, store: Store, report: CycleReport) -> list[str]:
    """Return why a plan would be refused, if it would."""
    limits = config.policies.limits
    objection = brakes.objection(store, limits, config.policy_hash, report.plan)
    return [*over_limits(report.plan, limits), *filter(None, [objection])]


def _is_noted(request: CycleRequest) -> bool:
    """Return whether the command is recorded for the audit: a backfill, a saved plan, or without limits."""
    is_backfill = request.since is not None or request.include_resolved
    return is_backfill or request.expected is not None or not request.limits_on


def end(report: CycleReport) -> int:
    """Say what went wrong in a cycle, if anything did, and return its exit code."""
    if report.error:
        say(f"reconciler: {report.error}")
    elif report.result is CycleResult.STOPPED:
        left = len(report.plan.actions) - len(report.outcomes)
        say(f"reconciler: stopped as asked; {left} of {len(report.plan.actions)} actions wait for the next cycle")
    return report.exit_code


def say_stopping() -> None:
    """Confirm the first SIGTERM or Ctrl-C to a person."""
    say("reconciler: stopping after the action in hand; once more ends it at once")
