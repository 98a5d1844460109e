"""Messages over time: a burst is one, a restart repeats none, what nobody took is told by the next start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from reconciler.cli.telling import messages
from reconciler.cli.telling.messages import Messages
from reconciler.config.model import NotifyConfig, Occasion
from reconciler.config.secrets import Secret
from reconciler.sandbox.faults import FaultKind
from tests.receiver import Receiver
from tests.world import World


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


def a_secret(url: str) -> Secret:
    return Secret(source="file /x", read=lambda: url)


def started(world: World, *receivers: Receiver, heartbeat: Receiver | None = None) -> Messages:
    """Give what tells people, as a process that starts now has it."""
    config = NotifyConfig(
        urls=tuple(a_secret(f"json://{one.address}/") for one in receivers),
        on=frozenset(Occasion),
        down=timedelta(minutes=10),
        heartbeat=a_secret(f"http://{heartbeat.address}/beat") if heartbeat else None,
    )
    return Messages(config, world.store, source="From here")


def cycle(world: World, telling: Messages, *, seconds: float = 60, unread: timedelta = timedelta()) -> None:
    """Let a cycle fall, and tell of it; ``unread`` is how long ago ``main`` was read whole."""
    report = world.cycle(seconds=seconds)
    telling.cycle_ended(report, {"main": report.finished_at - unread})


def rejected(world: World, *titles: str) -> None:
    """Let a link for each title be held, since its record refuses to be moved."""
    case_ids = [world.new_case(title) for title in titles]
    world.run_until_quiet()
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update", times=len(titles))
    for case_id in case_ids:
        world.coralogix.acknowledge(case_id)


def test_a_burst_is_one_message_and_a_restart_or_another_try_repeats_none(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    first = started(world, receiver)
    rejected(world, "One", "Two", "Three")
    cycle(world, first)
    cycle(world, first)
    first.close(wait=True)
    assert [title for title, _ in receiver.messages] == ["Reconciler: 3 Cases wait for a person"]
    second = started(world, receiver)
    cycle(world, second)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update", times=3)
    cycle(world, second, seconds=3600)
    cycle(world, second)
    assert len(world.store.reports.holds()) == 3
    second.close(wait=True)
    assert len(receiver.messages) == 1


def test_what_comes_close_behind_a_message_is_told_together_a_little_later(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    telling = started(world, receiver)
    case_ids = [world.new_case(title) for title in ("One", "Two", "Three")]
    world.run_until_quiet()
    for case_id in case_ids:
        world.coralogix.acknowledge(case_id)
        world.strike_records(FaultKind.FORBIDDEN_403, "records.update")
        cycle(world, telling, seconds=5)
    cycle(world, telling, seconds=messages.LEAST_PAUSE.total_seconds())
    telling.close(wait=True)
    assert [title for title, _ in receiver.messages] == [
        "Reconciler: a Case waits for a person",
        "Reconciler: 2 Cases wait for a person",
    ]


def test_what_nobody_took_before_the_end_is_told_by_the_next_start(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    rejected(world, "One")
    receiver.refuses = True
    first = started(world, receiver)
    cycle(world, first)
    receiver.wait_for(lambda: receiver.refused > 0)
    first.close(wait=True)
    receiver.refuses = False
    second = started(world, receiver)
    cycle(world, second)
    second.close(wait=True)
    assert len(receiver.messages) == 1


def test_what_one_address_took_is_not_told_again_for_another(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    rejected(world, "One")
    with Receiver() as broken:
        broken.refuses = True
        first = started(world, broken, receiver)
        cycle(world, first)
        receiver.wait_for(lambda: len(receiver.messages) == 1)
        first.close(wait=True)
        second = started(world, broken, receiver)
        cycle(world, second)
        second.close(wait=True)
    assert len(receiver.messages) == 1


def test_a_killed_process_has_told_what_it_handed_over(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    rejected(world, "One")
    killed = started(world, receiver)
    cycle(world, killed)
    receiver.wait_for(lambda: len(receiver.messages) == 1)
    after = started(world, receiver)
    cycle(world, after)
    after.close(wait=True)
    killed.close(wait=True)
    assert len(receiver.messages) == 1


def test_an_address_that_hangs_delays_no_cycle(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    rejected(world, "One")
    receiver.answers.clear()
    telling = started(world, receiver, heartbeat=receiver)
    for _ in range(3):
        cycle(world, telling)
    assert receiver.got == []
    receiver.answers.set()
    telling.close(wait=True)
    assert len(receiver.messages) == 1


def test_a_side_that_is_down_for_longer_than_is_borne_and_comes_back(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    telling = started(world, receiver)
    world.strike_records(FaultKind.ERROR_500, "records.list", times=99)
    for minutes in (9, 10, 11):
        cycle(world, telling, unread=timedelta(minutes=minutes))
    world.record_faults.clear()
    cycle(world, telling)
    cycle(world, telling)
    telling.close(wait=True)
    assert [title for title, _ in receiver.messages] == ["Reconciler: main is down", "Reconciler: main is read again"]


def test_the_heart_beats_after_whole_cycles_alone(receiver: Receiver) -> None:
    world = World()
    telling = started(world, heartbeat=receiver)
    cycle(world, telling)
    receiver.wait_for(lambda: receiver.got == [("/beat", None)])
    world.strike_cases(FaultKind.ERROR_500, "cases.list", times=1)
    cycle(world, telling)
    telling.close(wait=True)
    assert len(receiver.got) == 1


def test_a_clock_that_was_set_back_hides_no_hold(receiver: Receiver) -> None:
    world = World()
    world.cycle()
    telling = started(world, receiver)
    world.store.facts.put(messages.TOLD, '{"holds_until": "2099-01-01T00:00:00.000000Z", "brake": false, "down": []}')
    rejected(world, "One")
    cycle(world, telling)
    telling.close(wait=True)
    assert len(receiver.messages) == 1


def test_an_end_waits_for_an_address_that_hangs_no_longer_than_its_limit(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "END_LIMIT_SECONDS", 0.01)
    world = World()
    world.cycle()
    rejected(world, "One")
    before = world.store.facts.get(messages.TOLD)
    receiver.answers.clear()
    telling = started(world, receiver)
    cycle(world, telling)
    assert world.store.facts.get(messages.TOLD) != before
    telling.close(wait=True)
    saved = world.store.facts.get(messages.TOLD)
    assert saved is not None
    assert '"holds_until": ""' in saved
