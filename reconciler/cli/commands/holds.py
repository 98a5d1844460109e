"""The command ``holds``: show what waits for a person, and leave requests about it.

Rules of this file: it works beside a running daemon, so it takes no lock and changes no link itself; it stores
a request, and the next cycle applies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import note_command, os_user
from reconciler.cli.refs import HELD_REF, find_case
from reconciler.cli.showing.what_to_do import WHAT_TO_DO
from reconciler.cli.start import glance, open_store, read_store, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.cli.times import utc_now
from reconciler.core.errors import ConfigError
from reconciler.core.identity import fingerprint
from reconciler.core.model import HOLD_REASONS, JsonObject, SkipReason
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.core.words import counted
from reconciler.store.database.access import is_there
from reconciler.store.store import Store
from reconciler.store.values import HoldRequest, HoldRequestKind, Row, Story

RECREATED = frozenset({SkipReason.INCIDENT_MISSING, SkipReason.CASE_MOVED_BACK})
"""The reasons for which a new record can be made."""
_WAITS_FOR: Mapping[HoldRequestKind, str] = {
    HoldRequestKind.RETRY: "a person",
    HoldRequestKind.IGNORE: "a person",
    HoldRequestKind.RECREATE: "a new record (`incident_missing` or `case_moved_back`)",
}

refs_argument = click.argument("refs", nargs=-1, required=True, type=HELD_REF, metavar="REF...")


@click.group()
def holds() -> None:
    """Show what waits for a person, and say what becomes of it.

    A REF is a Case id, CASE-123, INC0010001, CONNECTOR/INC0010001, a sys_id, or six signs or more from the beginning
    of an id. A daemon may run meanwhile: what is said here is done at the start of the next cycle.

    \b
    Examples:
      reconciler holds list
      reconciler holds retry CASE-123 CASE-124
      reconciler holds ignore INC0010001
    """


@holds.command("list")
@json_option
@click.pass_obj
def show(options: Globals, as_json: bool) -> None:
    """List every link that waits for a person, the longest wait first.

    \b
    Examples:
      reconciler holds list
      reconciler holds list --json
    """
    start(options, quiet=True)
    with read_store(glance(options).database) as store:
        document = holds_document(store)
    print_json(document) if as_json else print_holds(document)


def holds_document(store: Store) -> JsonObject:
    """Write the holds as the document of ``holds list --json``."""
    asked = {request.case_id: request.kind.value for request in store.hold_requests.waiting()}
    rows = [
        {**row, "what_to_do": WHAT_TO_DO[SkipReason(str(row["reason"]))], "asked": asked.get(str(row["case_id"]))}
        for row in store.reports.holds()
    ]
    return {"version": DOCUMENT_VERSION, "holds": rows}


def print_holds(document: JsonObject) -> None:
    """Show the holds to a person, each in a few lines."""
    for row in document["holds"]:
        print_lines(f"{_name(row)}  {row['reason']}")
        print_lines(f"  since     {row['since']}{_next_try(row)}")
        if row["detail"]:
            print_lines(f"  words     {row['detail']}")
        print_lines(f"  to do     {row['what_to_do']}")
        if row["asked"]:
            print_lines(f"  asked     {row['asked']}: the next cycle does it")
        print_lines("")
    count = len(document["holds"])
    print_lines(f"{count} waiting for a person" if count else "nothing waits for a person")


def _name(row: Row) -> str:
    return f"{row['case_key'] or row['case_id']}  {row['number'] or 'no record'}"


def _next_try(row: Row) -> str:
    return f", tried again {row['next_retry_at']}" if row["next_retry_at"] else ""


@holds.command()
@click.argument("refs", nargs=-1, type=HELD_REF, metavar="REF...")
@click.option("--all", "is_all", is_flag=True, help="Everything that waits for a person.")
@click.option(
    "--reason",
    type=click.Choice(sorted(one.value for one in HOLD_REASONS)),
    help="With --all: only what waits for this reason.",
)
@json_option
@click.pass_obj
def retry(options: Globals, refs: tuple[str, ...], is_all: bool, reason: str | None, as_json: bool) -> None:
    """Try again in the next cycle, whatever was rejected, missing or ignored before.

    \b
    Examples:
      reconciler holds retry CASE-123 INC0010007
      reconciler holds retry --all --reason rejected
    """
    if bool(refs) == is_all or (reason and not is_all):
        raise click.UsageError("name what to retry, or say --all, with or without --reason")
    _ask(options, None if is_all else refs, HoldRequestKind.RETRY, as_json=as_json, reason=reason)


@holds.command()
@refs_argument
@json_option
@click.pass_obj
def recreate(options: Globals, refs: tuple[str, ...], as_json: bool) -> None:
    """Make a new record in the next cycle, for a record that was deleted or a Case that fired again.

    The record before is left as it is; the new one names it, and the link goes on with the new one.

    \b
    Examples:
      reconciler holds recreate CASE-123
    """
    _ask(options, refs, HoldRequestKind.RECREATE, as_json=as_json)


@holds.command()
@refs_argument
@json_option
@click.pass_obj
def ignore(options: Globals, refs: tuple[str, ...], as_json: bool) -> None:
    """Take a link off the list, and leave it alone, until either side changes; `retry` takes it back.

    \b
    Examples:
      reconciler holds ignore us/INC0010001
    """
    _ask(options, refs, HoldRequestKind.IGNORE, as_json=as_json)


def _ask(
    options: Globals, refs: Sequence[str] | None, kind: HoldRequestKind, *, as_json: bool, reason: str | None = None
) -> None:
    """Leave a request for each link that is named; without ``refs`` for every hold, or every one of that reason."""
    start(options, quiet=True)
    path = glance(options).database
    if not is_there(path):
        raise ConfigError([f"there is no database at {path}, so nothing waits for a person"])
    with open_store(path) as store:
        if refs is None:
            refs = [str(row["case_id"]) for row in store.reports.holds() if reason in (None, row["reason"])]
        stories = held_stories(store, refs, kind)
        store.hold_requests.ask(_hold_request(story, kind) for story in stories)
        note_command(store, f"holds {kind.value}", counted(len(stories), "link"))
    document = {"version": DOCUMENT_VERSION, "asked": [_asked(story, kind) for story in stories]}
    print_json(document) if as_json else print_asked(document, path)


def held_stories(store: Store, refs: Sequence[str], kind: HoldRequestKind) -> list[Story]:
    """Find the held links that a person names, each once. Raises ConfigError with every problem at once.

    A link that is ignored counts as held for a retry, which ends that.
    """
    found: dict[str, Story] = {}
    problems: list[str] = []
    for ref in refs:
        try:
            story = store.reports.story(find_case(store, ref))
        except ConfigError as error:
            problems += error.problems
            continue
        if story is None or not _is_held(story, kind):
            problems.append(f"{ref!r} does not wait for {_WAITS_FOR[kind]}; `reconciler holds list` shows what does")
        else:
            found[story.pair.case.id] = story
    if problems:
        raise ConfigError(problems)
    return list(found.values())


def _is_held(story: Story, kind: HoldRequestKind) -> bool:
    is_ignored = bool(story.pair.link.ignored_fingerprint) and kind is HoldRequestKind.RETRY
    allowed = RECREATED if kind is HoldRequestKind.RECREATE else HOLD_REASONS
    return is_ignored or (story.skip is not None and story.skip.reason in allowed)


def _hold_request(story: Story, kind: HoldRequestKind) -> HoldRequest:
    looks = fingerprint(story.pair)
    return HoldRequest(case_id=story.pair.case.id, kind=kind, fingerprint=looks, asked_by=os_user(), asked_at=utc_now())


def _asked(story: Story, kind: HoldRequestKind) -> JsonObject:
    return {
        "case_id": story.pair.case.id,
        "case_key": story.pair.case.key,
        "number": story.pair.link.number or None,
        "reason": story.skip.reason.value if story.skip else None,
        "wish": kind.value,
    }


def print_asked(document: JsonObject, path: Path) -> None:
    """Print what was asked, and that the next cycle does it."""
    for row in document["asked"]:
        print_lines(f"{_name(row)}  {row['wish']}: the next cycle on {path} does it")
    if not document["asked"]:
        print_lines("nothing like that waits for a person")
