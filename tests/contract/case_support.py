"""What the contract tests of CaseClient share: reading a listing to its end, and a world with something in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler.core.model import Case, Verb
from reconciler.remotes.ports import CaseClient, CaseOrder, CasePage
from reconciler.sandbox.coralogix.world import CoralogixWorld

VERBS: dict[Verb, Callable[[CaseClient, str], Case]] = {
    Verb.ACKNOWLEDGE: lambda client, case_id: client.acknowledge(case_id),
    Verb.RESOLVE: lambda client, case_id: client.resolve(case_id, "done"),
    Verb.CLOSE: lambda client, case_id: client.close(case_id),
}


def pages(
    client: CaseClient, order: CaseOrder, page_size: int, turn: Callable[[int], object] | None = None
) -> list[CasePage]:
    """Read a listing to its end; ``turn`` is told the number of each page that was read."""
    read = [client.list_cases(order=order, page_size=page_size)]
    while read[-1].next_token is not None:
        if turn is not None:
            turn(len(read))
        read.append(client.list_cases(order=order, page_size=page_size, page_token=read[-1].next_token))
    return read


def ids(*several: CasePage) -> list[str]:
    return [case.id for page in several for case in page.cases]


def time_of(case: Case, order: CaseOrder) -> datetime:
    found = case.created_at if order is CaseOrder.CREATED else case.updated_at
    assert found is not None
    return found


def populate(world: CoralogixWorld, count: int = 25) -> list[str]:
    """Make Cases of which five each share an instant, and change some of them later."""
    made = []
    for number in range(count):
        if number % 5 == 0:
            world.clock.advance(microseconds=1500)
        made.append(world.create_case(f"number {number}"))
    world.clock.advance(seconds=1)
    for case_id in made[3::7]:
        world.acknowledge(case_id)
    return made
