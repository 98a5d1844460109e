"""The command ``demo``: the story of the sandbox, told with the real clients over real HTTP.

Everything is as in ``once``, except that the clock is the sandbox's own, moved by the story so that nobody waits, and
that the database is deleted afterwards. The claims at the end are checked against the two services.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from reconciler.cli.build import build_context
from reconciler.cli.commands.demo.screen import Screen, SilentScreen, TerminalScreen
from reconciler.cli.commands.demo.view import LinkRow, cycle_document, link_rows
from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import open_store, start
from reconciler.cli.terminal import print_json
from reconciler.config.load import parse_config
from reconciler.core.frozen import dataclass
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.remotes.http.pacing import ClientClock
from reconciler.sandbox.both import Sandbox, serve
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.demo.claims import Claim, CycleSeen, check
from reconciler.sandbox.demo.story import STORY, Act, Chapter
from reconciler.sandbox.ready_config import BASIC, ready_config, secrets_of
from reconciler.telemetry.log import new_cycle_id

BEGINS_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLL_SECONDS = 30
SECONDS_BETWEEN_ACTS = 5


@dataclass(frozen=True, kw_only=True)
class PlayedChapter:
    """One chapter that was played: its cycle, and the links after it."""

    chapter: Chapter
    acts: tuple[str, ...]
    report: CycleReport
    links: tuple[LinkRow, ...]


@dataclass
class Demo:
    """Play the story on one sandbox with one context. Use once."""

    sandbox: Sandbox
    context: Context
    screen: Screen
    told: list[PlayedChapter] = field(default_factory=list)

    def tell(self, story: Sequence[Chapter]) -> None:
        """Play every chapter, each followed by a cycle."""
        self.screen.opening()
        for number, chapter in enumerate(story, start=1):
            self.screen.chapter(number, chapter)
            acts = tuple(self._act(act) for act in chapter.acts)
            self.sandbox.clock.advance(seconds=POLL_SECONDS)
            report = run_cycle(self.context, CycleRequest(), cycle_id=new_cycle_id())
            links = link_rows(self.sandbox, self.context.store)
            self.told.append(PlayedChapter(chapter=chapter, acts=acts, report=report, links=links))
            self.screen.cycle(number, report, links)

    def _act(self, act: Act) -> str:
        self.sandbox.clock.advance(seconds=SECONDS_BETWEEN_ACTS)
        words = act(self.sandbox)
        self.screen.act(words)
        return words

    def check(self) -> tuple[Claim, ...]:
        """Check what the story claims."""
        cycles = [
            CycleSeen(planned=len(one.report.plan.actions), went_well=one.report.exit_code == 0) for one in self.told
        ]
        claims = check(self.sandbox, [one.chapter for one in self.told], cycles)
        self.screen.claims(claims)
        return claims


def change_nothing(_sandbox: Sandbox) -> None:
    """Leave a sandbox as it is; the default of ``before_check``."""


def perform(
    screen: Screen, *, before_check: Callable[[Sandbox], object] = change_nothing
) -> tuple[Demo, tuple[Claim, ...]]:
    """Play the story from start to end and check it; ``before_check`` may still act on the services."""
    with _stage(screen) as played:
        played.tell(STORY)
        before_check(played.sandbox)
        return played, played.check()


@contextmanager
def _stage(screen: Screen) -> Iterator[Demo]:
    """Build everything as the other commands do, in a folder that is gone afterwards."""
    sandbox = Sandbox(SandboxClock(BEGINS_AT))
    with TemporaryDirectory(prefix="reconciler-demo-") as folder, serve(sandbox, sandbox.case_face()) as served:
        text = ready_config(served, sandbox.credentials, auth=BASIC, database="demo.db")
        known = {secret.variable: secret.value for secret in secrets_of(sandbox.credentials).values()}
        config = parse_config(text, environ=known, folder=Path(folder))
        with open_store(config.state.path) as store:
            context = build_context(config, store, time=_client_clock(sandbox.clock))
            # One write at a time, so that the record numbers are the same in every run.
            context = replace(
                context, clock=sandbox.clock.now, settings=replace(context.settings, workers=1, workers_of={})
            )
            yield Demo(sandbox=sandbox, context=context, screen=screen)


def _client_clock(clock: SandboxClock) -> ClientClock:
    """Give the clients the sandbox's clock, which a wait moves, so that none takes real time."""
    return ClientClock(
        now=clock.now,
        monotonic=lambda: clock.now().timestamp(),
        sleep=lambda seconds: clock.advance(seconds=seconds),
    )


@click.command()
@json_option
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1, max=1000),
    default=1.0,
    show_default=True,
    help="How fast it is told on a terminal; elsewhere there are no pauses.",
)
@click.pass_obj
def demo(options: Globals, as_json: bool, speed: float) -> int:
    """Show the main job on the sandbox, start to end, with nothing to configure.

    Ends with 0 only if all that it claims holds in the two services.

    \b
    Examples:
      reconciler demo
      reconciler demo --speed 3
    """
    # In the story a service answers 429; the warnings about it would only distract.
    start(options if options.log_level else replace(options, log_level="ERROR"))
    played, claims = perform(_screen(as_json, speed))
    if as_json:
        print_json(document(played, claims))
    return 0 if all(claim.holds for claim in claims) else 1


def _screen(as_json: bool, speed: float) -> Screen:
    if as_json:
        return SilentScreen()
    return TerminalScreen(speed=speed) if sys.stdout.isatty() else Screen()


def document(played: Demo, claims: Sequence[Claim]) -> dict[str, object]:
    """Write the story and its claims as the document of ``demo --json``."""
    chapters = [
        {
            "headline": one.chapter.headline,
            "why": one.chapter.why,
            "acts": list(one.acts),
            **cycle_document(one.report, one.links),
        }
        for one in played.told
    ]
    listed = [{"claim": claim.words, "holds": claim.holds, "found": claim.found} for claim in claims]
    return {
        "version": DOCUMENT_VERSION,
        "chapters": chapters,
        "claims": listed,
        "holds": all(claim.holds for claim in claims),
    }
