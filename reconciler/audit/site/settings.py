"""Datasette's metadata: titles, column descriptions, units, facets, queries, and hidden tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.audit.catalogue import AuditQuestion, View, questions, views
from reconciler.audit.site.charts import DATABASE, charts

TITLE = "Coralogix and ServiceNow, reconciled"
SETTINGS = {
    "sql_time_limit_ms": 10_000,
    "facet_time_limit_ms": 500,
    "max_returned_rows": 2_000,
    "allow_download": False,
    "suggest_facets": False,
    "template_debug": False,
}
"""Downloads are refused since the file alone is not whole while a daemon writes; ``state backup`` gives a whole one."""
ONLY_WHO_STARTED_IT = {"id": "root"}


def metadata(tables: Iterable[str]) -> dict[str, Any]:
    """Write the metadata; ``tables`` are hidden, since they may change between versions."""
    shown = {name: _of_view(view) for name, view in views().items()}
    hidden: dict[str, dict[str, Any]] = {name: {"hidden": True} for name in tables if name not in shown}
    return {
        "title": TITLE,
        "allow": ONLY_WHO_STARTED_IT,
        "databases": {
            DATABASE: {
                "title": TITLE,
                "tables": hidden | shown,
                "queries": {question.name: _of_question(question) for question in questions()},
            }
        },
        "plugins": {"datasette-dashboards": {"start": {"title": "At a glance", "charts": charts()}}},
    }


def _of_view(view: View) -> dict[str, Any]:
    return {
        "title": view.title,
        "description": _plain(view.words),
        "columns": {name: _plain(words) for name, words in view.columns.items()},
        "units": dict(view.units),
        "facets": list(view.facets),
    }


def _of_question(question: AuditQuestion) -> dict[str, Any]:
    right = f"The right answer is {question.right_answer}." if question.right_answer else ""
    return {"title": question.title, "sql": question.sql.rstrip(";"), "description": right} | (
        {"params": list(question.parameters)} if question.parameters else {}
    )


def _plain(words: str) -> str:
    """Remove backticks: Datasette shows descriptions as plain text."""
    return words.replace("`", "")
