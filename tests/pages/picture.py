"""The picture of the demo: the command's own story, played whole, of which some chapters are shown.

Rich draws it; colours and frame are Rich's. Everything in it is what the demo said.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.terminal_theme import MONOKAI
from rich.text import Text

from reconciler.cli.commands.demo.command import perform
from reconciler.cli.commands.demo.screen import WIDTH, Screen
from reconciler.sandbox.demo.claims import Claim
from reconciler.sandbox.demo.story import Chapter

PICTURE = Path(__file__).with_name("demo.svg")
SHOWN = frozenset({1, 2, 4})
"""the chapters in the picture, and what is claimed at the end; the others are played and left out"""
TITLE = "reconciler demo"
_FOREIGN_FONT = re.compile(r"^ *@font-face \{.*?\}\n", re.MULTILINE | re.DOTALL)
"""Rich names a font on somebody else's server; the reader's own will do"""


class DrawnScreen(Screen):
    """Record what the demo shows, but for the chapters that the picture leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self._is_shown = True

    def make_console(self) -> Console:
        """Make a console that keeps what it is given and shows nothing."""
        return Console(
            file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False
        )

    def show(self, thing: RenderableType, *, indent: int = 0) -> None:
        """Keep one thing."""
        if self._is_shown:
            self.console.print(Padding(thing, (0, 0, 0, indent), expand=False) if thing else thing)

    def chapter(self, number: int, chapter: Chapter) -> None:
        """Begin a chapter; say where some are left out."""
        was_shown, self._is_shown = self._is_shown, True
        if was_shown and number not in SHOWN:
            self.show("")
            self.show(Text("…"))
        self._is_shown = number in SHOWN
        super().chapter(number, chapter)

    def claims(self, claims: Sequence[Claim]) -> None:
        """Show how the story's claims came out, always."""
        self._is_shown = True
        super().claims(claims)


def demo_picture() -> str:
    """Play the demo whole, and draw what of it is shown."""
    screen = DrawnScreen()
    _, claims = perform(screen)
    assert all(claim.holds for claim in claims)
    drawn = screen.console.export_svg(title=TITLE, theme=MONOKAI, unique_id="demo")
    return _FOREIGN_FONT.sub("", drawn).rstrip() + "\n"


def words(svg: str) -> str:
    """Give what stands in a picture, without the spaces, which Rich's versions lay out in their own ways."""
    texts = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own file
    return re.sub(r"\s", "", "".join(text.text or "" for text in texts))
