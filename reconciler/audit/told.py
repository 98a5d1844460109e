"""The story of a Case on its way to a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CaseStory:
    """The story of a Case as ``explain`` tells it, and its addresses in the consoles where they are known."""

    text: str
    addresses: Mapping[str, str]
    """words -> address"""


Tell = Callable[[str], CaseStory | None]
"""Gives the story of the Case with an id; None where it is not known. Called in a thread of its own."""
