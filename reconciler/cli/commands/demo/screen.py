"""Show the demo: with colours and pauses on a terminal, plain elsewhere, or not at all.

At most 110 columns. Rich is imported at the top of this file alone, since the demo alone imports it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconciler.cli.commands.demo.view import LinkRow, outcome_words
from reconciler.engine.report import CycleReport
from reconciler.sandbox.demo.claims import Claim
from reconciler.sandbox.demo.story import Chapter

WIDTH = 110
PAUSE_SECONDS = 0.3
READING_SECONDS = 0.65
STAGE_STYLES = {"open": "red", "acknowledged": "yellow", "resolved": "green", "closed": "dim"}
OPENING = "Coralogix and ServiceNow are simulated on this machine; the reconciler speaks to them over real HTTP."
COLUMNS = (
    ("Case", 6),
    ("status", 12),
    ("stage", 12),
    ("Incident", 10),
    ("state", 11),
    ("stage", 12),
    ("agreed", 12),
    ("note", 17),
)
"""Headers and the least widths, so that a table does not jump from cycle to cycle."""


class Screen:
    """Show everything on standard output, plain and without a pause."""

    def __init__(self) -> None:
        self.console = self.make_console()

    def make_console(self) -> Console:
        """Make a console without colours, as wide as the story needs."""
        return Console(file=sys.stdout, width=WIDTH, force_terminal=False, no_color=True, highlight=False)

    def show(self, thing: RenderableType, *, indent: int = 0) -> None:
        """Write one thing, without the spaces that fill its lines up."""
        with self.console.capture() as capture:
            self.console.print(Padding(thing, (0, 0, 0, indent), expand=False))
        lines = [line.rstrip() for line in capture.get().splitlines()]
        click.echo("\n".join(lines), color=self.console.is_terminal)

    def pause(self, seconds: float) -> None:
        """Pause, so that people can read; a pipe needs no pause."""

    def opening(self) -> None:
        """Show what the demo is about."""
        self.show(Text(OPENING))

    def chapter(self, number: int, chapter: Chapter) -> None:
        """Begin a chapter: a headline, and a line that says why."""
        self.show("")
        self.show(Text(f"{number}. {chapter.headline}", style="bold cyan"))
        self.show(Text(chapter.why, style="italic"), indent=2)
        self.pause(PAUSE_SECONDS)

    def act(self, words: str) -> None:
        """Show one thing that was done to the services."""
        self.show(Text(f"* {words}"), indent=2)

    def cycle(self, number: int, report: CycleReport, links: Sequence[LinkRow]) -> None:
        """Show what a cycle did, and the links after it."""
        self.pause(PAUSE_SECONDS)
        self.show(_cycle_table(number, report), indent=2)
        self.show("")
        self.show(_links_table(links, self.console.width), indent=2)
        self.pause(READING_SECONDS)

    def claims(self, claims: Sequence[Claim]) -> None:
        """Show how the story's claims came out."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for claim in claims:
            verdict = Text("ok", style="bold green") if claim.holds else Text("FAILED", style="bold red")
            table.add_row(verdict, Text(claim.words), Text(claim.found, style="dim"))
        self.show("")
        self.show(Text("What this claims, asked of the two services themselves", style="bold cyan"))
        self.show(table, indent=2)
        self.show("")
        self.show(_end_words(claims))


class SilentScreen(Screen):
    """Show nothing."""

    def show(self, thing: RenderableType, *, indent: int = 0) -> None:
        """Show nothing."""


class TerminalScreen(Screen):
    """Show everything on a terminal, in colours, with time to read; ``speed`` 2 halves the pauses."""

    def __init__(self, *, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def make_console(self) -> Console:
        """Make a console as the terminal is, but not wider than the story needs."""
        console = Console(highlight=False)
        console.width = min(console.width, WIDTH)
        return console

    def pause(self, seconds: float) -> None:
        """Pause, so that people can read."""
        time.sleep(seconds / self._speed)


def _cycle_table(number: int, report: CycleReport) -> Table:
    """Say what one cycle did, a line for each action."""
    if report.error is not None:
        lines = [Text(f"failed: {report.error}", style="red")]
    else:
        lines = [Text(outcome_words(outcome), style="green") for outcome in report.outcomes]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, line in enumerate(lines or [Text("nothing to do", style="dim")]):
        table.add_row(Text("" if place else f"cycle {number}", style="bold"), line)
    return table


def _links_table(links: Sequence[LinkRow], width: int) -> Table:
    """Lay the links out; where the terminal is too narrow, without the stages of the two sides."""
    shown = [place for place, (header, _) in enumerate(COLUMNS) if width >= WIDTH or header != "stage"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place in shown:
        header, least = COLUMNS[place]
        table.add_column(header, min_width=least, no_wrap=True)
    for link in links:
        cells = _cells(link)
        table.add_row(*(cells[place] for place in shown))
    return table


def _cells(link: LinkRow) -> Sequence[Text]:
    return (
        Text(link.case),
        Text(link.status),
        _stage(link.case_stage),
        Text(link.incident),
        Text(link.state),
        _stage(link.incident_stage),
        _stage(link.agreed),
        Text(link.note, style="magenta"),
    )


def _stage(word: str) -> Text:
    return Text(word, style=STAGE_STYLES.get(word, ""))


def _end_words(claims: Sequence[Claim]) -> Text:
    broken = sum(not claim.holds for claim in claims)
    if broken:
        return Text(f"{broken} of {len(claims)} claims FAILED.", style="bold red")
    return Text(f"All {len(claims)} claims hold. Try it by hand: `reconciler sandbox serve`.", style="bold green")
