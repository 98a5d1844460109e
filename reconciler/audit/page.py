"""The account of a window as an HTML page for an auditor: one file, everything escaped, ready to print.

The page loads nothing from the network and runs no script. The words for each kind of exception are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from reconciler.audit.coverage import Coverage, ExceptionKind
from reconciler.core.frozen import dataclass

TEMPLATE = Path(__file__).with_name("coverage.html")

MEANINGS: Mapping[ExceptionKind, str] = {
    ExceptionKind.NEVER_SEEN: "the database does not know the Case",
    ExceptionKind.NO_RECORD: "the Case should have a record and has none",
    ExceptionKind.NOT_LINKED: "a record bears the Case's key and our mark without a link",
    ExceptionKind.RECORD_MISSING: "the linked record does not show",
    ExceptionKind.OUT_OF_STEP: "the two sides do not stand together",
    ExceptionKind.HELD: "the link waits for a person",
    ExceptionKind.DUPLICATE: "a second record bears the Case's key and our mark",
    ExceptionKind.NO_CASE: "a record bears our mark, and its Case does not show",
    ExceptionKind.NOT_UNDERSTOOD: "a row could not be understood",
}


@dataclass(frozen=True, kw_only=True)
class CoverageHeader:
    """The head of the page: what was asked, when, by whom, and of which services."""

    since: datetime
    until: datetime
    at: datetime
    by: str
    """the operating system's user and the host"""
    arguments: str
    """the command line"""
    of: Sequence[tuple[str, str]]
    """side -> address, and as whom it was asked"""
    database: str
    config_hash: str
    chain_seq: int
    chain_head: str
    versions: Mapping[str, str]


def coverage_page(coverage: Coverage, asked: CoverageHeader) -> str:
    """Write the page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["time"] = _time
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        coverage=coverage, asked=asked, meanings=MEANINGS
    )


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
