"""The command ``simulate``: what a config would have made of the Cases of the last days, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import click

from reconciler import __version__
from reconciler.cli.build import Wire, coralogix_service, engine_settings, mapped_fields
from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import read_config, start
from reconciler.cli.terminal import ProgressBar, field_names, print_first_rows, print_json, print_lines, say
from reconciler.cli.times import WHEN, utc_now
from reconciler.config.model import Config
from reconciler.core.words import counted
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.simulate.history import PastWindow, read_window
from reconciler.simulate.play import Playback, SimulatedAction, SimulationResult
from reconciler.simulate.report import ASSUMED, counts, document, loads
from reconciler.simulate.script import script_of
from reconciler.simulate.simulation import Production, Simulation

COLUMNS = ("time", "action", "case", "record", "route", "where", "step", "what")


@click.command()
@click.option(
    "--since", type=WHEN, default="7d", show_default=True, help="Where the window begins: 12h, 7d, or an ISO 8601 time."
)
@json_option
@click.pass_obj
def simulate(options: Globals, since: datetime, as_json: bool) -> None:
    """Show what this config would have made of the Cases of a window, and when.

    The Cases that changed in it are read from Coralogix with their events, and played through the config on the sandbox
    in memory, cycle by cycle: records and their steps, requests an hour, the brakes that would have acted. Nothing is
    written to either service, and no database is needed.

    \b
    Examples:
      reconciler simulate                       # the last seven days
      reconciler simulate --since 24h
      reconciler --config new.toml simulate --json | jq .counts
    """
    start(options, quiet=True)
    config = read_config(options)
    progress = ProgressBar()
    window = _read(config, since, progress)
    played = _play(config, window, progress)
    progress.clear()
    print_json(document(window, played)) if as_json else _print(window, played)


def _read(config: Config, since: datetime, progress: ProgressBar) -> PastWindow:
    service = coralogix_service(config.coralogix, Wire(reads_only=True))
    return read_window(
        CoralogixClient(service),
        CoralogixEventClient(service),
        since=since,
        until=utc_now(),
        workers=config.coralogix.workers,
        progress=progress,
    )


def _play(config: Config, window: PastWindow, progress: ProgressBar) -> SimulationResult:
    production = Production(
        policies=config.policies,
        policy_hash=config.policy_hash,
        connectors=tuple(config.servicenow),
        fields=mapped_fields(config.policies),
        settings=engine_settings(config),
        reads_events=config.audit.case_events,
        program_version=__version__,
    )
    simulation = Simulation(production, window.since)
    try:
        return Playback(
            simulation=simulation,
            script=script_of(window.histories, window.since),
            until=window.until,
            poll=config.schedule.poll,
            drift_check=config.schedule.drift_check,
            progress=progress,
        ).run()
    finally:
        simulation.close()


# -- what people read ------------------------------------------------------------------------------------------------


def _print(window: PastWindow, played: SimulationResult) -> None:
    """Show a simulation to a person: what was made when, its first rows, then the numbers."""
    if played.made:
        print_first_rows(COLUMNS, [_row(one) for one in played.made])
    else:
        print_lines("nothing would have been done")
    print_lines("", *_summary(window, played))
    say("", *_warnings(window), "This is as if", *(f"  {words}" for words in ASSUMED), "Nothing was written.")


def _row(one: SimulatedAction) -> tuple[str, ...]:
    action = one.outcome.action
    incident = one.outcome.incident
    number = action.number or (incident.number if incident else "")
    return (
        _time(one.at),
        action.kind.value,
        action.case_key or action.case_id,
        number,
        one.route,
        f"{action.connector}/{action.table}",
        f"{action.from_stage.word if action.from_stage else '-'} → {action.to_stage.word}",
        one.outcome.detail or field_names(list(action.fields)),
    )


def _summary(window: PastWindow, played: SimulationResult) -> Iterator[str]:
    events = sum(len(history.events) for history in window.histories)
    read = f"{counted(len(window.histories), 'Case')} with {counted(events, 'event')}"
    yield f"{_time(window.since)} to {_time(window.until)} UTC: {read}, {counted(played.cycles, 'cycle')}"
    made = ", ".join(f"{count} {kind.value}" for kind, count in sorted(counts(played).items()))
    yield f"would have been done: {made or 'nothing'}"
    left = Counter(skip.reason.value for skip in played.skips)
    if left:
        yield "left alone at the end: " + ", ".join(f"{count} {reason}" for reason, count in sorted(left.items()))
    for side, load in loads(window, played).items():
        yield f"requests to {side}: {load.mean:.0f} an hour, at most {load.most} (from {_time(load.most_at)})"
    yield from (f"brake at {_time(one.at)}, {one.planned} planned: {one.words}" for one in played.braked)
    if not played.braked:
        yield "no brake would have acted"


def _warnings(window: PastWindow) -> Iterator[str]:
    if window.malformed:
        yield f"{window.malformed} Cases or events could not be understood and are left out"
    if window.is_truncated:
        yield "Coralogix hides Cases from this key (pbacTruncated), so a cycle would be refused: look at its rights"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
