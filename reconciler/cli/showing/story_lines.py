"""The story of one link for a person: words in place of numbers, names in place of ids, local time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.cli.terminal import paint, side_by_side, table
from reconciler.cli.times import shown_time, shown_zone
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STATE_WORDS
from reconciler.core.model import JsonObject
from reconciler.core.words import in_words, level

MOST_FIELDS = 6
"""so many fields of one action are shown with their values; of more, the names"""
SIDES = {"coralogix": "Coralogix", "servicenow": "ServiceNow", "person": "holds"}
_ID = re.compile(r"[0-9a-f]{32}\Z")
_STATUS_EVENTS = frozenset({"status", "statusChanged"})

Names = Mapping[str, str]
"""``sys_id`` -> the name by which a row was looked up"""


def story_lines(document: JsonObject, *, names: Names, is_utc: bool, is_plain: bool = False) -> list[str]:
    """Tell a story to a person, events and actions in the order in which they came.

    ``is_plain`` is for what is not shown on this terminal: neither its colours nor its width count.
    """
    steps = sorted([*_events(document, names), *_actions(document, names)], key=lambda step: step.at)
    rows = _rows(steps, is_utc=is_utc)
    return [
        *_head(document, names, is_utc=is_utc, is_plain=is_plain),
        "",
        *_now(document, is_utc=is_utc),
        "",
        f"what happened, in {shown_zone(is_utc=is_utc)}",
        "",
        *table(("when", "#", "where", "who", "what"), rows, is_plain=is_plain),
    ]


@dataclass(frozen=True, kw_only=True)
class StoryLine:
    """One step of the story, by a person, a service or us."""

    at: str
    number: str
    where: str
    who: str
    lines: tuple[str, ...]
    """what was done, then why and with which values"""


def _rows(steps: Iterable[StoryLine], *, is_utc: bool) -> Iterator[tuple[str, ...]]:
    for step in steps:
        what, *more = step.lines
        yield (shown_time(step.at, is_utc=is_utc), step.number, step.where, step.who, what)
        yield from (("", "", "", "", f"  {line}") for line in more)


def _head(document: JsonObject, names: Names, *, is_utc: bool, is_plain: bool) -> Iterator[str]:
    case, record, link = document["case"], document["incident"], document["link"]
    opened = shown_time(case["created_at"], is_utc=is_utc)
    style = "" if is_plain else "bold"
    yield side_by_side(paint(case["key"] or case["id"], style), paint(case["title"], style))
    yield f"  Case      {in_words(case['status'])}, {case['priority']}, opened {opened}, id {case['id']}"
    if case["url"]:
        yield f"            {case['url']}"
    if record:
        state = in_words(record["state_word"] or record["state"])
        assigned = f", assigned to {_named(record['assigned_to'], names)}" if record["assigned_to"] else ""
        yield f"  record    {record['number']} in {link['connector']}/{link['table']}: {state}{assigned}"
    policies = [f"[{kind}.{link[kind]}]" for kind in ("inbound", "outbound") if link[kind]]
    came = f"; both sides came as far as {link['agreed']}" if link["agreed"] else ""
    route = f"route {link['route'] or '-'}"
    yield f"  link      {', '.join([route, *policies])}{came}"


def _now(document: JsonObject, *, is_utc: bool) -> Iterator[str]:
    """Say what comes next, or why nothing is done and what would change that."""
    now, skip = document["now"], document["skip"]
    for action in now["next"]:
        yield f"  next      the next cycle would {_kind(action['kind'])} → {action['to']}"
    for place, words in enumerate(now["because"]):
        yield f"  {'' if place else 'nothing':<9} {'' if place else 'is done now: '}{words}"
    if skip and skip["since"]:
        retry = f", tried again {shown_time(skip['next_retry_at'], is_utc=is_utc)}" if skip["next_retry_at"] else ""
        yield f"  since     {shown_time(skip['since'], is_utc=is_utc)}{retry}"
    for place, words in enumerate(now["until"]):
        yield f"  {'' if place else 'until':<9} {words}"


def _events(document: JsonObject, names: Names) -> Iterator[StoryLine]:
    word = _state_words(document)
    for row in document["notifications"]:
        before, after = (_value(row, side, word, names) for side in ("from_value", "to_value"))
        change = f"{before} → {after}" if before else after
        what = f"{_event(row)}: {change}" if change else _event(row)
        who = row["actor"] or "not told"
        yield StoryLine(at=row["observed_at"], number=str(row["seq"]), where=_side(row), who=who, lines=(what,))


def _side(row: JsonObject) -> str:
    return SIDES.get(str(row["source"]), str(row["source"]))


def _event(row: JsonObject) -> str:
    return str(row["event"]).replace("_", " ")


def _value(row: JsonObject, side: str, word: Mapping[str, str], names: Names) -> str:
    """Show one value of a change in words; of a field that was kept, its name stands before it."""
    name, equals, value = str(row[side] or "").partition("=")
    if row["event"] == "field_kept" and equals:
        return f"{name} {_field(name, value, word, names)}"
    is_state = row["source"] == "servicenow" and row["event"] in {"state", "first_seen"}
    is_status = row["source"] == "coralogix" and row["event"] in _STATUS_EVENTS | {"first_seen"}
    value = str(row[side] or "")
    if is_status:
        return in_words(value)
    return _field("state" if is_state else str(row["event"]), value, word, names)


def _field(name: str, value: str, word: Mapping[str, str], names: Names) -> str:
    """Show the value of one field of a record: a state's word, a level's label, a row's name."""
    if name == "state":
        return in_words(word.get(value, value))
    return _named(level(name, value), names)


def _named(value: str, names: Names) -> str:
    """Show a row's name in place of its id; of one that nobody looked up the id, and that it is one."""
    return names.get(value, f"id {value}") if _ID.match(value) else value


def _state_words(document: JsonObject) -> Mapping[str, str]:
    """Name the states of the record's table; the present one as the config names it."""
    usual = STATE_WORDS if document["link"]["table"] == "incident" else {}
    record = document["incident"]
    own = {record["state"]: record["state_word"]} if record and record["state_word"] else {}
    return {**usual, **own}


def _actions(document: JsonObject, names: Names) -> Iterator[StoryLine]:
    word = _state_words(document)
    for row in document["actions"]:
        where = "Coralogix" if row["kind"] == "advance_case" else "ServiceNow"
        moved = f"{row['from_stage'] or '-'} → {row['to_stage']}"
        detail = f" ({row['detail']})" if row["detail"] else ""
        ended = f"{row['result'] or 'not finished'}{detail}"
        lines = (f"{_kind(row['kind'])} {moved}: {ended}", _because(row), *_fields(row, word, names))
        yield StoryLine(at=row["started_at"], number=f"a{row['seq']}", where=where, who="reconciler", lines=lines)


def _kind(kind: str) -> str:
    return kind.replace("_", " ")


def _fields(row: JsonObject, word: Mapping[str, str], names: Names) -> Iterator[str]:
    values: list[dict[str, Any]] = row["values"]
    if len(values) > MOST_FIELDS:
        yield f"sent {', '.join(one['field'] for one in values)}"
        return
    for one in values:
        old, new = (_field(one["field"], str(one[side] or ""), word, names) for side in ("old_value", "new_value"))
        yield f"{one['field']} {f'{old} → ' if one['old_value'] is not None else ''}{new}"


def _because(row: JsonObject) -> str:
    cause = f"because of #{row['cause']}, " if row["cause"] is not None else ""
    return f"{cause}by {row['rule']}, config {str(row['config_hash'] or '-')[:8]}"
