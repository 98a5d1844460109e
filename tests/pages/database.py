"""The page of the database: the views with their columns, and each question with its query and an example answer.

The answers come from one small story, played in memory with a clock of its own, so that they are the same each time.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.audit.catalogue import AuditQuestion, View, questions, views
from reconciler.cli.terminal import table
from reconciler.core.model import HttpRecord
from reconciler.engine.request_log import RequestLog
from reconciler.sandbox.faults import FaultKind
from reconciler.store.maintenance import Retention
from reconciler.store.store import Store
from reconciler.store.values import OperatorAction
from tests.store_helpers import copied
from tests.world import World

DATABASE_PAGE = Path(__file__).parents[2] / "state" / "README.md"
CASE_KEY = "CASE-1"
HOST, OS_USER = "sync-01", "operator"
LONGEST_VALUE = 48
"""How much of a value an example shows"""


def write_database_page() -> None:
    """Write the two sections of the page that are made from the catalogue."""
    page = DATABASE_PAGE.read_text(encoding="utf-8")
    for name, text in (("views", views_section()), ("questions", questions_section())):
        page = between(name).sub(lambda _, text=text: text, page)  # type: ignore[misc]
    DATABASE_PAGE.write_text(page, encoding="utf-8")


def between(name: str) -> re.Pattern[str]:
    """Find what stands between the two marks of a part of the page."""
    return re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)


def views_section() -> str:
    """Write every view with its columns."""
    return "\n" + "\n".join(_view(view) for view in views().values()) + "\n"


def _view(view: View) -> str:
    rows = "".join(f"| `{name}` | {words} |\n" for name, words in view.columns.items())
    return f"### `{view.name}`\n\n{view.words}\n\n| column | meaning |\n|---|---|\n{rows}"


def questions_section() -> str:
    """Write every question with its query and its answer in the story."""
    with example() as store:
        return "\n" + "\n".join(_question(question, store) for question in questions()) + "\n"


def _question(question: AuditQuestion, store: Store) -> str:
    title = (
        f"{question.title} (The right answer is {question.right_answer}.)" if question.right_answer else question.title
    )
    return f"### {title}\n\n```sql\n{question.sql}\n```\n\n```text\n{answer(question, store)}\n```\n"


def answer(question: AuditQuestion, store: Store) -> str:
    """Answer a question from a database, laid out as text; long values are cut."""
    bound = dict.fromkeys(question.parameters, CASE_KEY)
    cursor = store.database.connection.execute(question.sql, bound)
    rows = [[_shown(value) for value in row] for row in cursor.fetchall()]
    return "\n".join(table([column[0] for column in cursor.description], rows)) if rows else "no rows"


def _shown(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return f"{text[: LONGEST_VALUE - 1]}…" if len(text) > LONGEST_VALUE else text


class NumberedRequests(RequestLog):
    """Give the requests ids that are the same each time: the services make them up."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def note(self, record: HttpRecord) -> None:
        """Add one request."""
        super().note(replace(record, request_id=f"request-{next(self._numbers):03d}"))


def example() -> Store:
    """Give a copy of the story, which is played once."""
    return copied(_played())


@functools.cache
def _played() -> Store:
    """Play the story: six Cases over one morning, people on both sides, a refused write, an hour without the daemon."""
    world = World(request_log=NumberedRequests(), follows=True)
    world.store.journal.note_config("policies", CONFIG, world.clock.now())
    main, busy, reopened, refused = (world.new_case(title) for title in TITLES)
    pending = world.coralogix.create_case("A job is late", activate=False)
    assert pending
    world.run_until_quiet()
    _work_on(world, main)
    _take_over(world, busy)
    _reopen(world, reopened)
    _refuse(world, refused)
    _stand_still(world)
    _look_after(world)
    return world.store


TITLES = ("Checkout fails", "Disk is full", "Logins are slow", "Queue grows")


def _work_on(world: World, case_id: str) -> None:
    world.servicenow.people.assign(world.sys_id(case_id), by="beth.anglin")
    world.run_until_quiet()
    world.clock.advance(seconds=600)
    world.servicenow.people.resolve(world.sys_id(case_id), by="beth.anglin")
    world.run_until_quiet()


def _take_over(world: World, case_id: str) -> None:
    world.servicenow.people.edit(
        world.sys_id(case_id), by="david.loo", short_description="Disk of the log host is full"
    )
    world.cycle()
    world.coralogix.set_title(case_id, "Disk is full again")
    world.run_until_quiet()


def _reopen(world: World, case_id: str) -> None:
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    world.servicenow.people.reopen(world.sys_id(case_id))
    world.run_until_quiet()


def _refuse(world: World, case_id: str) -> None:
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update", times=9)
    world.cycle()


def _stand_still(world: World) -> None:
    world.clock.advance(seconds=3600)
    world.cycle()


def _look_after(world: World) -> None:
    store, now = world.store, world.clock.now()
    for what, arguments, detail in DEEDS:
        store.journal.note_person(
            OperatorAction(what=what, os_user=OS_USER, host=HOST, arguments=arguments, detail=detail), now
        )
    store.maintenance.prune(Retention(requests_before=now - timedelta(minutes=30), history_before=None), now=now)


CONFIG = '[coralogix]\nregion = "eu2"\n\n[servicenow.main]\ninstance_url = "https://acme.service-now.com"\n'
DEEDS = (
    ("once", "once --limits off", "the brakes set aside"),
    ("holds retry", "holds retry CASE-4", "CASE-4"),
)
