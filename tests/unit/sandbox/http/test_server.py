"""The sandbox's HTTP server: connections that stay open, the world's clock, and faults on the wire."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Request, Response

WORLD_TIME = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class EchoFace:
    """Answer with what arrived, spoiled by the fault that is set."""

    def __init__(self) -> None:
        self.fault: FaultKind | None = None
        self.seen: list[Request] = []

    def answer(self, request: Request) -> Response:
        self.seen.append(request)
        document = {"method": request.method, "path": request.path, "query": dict(request.query)}
        answer = Response.json(200, document | {"body": request.body.decode()})
        fault = Fault(kind=self.fault) if self.fault else None
        return Response(status=answer.status, body=answer.body, headers=answer.headers, fault=fault)


@pytest.fixture
def face() -> EchoFace:
    return EchoFace()


@pytest.fixture
def server(face: EchoFace) -> Iterator[SandboxServer]:
    with SandboxServer(face, now=lambda: WORLD_TIME, hang_seconds=0.05) as running:
        yield running


@pytest.fixture
def connection(server: SandboxServer) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    yield client
    client.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_arrives_whole(method: str, face: EchoFace, connection: http.client.HTTPConnection) -> None:
    connection.request(method, "/a%20b?x=1&ids=p&ids=q&empty=", body=b"\xc3\xa4", headers={"X-Own": "Yes"})
    answer = connection.getresponse()
    answer.read()
    request = face.seen[0]
    assert answer.status == 200
    assert (request.method, request.path, request.body) == (method, "/a b", b"\xc3\xa4")
    assert request.query == {"x": "1", "ids": "p,q", "empty": ""}
    assert request.headers["x-own"] == "Yes"


def test_a_connection_stays_open(connection: http.client.HTTPConnection) -> None:
    sockets = set()
    for _ in range(50):
        connection.request("POST", "/", body=b"{}")
        connection.getresponse().read()
        sockets.add(connection.sock.getsockname())
    assert len(sockets) == 1


def test_the_date_is_the_worlds(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/")
    assert connection.getresponse().headers.get_all("Date") == ["Tue, 06 May 2031 07:08:09 GMT"]


def test_a_face_may_give_the_date_itself() -> None:
    class Dated:
        def answer(self, request: Request) -> Response:
            return Response(status=204, headers={"date": "Thu, 01 Jan 1970 00:00:00 GMT"})

    with SandboxServer(Dated()) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        client.request("GET", "/")
        answer = client.getresponse()
        assert answer.headers.get_all("Date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
        assert answer.headers["Content-Length"] is None
        client.close()


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.REFUSED])
def test_a_reset_cuts_the_connection(kind: FaultKind, face: EchoFace, connection: http.client.HTTPConnection) -> None:
    face.fault = kind
    connection.request("GET", "/")
    with pytest.raises(ConnectionResetError) as caught:
        connection.getresponse()
    # An orderly end would raise a subclass that http.client makes of it.
    assert type(caught.value) is ConnectionResetError
    assert len(face.seen) == 1


def test_a_timeout_ends_after_the_time_that_was_set(face: EchoFace, connection: http.client.HTTPConnection) -> None:
    face.fault = FaultKind.TIMEOUT
    connection.request("GET", "/")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()


def test_a_timeout_lasts_longer_than_the_clients_patience(face: EchoFace) -> None:
    face.fault = FaultKind.TIMEOUT
    with SandboxServer(face, hang_seconds=60) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=0.05)
        client.request("GET", "/")
        with pytest.raises(TimeoutError):
            client.getresponse()
        client.close()


def test_a_stop_does_not_wait_for_silent_or_idle_connections(face: EchoFace) -> None:
    server = SandboxServer(face, hang_seconds=60).start()
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    idle.request("GET", "/")
    idle.getresponse().read()
    face.fault = FaultKind.TIMEOUT
    silent = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    silent.request("GET", "/")
    server.stop()
    with pytest.raises(ConnectionError):
        silent.getresponse()
    idle.close()
    silent.close()
    assert not [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


DRIPPED = {
    FaultKind.DRIP_HEAD: b"HTTP/1.1 200 OK\r\nX-Drip: 000",
    FaultKind.DRIP_CHUNKS: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000",
    FaultKind.DRIP_BODY: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n000",
}


@pytest.mark.parametrize("kind", DRIPPED)
def test_an_answer_may_drip_until_the_client_goes_or_the_server_stops(kind: FaultKind, face: EchoFace) -> None:
    face.fault = kind
    with SandboxServer(face, hang_seconds=60) as server:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                read = b""
                while len(read) < len(DRIPPED[kind]):
                    read += client.recv(len(DRIPPED[kind]) - len(read))
                assert read == DRIPPED[kind]
    assert len(face.seen) == 2
    assert not [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


def test_half_an_answer_is_promised_whole(face: EchoFace, connection: http.client.HTTPConnection) -> None:
    face.fault = FaultKind.TRUNCATED_JSON
    connection.request("GET", "/")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert int(answer.headers["Content-Length"]) == len(caught.value.partial) + (caught.value.expected or 0)
    assert caught.value.partial.startswith(b'{"method"')


def test_after_a_fault_the_next_connection_is_served(face: EchoFace, server: SandboxServer) -> None:
    for kind in (FaultKind.RESET, FaultKind.TRUNCATED_JSON, FaultKind.TIMEOUT, None):
        face.fault = kind
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        client.request("GET", "/")
        if kind is None:
            assert client.getresponse().status == 200
        client.close()


def test_a_body_without_a_length_is_refused(face: EchoFace, server: SandboxServer) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.putrequest("POST", "/")
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders()
    assert client.getresponse().status == 413
    client.close()
    assert face.seen == []


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.168.1.10", "example.com", "::"])
def test_only_loopback_is_listened_on(host: str, face: EchoFace) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        SandboxServer(face, host)


def test_start_and_stop_may_be_called_twice(face: EchoFace) -> None:
    server = SandboxServer(face, "localhost")
    assert server.start() is server.start()
    assert server.url == f"http://localhost:{server.port}"
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
