"""The sd_notify protocol against a real datagram socket, by path and by abstract name."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """Give a listening socket and its NOTIFY_SOCKET."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        name = f"{folder}/notify" if request.param == "path" else f"@{folder}"
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(10)
        yield listener, name


def test_each_message_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"})
    notifier.ready()
    notifier.status("3 links advanced")
    notifier.watchdog()
    notifier.stopping()
    sent = [listener.recv(4096) for _ in range(4)]
    assert sent == [b"READY=1", b"STATUS=3 links advanced", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_status_stays_one_short_line_without_secrets(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    Notifier(name).status("failed: password=hunter2\nREADY=1 " + "x" * 900)
    message = listener.recv(4096).decode()
    assert message.startswith("STATUS=failed: password=[redacted]\\nREADY=1 xxx")
    assert len(message) == len("STATUS=") + 600


def test_without_a_watchdog_nothing_is_pinged(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    notifier = Notifier(name)
    notifier.watchdog()
    notifier.ready()
    assert listener.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nonexistent/notify", "@nobody-listens-here", "vsock:2:1234"])
def test_silent_where_nobody_listens(address: str | None) -> None:
    Notifier(address).ready()


def test_silent_when_the_socket_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
    Notifier(str(path)).ready()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_watchdog_interval_is_read_for_this_process_only(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier.from_environment(environ).watchdog_seconds == seconds
