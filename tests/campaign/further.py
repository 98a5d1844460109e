"""What must hold under the further kinds of trouble: fields that follow, secrets that are kept, patience, neighbours.

Nothing of the program's own deciding is imported. What a service keeps of a value is asked of the sandbox.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote

from reconciler.core.model import Case
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from reconciler.sandbox.coralogix.records import NoSuchCaseError
from reconciler.sandbox.servicenow.tables.schema import INCIDENT
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.sandbox.servicenow.writing.rewriting import kept_value
from tests.campaign.ending import only_forward
from tests.campaign.invariants import Violation
from tests.campaign.stage import Stage
from tests.campaign.trace import Acted, Began, Copied, Ended, Event, Read, Request, side_of

OPEN_STATES = frozenset({"1", "2", "3"})
NOT_OVER = OPEN_STATES | {"6"}
OPEN_STATUSES = frozenset({"ACTIVE", "ACKNOWLEDGED"})
MOST_TOLD = 2
"""requests that may be told to wait before a side is left alone: one for each worker, and one more"""
MOST_HUNG = 2
"""writes without an answer after which an instance gets no more in that cycle"""
BASIC = base64.b64encode(f"{API_USER}:{API_PASSWORD}".encode()).decode()
PLAIN = (API_KEY, API_PASSWORD, BASIC)
SECRETS = frozenset({*PLAIN, *(quote(one, safe="") for one in PLAIN), base64.b64encode(API_KEY.encode()).decode()})


def further_violations(stage: Stage) -> Iterator[Violation]:
    """Name what was broken of all this."""
    yield from impatient(stage.events)
    yield from pressed(stage.events)
    yield from misplaced(stage.events, stage.homes)
    yield from left_behind(stage)
    yield from forgotten(stage)
    if stage.echoes:
        yield from told_secrets(stage)


def impatient(events: Iterable[Event]) -> Iterator[Violation]:
    """Name each request to a side that had asked to be left alone; a process that was killed need not remember it."""
    told: Counter[tuple[int, str]] = Counter()
    databases: dict[int, int] = {}
    for event in events:
        match event:
            case Began():
                databases[event.host] = event.database
            case Read() | Request():
                side = event.told_to_wait or side_of(event)
                told[databases[event.host], side] = told[databases[event.host], side] + 1 if event.told_to_wait else 0
                if told[databases[event.host], side] == MOST_TOLD + 1:
                    yield Violation("asked a side again that had asked to be left alone", f"{side}: {event}")
            case Ended(why="killed"):
                told = _without(told, databases[event.host])
            case Copied(back=True):
                told = _without(told, event.database)
            case _:
                pass


def _without(told: Counter[tuple[int, str]], database: int) -> Counter[tuple[int, str]]:
    return Counter({key: count for key, count in told.items() if key[0] != database})


def pressed(events: Iterable[Event]) -> Iterator[Violation]:
    """Name each write to an instance whose writes had hung twice in the same cycle."""
    hung: Counter[tuple[int, str]] = Counter()
    for event in events:
        match event:
            case Began():
                hung = Counter({key: count for key, count in hung.items() if key[0] != event.host})
            case Request():
                if hung[event.host, event.connector] >= MOST_HUNG and not event.operation.startswith("cases"):
                    yield Violation("wrote to an instance whose writes had hung twice", str(event))
                hung[event.host, event.connector] += event.hung
            case _:
                pass


def misplaced(events: Iterable[Event], homes: Mapping[str, str]) -> Iterator[Violation]:
    """Name each write to a record on another instance than the one to which its Case goes."""
    bears: dict[str, str] = {}
    for event in events:
        if isinstance(event, Acted):  # of a record whose key or mark was taken, or that is hidden, its clone is left
            gone = {*event.takes_from, *event.hides_from}
            homes = {case_id: home for case_id, home in homes.items() if case_id not in gone}
        elif isinstance(event, Read):
            bears |= {one.target: one.case_id for one in event.shown if not one.is_case}
        elif isinstance(event, Request) and event.operation.startswith("records."):
            home = homes.get(event.case_id or bears.get(event.target, ""), event.connector)
            if home != event.connector:
                yield Violation("written to a record of another connector than its Case's", str(event))


def left_behind(stage: Stage) -> Iterator[Violation]:
    """Name each open pair whose record does not bear the title of its Case, though nobody else ever wrote one.

    A daemon that does not know what was written before it, or by another on another database, takes it for a person's.
    Nor can one know what an instance made of a create whose process was killed, once somebody else wrote the record.
    """
    if len(stage.databases) > 1 or any(isinstance(event, Copied) and event.back for event in stage.events):
        return
    killed = _made_by_killed(stage.events) if stage.setting.switches.rewrites else set()
    for case, case_id in stage.case_ids.items():
        if case_id in killed and _is_touched(stage.home_of(case), case_id):
            continue
        try:
            found = stage.coralogix.ledger.case(case_id)
        except NoSuchCaseError:
            continue
        if found.status in OPEN_STATUSES and _is_behind(stage.home_of(case), found):
            yield Violation("the title of a record does not follow its Case", case_id)


def _made_by_killed(events: Iterable[Event]) -> set[str]:
    """Name the Cases whose record was made in a cycle that was killed then."""
    made: dict[int, set[str]] = {}
    killed: set[str] = set()
    for event in events:
        if isinstance(event, Began):
            made[event.host] = set()
        elif isinstance(event, Request) and event.operation == "records.create" and event.effects:
            made[event.host].add(event.case_id)
        elif isinstance(event, Ended) and event.why == "killed":
            killed |= made[event.host]
    return killed


def _is_touched(world: ServiceNowWorld, case_id: str) -> bool:
    """Return whether anybody but a daemon wrote a record of a Case."""
    made = {write.sys_id for write in world.journal if write.correlation_id == case_id}
    return any(not write.via_api for write in world.journal if write.sys_id in made)


def _is_behind(world: ServiceNowWorld, case: Case) -> bool:
    rows = world.incidents_for(case.id)
    if len(rows) != 1 or rows[0]["state"] not in OPEN_STATES:
        return False
    writes = [write for write in world.journal if write.sys_id == rows[0]["sys_id"]]
    others = [write for write in writes if not write.via_api and {"short_description", "sys_id"} & write.changed.keys()]
    if others or not writes[-1].accepted or not only_forward(writes):
        return False
    title = " ".join(case.title.split())
    kept = kept_value(world.tables.named(INCIDENT).schema, "short_description", title, world.switches)
    return kept.removeprefix("[EMEA] ")[:40] not in " ".join(rows[0]["short_description"].split())


def forgotten(stage: Stage) -> Iterator[Violation]:
    """Name each open record that a database remembers in another state than it is in, after a day and a full check."""
    for number in range(len(stage.databases)):
        for case_id in stage.case_ids.values():
            pair = stage.store(number).links.pair(case_id)
            if pair is None or pair.incident is None or pair.incident.state not in NOT_OVER:
                continue
            with suppress(LookupError):
                state = stage.world_of(pair.incident.connector).record(pair.incident.sys_id)["state"]
                if state != pair.incident.state:
                    yield Violation("a database remembers a record otherwise than it is", f"{case_id}: {state}")


def told_secrets(stage: Stage) -> Iterator[Violation]:
    """Name each table of a database, and each error, in which a secret came to rest."""
    for number, database in enumerate(stage.databases):
        tables = database.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names
            if _holds_secret(str(value) for row in rows for value in row):
                yield Violation("a secret came to rest in a database", f"database {number}, table {table}")
    if _holds_secret(event.why for event in stage.events if isinstance(event, Ended)):
        yield Violation("a secret was told in an error", "")


def _holds_secret(texts: Iterable[str]) -> bool:
    return any(secret in text for text in texts for secret in SECRETS)
