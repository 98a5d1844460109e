"""Metrics of the real daemon and of ``once``: what they say agrees with the audit views, and a reload moves them."""

from __future__ import annotations

import json
import signal
import socket

import pytest

from tests.system.support import Bench, Running
from tests.unit.telemetry.test_metrics import Samples, samples
from tests.unit.telemetry.test_metrics_server import fetch

ANY_PORT = '[metrics]\nlisten = "127.0.0.1:0"'


def port_of(daemon: Running) -> int:
    """Read in the log at which port the metrics are served."""
    port: int = json.loads(daemon.read_until("metrics are served"))["port"]
    return port


def scraped(port: int) -> Samples:
    return samples(fetch(f"http://127.0.0.1:{port}/metrics")[2].encode())


def total(seen: Samples, name: str) -> float:
    return sum(value for (found, _), value in seen.items() if found == f"reconciler_{name}")


def test_the_daemon_says_what_the_audit_views_say_and_moves_when_it_is_told_to(bench: Bench) -> None:
    bench.write_config(poll_seconds=3600, rest=ANY_PORT)
    bench.new_case("One")
    bench.new_case("Two")
    with bench.started("--log-format", "json", "run") as daemon:
        port = port_of(daemon)
        daemon.read_until("cycle done")
        seen = scraped(port)
        assert fetch(f"http://127.0.0.1:{port}/healthz")[0] == fetch(f"http://127.0.0.1:{port}/readyz")[0] == 200
        assert total(seen, "actions_total") == 2
        assert total(seen, "requests_total") == len(bench.traffic.requests)
        assert seen["reconciler_open_links", ()] == 2
        assert seen["reconciler_sync_lag_objective_seconds", ()] == 120
        assert seen["reconciler_last_read_timestamp_seconds", (("side", "main"),)] > 0
        [head] = bench.query("SELECT seq FROM ledger_head")
        assert seen["reconciler_chain_seq", ()] == head["seq"]
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            bench.write_config(poll_seconds=3600, rest=f'[metrics]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"')
            daemon.process.send_signal(signal.SIGHUP)
            assert "Address already in use" in daemon.read_until("config not taken up")
        bench.write_config(poll_seconds=3600, rest='[metrics]\nlisten = "127.0.0.1:0"\ntextfile = "x.prom"')
        bench.traffic.forget()
        daemon.process.send_signal(signal.SIGHUP)
        bench.traffic.wait_for(lambda requests: len(requests) > 0)
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert total(samples((bench.folder / "x.prom").read_bytes()), "actions_total") == 2


def test_a_port_that_is_taken_is_one_message(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bench.write_config(rest=f'[metrics]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"')
        ran = bench.run("run")
    assert ran.code == 2
    assert "cannot be used: Address already in use; give [metrics] listen another port" in ran.one_message()


def test_once_counts_on_in_its_text_file(bench: Bench) -> None:
    bench.write_config(rest='[metrics]\ntextfile = "reconciler.prom"')
    bench.new_case()
    for _ in range(2):
        assert bench.run("once").code == 0
    seen = samples((bench.folder / "reconciler.prom").read_bytes())
    assert seen["reconciler_cycles_total", (("result", "done"),)] == 2
    assert total(seen, "actions_total") == 1
    assert total(seen, "requests_total") == len(bench.traffic.requests)


@pytest.mark.parametrize(
    ("path", "words"), [("not there/reconciler.prom", "there is no folder"), ("folder.prom", "the path of a file")]
)
def test_a_text_file_that_cannot_be_is_one_message(path: str, words: str, bench: Bench) -> None:
    (bench.folder / "folder.prom").mkdir()
    bench.write_config(rest=f'[metrics]\ntextfile = "{path}"')
    ran = bench.run("once")
    assert ran.code == 2
    assert words in ran.one_message()


@pytest.mark.parametrize(("rest", "is_loaded"), [("", False), ('[metrics]\ntextfile = "x.prom"', True)])
def test_the_library_is_loaded_only_where_it_is_asked_for(rest: str, is_loaded: bool, bench: Bench) -> None:
    bench.write_config(rest=rest)
    command = bench.command("once")
    ran = bench.run_plain([command[0], "-X", "importtime", *command[1:]])
    assert ("prometheus_client" in ran.err) == is_loaded
