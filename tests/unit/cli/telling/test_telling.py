"""Who is told of cycles: an address that moves with the config, whole or not at all; readiness by the last reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.cli.telling.telling import Telling
from reconciler.cli.times import utc_now
from reconciler.config.model import Config
from reconciler.core.errors import ConfigError, Refused
from reconciler.engine.context import Context
from reconciler.engine.report import CycleKind, CycleReport, CycleResult
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts
from tests.receiver import Receiver
from tests.store_helpers import empty_store
from tests.unit.config.test_load import MINIMAL, read
from tests.unit.telemetry.test_metrics_server import fetch
from tests.world import World


@pytest.fixture
def store() -> Iterator[Store]:
    with empty_store() as opened:
        yield opened


@pytest.fixture
def port() -> int:
    """Give a port that is free."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


def listening(port: int, host: str = "127.0.0.1", rest: str = "") -> Config:
    return read(f'{MINIMAL}\n[metrics]\nlisten = "{host}:{port}"\n{rest}')


def read_whole(store: Store, *sides: str, ago: timedelta) -> None:
    at = utc_now() - ago
    store.journal.begin_cycle("c", kind="cycle", now=at, config_hash="h", program_version="1")
    store.journal.finish_cycle("c", result="done", counts=CycleCounts(), sides=sides, now=at)


def test_the_address_moves_with_the_config_also_on_the_same_port_and_off(store: Store, port: int) -> None:
    with Telling(store, serves=True) as telling:
        telling.take_up(listening(port))
        assert fetch(f"http://127.0.0.1:{port}/healthz")[0] == 200
        telling.take_up(listening(port, "0.0.0.0"))
        assert fetch(f"http://127.0.0.1:{port}/metrics")[0] == 200
        telling.take_up(read(MINIMAL))
        with pytest.raises(OSError, match="refused"):
            fetch(f"http://127.0.0.1:{port}/healthz")


def test_what_cannot_be_had_leaves_all_as_it_was(store: Store, port: int, tmp_path: Path) -> None:
    with Telling(store, serves=True) as telling, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        telling.take_up(listening(port))
        for wrong in (
            listening(taken.getsockname()[1]),
            listening(port, rest=f'textfile = "{tmp_path}/none/x.prom"'),
        ):
            with pytest.raises(ConfigError):
                telling.take_up(wrong)
            assert fetch(f"http://127.0.0.1:{port}/healthz")[0] == 200


def test_a_command_that_does_not_stay_opens_no_address(store: Store, port: int) -> None:
    with Telling(store, serves=False) as telling:
        telling.take_up(listening(port))
        with pytest.raises(OSError, match="refused"):
            fetch(f"http://127.0.0.1:{port}/healthz")


def test_ready_is_who_was_read_whole_lately_whichever_process_read_it(store: Store) -> None:
    read_whole(store, "coralogix", ago=timedelta(seconds=30))
    with Telling(store, serves=False) as telling:
        telling.take_up(read(MINIMAL))
        assert telling.complaints() == ["acme: never read whole, 120 s are allowed"]


def test_not_ready_is_who_was_last_read_too_long_ago(store: Store) -> None:
    read_whole(store, "coralogix", "acme", ago=timedelta(minutes=10))
    with Telling(store, serves=False) as telling:
        telling.take_up(read(MINIMAL))
        assert telling.complaints() == [
            "coralogix: last read whole 600 s ago, 120 s are allowed",
            "acme: last read whole 600 s ago, 120 s are allowed",
        ]
        telling.take_up(read(f"{MINIMAL}\n[schedule]\npoll_seconds = 300\n"))
        assert telling.complaints() == []


def notifying(receiver: Receiver, secret: Path, rest: str = "") -> Config:
    secret.write_text(f"json://{receiver.address}/")
    secret.chmod(0o600)
    return read(f'{MINIMAL}\n[notify]\nurls = [{{ file = "{secret}" }}]\n{rest}')


def refused() -> tuple[CycleReport, Context]:
    """Give a report of a cycle that was refused, and a context at which nobody looks."""
    report = CycleReport(
        cycle_id="c",
        kind=CycleKind.CYCLE,
        started_at=utc_now(),
        finished_at=utc_now(),
        result=CycleResult.REFUSED,
        error=Refused("a brake"),
    )
    return report, World().context


def test_a_cycle_during_which_its_connector_left_the_config_is_measured(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report, context = refused()
    assert "acme" not in context.sides()
    with Telling(store, serves=False) as telling:
        telling.take_up(read(f'{MINIMAL}\n[metrics]\ntextfile = "{tmp_path}/x.prom"\n'))
        telling.cycle_ended(report, context)
    assert not caplog.records
    written = (tmp_path / "x.prom").read_text()
    assert 'reconciler_cycles_total{result="refused"} 1.0' in written
    assert 'reconciler_pace_requests_per_second{side="main"}' not in written


def test_a_wrong_address_is_refused_each_time_and_the_one_before_stays_in_use(store: Store, tmp_path: Path) -> None:
    with Receiver() as receiver:
        with Telling(store, serves=False) as telling:
            good = notifying(receiver, tmp_path / "good")
            telling.take_up(good)
            (tmp_path / "bad").write_text("no address")
            (tmp_path / "bad").chmod(0o600)
            wrong = read(f'{MINIMAL}\n[notify]\nurls = [{{ file = "{tmp_path}/bad" }}]\n')
            for _ in range(2):
                with pytest.raises(ConfigError, match="is no address that Apprise knows"):
                    telling.take_up(wrong)
            telling.cycle_ended(*refused())
        assert [title for title, _ in receiver.messages] == ["Reconciler: a brake stands"]


def test_an_address_that_changes_in_its_file_is_taken_up(store: Store, tmp_path: Path) -> None:
    with Receiver() as before, Receiver() as after:
        with Telling(store, serves=False) as telling:
            telling.take_up(notifying(before, tmp_path / "url"))
            telling.take_up(notifying(after, tmp_path / "url"))
            telling.cycle_ended(*refused())
        assert (len(before.messages), len(after.messages)) == (0, 1)


def test_messages_that_are_no_longer_asked_for_are_not_sent(store: Store, tmp_path: Path) -> None:
    with Receiver() as receiver:
        with Telling(store, serves=False) as telling:
            telling.take_up(notifying(receiver, tmp_path / "url"))
            telling.take_up(read(MINIMAL))
            telling.cycle_ended(*refused())
        assert receiver.messages == []


def test_what_goes_wrong_in_telling_fails_no_cycle(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver, Telling(store, serves=False) as telling:
        telling.take_up(notifying(receiver, tmp_path / "url"))
        store.facts.put("notify.told", "not what we wrote")
        telling.cycle_ended(*refused())
        store.facts.put("notify.told", '{"holds_until": "", "brake": false, "down": []}')
    assert [record.message for record in caplog.records] == ["nobody could be told of a cycle"]
