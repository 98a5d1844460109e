"""The descriptions for auditors: each view with its columns, and common questions with their queries.

All come from one file, ``catalogue.toml``, used by ``state/README.md``, ``audit export`` and ``audit serve``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib.resources import files
from typing import Any

from reconciler.core.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class View:
    """One view, in words."""

    name: str
    title: str
    words: str
    time: str
    """SQL of the time by which rows are picked"""
    columns: Mapping[str, str]
    """what each column means, in their order"""
    facets: tuple[str, ...] = ()
    """columns with few values, by which rows are counted"""
    units: Mapping[str, str] = field(default_factory=dict)
    """column -> ``s`` or ``ms``"""


@dataclass(frozen=True, kw_only=True)
class AuditQuestion:
    """A question of an auditor, and the query that answers it."""

    name: str
    title: str
    sql: str
    parameters: tuple[str, ...] = ()
    right_answer: str = ""
    """what the answer should be, where it has one"""


@cache
def views() -> Mapping[str, View]:
    """Return the views by name, in the order in which they are documented."""
    return {
        name: View(name=name, **row | {"facets": tuple(row.get("facets", ()))})
        for name, row in _catalogue()["views"].items()
    }


@cache
def questions() -> tuple[AuditQuestion, ...]:
    """Return the questions in the order in which they are documented."""
    return tuple(
        AuditQuestion(**row | {"sql": row["sql"].strip(), "parameters": tuple(row.get("parameters", ()))})
        for row in _catalogue()["questions"]
    )


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(files("reconciler.audit").joinpath("catalogue.toml").read_text(encoding="utf-8"))
