"""The address at which metrics are read: three pages, nothing else, and an address that is taken is told at once."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.core.errors import ConfigError
from reconciler.telemetry import metrics as m
from reconciler.telemetry.metrics import Metrics
from reconciler.telemetry.metrics_server import MetricsServer

PATIENCE_SECONDS = 20


@contextmanager
def serving(metrics: Metrics | None = None, complaints: list[str] | None = None) -> Iterator[str]:
    server = MetricsServer("127.0.0.1", 0, metrics=metrics or Metrics(), complaints=lambda: complaints or [])
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Give status, kind of content, and text."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_those_of_now() -> None:
    metrics = Metrics()
    with serving(metrics) as url:
        metrics.set(m.OPEN_LINKS, 41)
        status, kind, text = fetch(f"{url}/metrics")
        assert (status, kind.split(";")[0]) == (200, "text/plain")
        assert "\nreconciler_open_links 41.0\n" in text
        metrics.set(m.OPEN_LINKS, 42)
        assert "\nreconciler_open_links 42.0\n" in fetch(f"{url}/metrics?x=1")[2]


def test_who_asks_for_open_metrics_gets_it() -> None:
    with serving() as url:
        _, kind, text = fetch(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_alive_whatever_is_wrong_and_ready_when_nothing_is() -> None:
    complaints = ["main: last read whole 400 s ago, 120 s are allowed"]
    with serving(complaints=complaints) as url:
        assert fetch(f"{url}/healthz")[::2] == (200, "alive\n")
        assert fetch(f"{url}/readyz")[::2] == (503, complaints[0] + "\n")
        complaints.clear()
        assert fetch(f"{url}/readyz")[::2] == (200, "ready\n")


def test_no_other_page_and_no_other_method() -> None:
    with serving() as url:
        assert fetch(f"{url}/")[0] == 404
        assert fetch(f"{url}/metrics", method="POST")[0] == 501
        assert fetch(f"{url}/metrics", method="HEAD")[::2] == (200, "")


def test_a_reader_that_says_nothing_holds_up_no_other() -> None:
    with serving() as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(b"GET /met")
            assert fetch(f"{url}/healthz")[0] == 200


def test_an_address_that_is_taken_is_one_message_with_what_to_do() -> None:
    with serving() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigError) as raised:
            MetricsServer("127.0.0.1", port, metrics=Metrics(), complaints=list)
    [words] = raised.value.problems
    assert words.startswith(f"[metrics] listen: 127.0.0.1:{port} cannot be used: Address already in use; give ")


def test_an_address_is_free_again_once_it_is_closed() -> None:
    with serving() as url:
        port = int(url.rpartition(":")[2])
        fetch(f"{url}/metrics")
    MetricsServer("127.0.0.1", port, metrics=Metrics(), complaints=list).close()
