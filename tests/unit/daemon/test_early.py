"""What becomes of signals that come while the program loads."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from reconciler.daemon.early import EarlySignals

HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def came() -> Iterator[list[int]]:
    """List what comes to the handlers that a process had before; put them back at the end."""
    before = {each: signal.getsignal(each) for each in HELD}
    heard: list[int] = []
    for each in HELD:
        signal.signal(each, lambda number, _: heard.append(number))
    yield heard
    for each, handler in before.items():
        signal.signal(each, handler)


def test_signals_are_kept_in_their_order(came: list[int]) -> None:
    early = EarlySignals()
    early.hold()
    for each in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        signal.raise_signal(each)
    assert (early.names, came) == (["SIGHUP", "SIGHUP", "SIGTERM"], [])


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_stop_acts_at_once(came: list[int], second: signal.Signals) -> None:
    early = EarlySignals()
    early.hold()
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(second)
    signal.raise_signal(signal.SIGHUP)
    assert (early.names, came) == (["SIGINT", "SIGHUP"], [second])


def test_what_was_kept_comes_when_it_is_let_go(came: list[int]) -> None:
    early = EarlySignals()
    early.hold()
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGTERM)
    early.let_go()
    signal.raise_signal(signal.SIGINT)
    assert (early.names, came) == ([], [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])


def test_what_is_ignored_stays_ignored(came: list[int]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    early = EarlySignals()
    early.hold()
    signal.raise_signal(signal.SIGHUP)
    assert (early.names, came) == ([], [])
    early.let_go()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_handler_that_was_set_meanwhile_stays(came: list[int]) -> None:
    early = EarlySignals()
    early.hold()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    early.let_go()
    signal.raise_signal(signal.SIGTERM)
    assert came == []
