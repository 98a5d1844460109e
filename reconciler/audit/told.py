"""The story of a Case, as the site shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.core.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class CaseStory:
    """The story of a Case as ``explain`` tells it, and its addresses in the consoles where they are known."""

    text: str
    addresses: Mapping[str, str]
    """words -> address"""


Tell = Callable[[str], CaseStory | None]
"""Returns the story of a Case by its id; None where it is not known. Called in a worker thread."""
