"""The pages of documentation as tests read them: fenced blocks, sections, tables, and the command lines they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
CONFIG_PAGE = ROOT / "reconciler" / "config" / "README.md"
COMMANDS_PAGE = ROOT / "reconciler" / "cli" / "README.md"
SANDBOX_PAGE = ROOT / "reconciler" / "sandbox" / "README.md"
OPERATIONS_PAGE = ROOT / "systemd" / "README.md"
DATABASE_PAGE = ROOT / "state" / "README.md"
PAGES = (
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(page for room in ("reconciler", "state", "systemd", "tests") for page in (ROOT / room).rglob("*.md")),
)
"""every page there is"""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_OF_THE_PROGRAM = re.compile(r"(?!\w+=)(?:\S*/)?reconciler(?:-by-hand)?")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Be one fenced block."""

    info: str
    body: str


def blocks(text: str, language: str) -> list[Block]:
    """List the fenced blocks of one language."""
    found = [Block(info=match["info"], body=match["body"]) for match in _FENCE.finditer(text)]
    return [block for block in found if block.info.split(" ")[0] == language]


def without_blocks(text: str) -> str:
    """Leave the fenced blocks out."""
    return _FENCE.sub("", text)


def section(text: str, title: str) -> str:
    """Give what stands below a heading, up to the next heading of its level or a higher one."""
    prose = _FENCE.sub(lambda block: re.sub("^#", "=", block[0], flags=re.MULTILINE), text)
    headings = list(_HEADING.finditer(prose))
    at = next(place for place, heading in enumerate(headings) if heading[2] == title)
    after = (later for later in headings[at + 1 :] if len(later[1]) <= len(headings[at][1]))
    end = next(after, None)
    return text[headings[at].end() : end.start() if end else len(text)]


def headings(text: str) -> list[str]:
    """List the titles of a page."""
    return [match[2] for match in _HEADING.finditer(without_blocks(text))]


def anchor(title: str) -> str:
    """Give the anchor by which a heading is linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def rows(text: str) -> list[tuple[str, ...]]:
    """List the rows of the tables of a text, without their headers."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)) for line in lines]
    rules = {place for place, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for place, row in enumerate(cells) if place not in rules and place + 1 not in rules]


def code(cell: str) -> list[str]:
    """List what stands between backticks in one cell."""
    return [part.replace("\\|", "|") for part in re.findall(r"`([^`]+)`", cell)]


def typed_lines(text: str) -> Iterator[str]:
    """Give every line of a shell block, or after the prompt of a console block; continued lines are joined."""
    for block in blocks(text, "sh"):
        yield from block.body.replace("\\\n", " ").splitlines()
    for block in blocks(text, "console"):
        yield from (line[2:] for line in block.body.splitlines() if line.startswith("$ "))


def complete_commands(text: str) -> list[str]:
    """List the command lines of the program that a reader may type as they stand, from its first option on."""
    return [found for line in typed_lines(text) for part in re.split(r"&&|;|\|", line) if (found := _arguments(part))]


def mentioned_commands(text: str) -> list[str]:
    """List the command lines of the program that stand between backticks in running text."""
    return [found for part in code(without_blocks(text)) if (found := _arguments(part))]


def _arguments(line: str) -> str:
    """Give what follows the program's name; empty for another program."""
    first, _, rest = line.strip().partition(" ")
    return re.sub(r"^@\w+ ", "", rest.strip()) if _OF_THE_PROGRAM.fullmatch(first) else ""
