"""The command ``explain``: the whole story of one link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.refs import REF, find_case
from reconciler.cli.start import glance, read_store, start
from reconciler.cli.terminal import print_json, print_lines, table
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject, Stage
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.values import Story


@click.command()
@click.argument("ref", type=REF)
@json_option
@click.pass_obj
def explain(options: Globals, ref: str, as_json: bool) -> None:
    """Tell the whole story of one link.

    REF is a Case id, CASE-123, INC0010001, CONNECTOR/INC0010001, a sys_id, or six signs or more from the beginning of
    an id.

    \b
    Examples:
      reconciler explain CASE-123
      reconciler explain main/INC0010001 --json
    """
    start(options, quiet=True)
    with read_store(glance(options).database) as store:
        story = store.reports.story(find_case(store, ref))
    if story is None:
        raise ConfigError([f"{ref}: its Case is not remembered"])
    print_json(story_document(story)) if as_json else print_lines(*story_lines(story))


def story_document(story: Story) -> JsonObject:
    """Write a story as the document of ``explain --json``."""
    pair, link = story.pair, story.pair.link
    return {
        "version": DOCUMENT_VERSION,
        "case": {"id": pair.case.id, "key": pair.case.key, "title": pair.case.title, "status": pair.case.status},
        "incident": _incident(story),
        "link": {
            "route": link.route or None,
            "inbound": link.inbound or None,
            "outbound": link.outbound or None,
            "connector": link.connector or None,
            "table": link.table or None,
            "case_peak": _word(link.case_peak),
            "incident_peak": _word(link.incident_peak),
            "agreed": _word(link.agreed),
            "generation": link.generation,
            "ignored": bool(link.ignored_fingerprint),
        },
        "skip": _skip(story),
        "waits_for_next_cycle": story.needs_plan,
        "notifications": [dict(row) for row in story.notifications],
        "actions": [dict(row) for row in story.actions],
        "requests": [dict(row) for row in story.requests],
    }


def _incident(story: Story) -> JsonObject | None:
    incident = story.pair.incident
    if incident is None:
        return None
    return {
        "sys_id": incident.sys_id,
        "number": incident.number,
        "state": incident.state,
        "assigned_to": incident.assigned_to or None,
        "updated_at": incident.updated_at.isoformat(),
        "updated_by": incident.updated_by,
    }


def _skip(story: Story) -> JsonObject | None:
    if story.skip is None:
        return None
    hold = story.pair.link.hold
    return {
        "reason": story.skip.reason.value,
        "detail": story.skip.detail,
        "since": story.skip_since.isoformat() if story.skip_since else None,
        "next_retry_at": hold.next_retry_at.isoformat() if hold else None,
    }


def _word(stage: Stage | None) -> str | None:
    return stage.word if stage else None


def story_lines(story: Story) -> list[str]:
    """Tell a story to a person, events and actions in the order in which they came."""
    pair, link = story.pair, story.pair.link
    lines = [f"{pair.case.key or pair.case.id}  {pair.case.title}"]
    lines.append(f"  Case      {pair.case.status}, {pair.case.priority}, id {pair.case.id}")
    if pair.incident:
        lines.append(
            f"  record    {pair.incident.number} in {link.connector}/{link.table}, state {pair.incident.state}"
        )
    lines.append(f"  link      route {link.route or '-'}, agreed {_word(link.agreed) or '-'}")
    if story.skip:
        lines.append(f"  skipped   {story.skip.reason.value}: {story.skip.detail or ''}")
    events = [
        (row["observed_at"], row["source"], row["event"], _move(row), row["actor"]) for row in story.notifications
    ]
    actions = [
        (row["started_at"], "reconciler", row["kind"], f"{row['from_stage'] or '-'} → {row['to_stage']}", _end(row))
        for row in story.actions
    ]
    return [*lines, "", *table(("when", "who", "what", "change", "by / result"), _in_order([*events, *actions]))]


def _in_order(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(rows, key=lambda row: str(row[0]))


def _move(row: Mapping[str, object]) -> str:
    return f"{row['from_value'] or '-'} → {row['to_value'] or '-'}"


def _end(row: Mapping[str, object]) -> str:
    return f"{row['result'] or 'not finished'}{': ' + str(row['detail']) if row['detail'] else ''}"
