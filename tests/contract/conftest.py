"""The fixtures of the contract suite: worlds that the real clients reach over sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from reconciler.sandbox.http.server import SandboxServer
from tests.contract.descriptions import Descriptions
from tests.contract.stage import (
    CaseStage,
    Desk,
    OpenCases,
    OpenRecords,
    RecordStage,
    Theatre,
    new_cases,
    new_records,
)


@pytest.fixture(scope="session")
def descriptions() -> Descriptions:
    return Descriptions()


@pytest.fixture(scope="session")
def server(descriptions: Descriptions) -> Iterator[tuple[Desk, str]]:
    desk = Desk(descriptions)
    with SandboxServer(desk) as listening:
        yield desk, listening.url


@pytest.fixture
def theatre(server: tuple[Desk, str]) -> Iterator[Theatre]:
    """Give a way to open stages, and complain at the end of whatever the descriptions do not allow."""
    desk, url = server
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        opened = Theatre(desk=desk, url=url, closed_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield opened
    opened.close()
    complaints = list(desk.complaints)
    desk.clear()
    assert complaints == []


@pytest.fixture
def open_cases(theatre: Theatre) -> OpenCases:
    def make(**how: object) -> CaseStage:
        return theatre.cases(new_cases(**how))  # type: ignore[arg-type]

    return make


@pytest.fixture
def cases(open_cases: OpenCases) -> CaseStage:
    return open_cases()


@pytest.fixture
def open_records(theatre: Theatre) -> OpenRecords:
    def make(**switches: object) -> RecordStage:
        return theatre.records(new_records(**switches))

    return make


@pytest.fixture
def records(open_records: OpenRecords) -> RecordStage:
    return open_records()
