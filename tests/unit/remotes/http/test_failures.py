"""What it means that no answer came: never built, never sent, or sent with an unknown outcome. Over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3

from reconciler.core.errors import Ambiguous, Rejected, RemoteError, Transient
from reconciler.core.model import System
from reconciler.remotes.http import failures
from reconciler.remotes.http.auth import api_key_login, bearer_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.http.settings import HttpSettings
from tests.unit.remotes.scripted import (
    FakeTime,
    Scripted,
    Spoil,
    cut_body,
    free_url,
    reset,
    silent,
    talking,
    two_lengths,
)

READ, WRITE, CREATE = Operation.READ, Operation.WRITE, Operation.CREATE
CLOCK = FakeTime().clock
NOWHERE = urllib3.HTTPConnectionPool("nowhere.invalid")


@contextmanager
def through(proxy: str) -> Iterator[HttpService]:
    """Reach a host of which only the proxy is there."""
    settings = HttpSettings(base_url="http://instance.example", proxies={"http": proxy})
    service = HttpService(System.SERVICENOW, settings, bearer_login("k"), clock=FakeTime().clock)
    with closing(service):
        yield service


def wrapped(kind: type[requests.RequestException], inner: Exception) -> requests.RequestException:
    """Wrap an error as requests does with what urllib3 says of a proxy."""
    return kind(urllib3.exceptions.MaxRetryError(NOWHERE, "/x", urllib3.exceptions.ProxyError("x", inner)))


@pytest.mark.parametrize("spoil", [reset, cut_body, silent])
@pytest.mark.parametrize(("operation", "kind"), [(READ, Transient), (WRITE, Ambiguous), (CREATE, Ambiguous)])
def test_an_answer_that_never_came_leaves_a_write_unknown(
    spoil: Spoil, operation: Operation, kind: type[RemoteError]
) -> None:
    with talking(*[Scripted(spoil=spoil)] * 3, read_seconds=0.05) as it, pytest.raises(kind) as caught:
        it.http.request(operation, "POST", "/x", body={})
    assert len(it.seen) == (3 if operation is READ else 1)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is not None
    assert getattr(caught.value.__cause__, "request", None) is None
    assert it.records[0].status is None


@pytest.mark.parametrize("operation", Operation)
def test_what_was_never_sent_is_transient(operation: Operation) -> None:
    nobody = HttpService(
        System.SERVICENOW, HttpSettings(base_url=free_url()), bearer_login("k"), clock=FakeTime().clock
    )
    with closing(nobody), pytest.raises(Transient, match="nobody answers"):
        nobody.request(operation, "POST", "/x", body={})


@pytest.mark.parametrize("operation", Operation)
def test_a_proxy_that_lets_nothing_through_sent_nothing(operation: Operation) -> None:
    for proxy in (free_url(), "http://no-such-proxy.invalid:1"):
        with through(proxy) as http, pytest.raises(Transient, match="proxy"):
            http.request(operation, "POST", "/x", body={})


@pytest.mark.parametrize(("operation", "kind"), [(READ, Transient), (WRITE, Ambiguous), (CREATE, Ambiguous)])
def test_a_connection_cut_behind_a_proxy_leaves_a_write_unknown(operation: Operation, kind: type[RemoteError]) -> None:
    """Urllib3 calls this a ProxyError too, although the whole request was sent."""
    with talking(*[Scripted(spoil=reset)] * 3) as it, through(it.server.url) as http:
        with pytest.raises(kind, match="cut before the answer") as caught:
            http.request(operation, "POST", "/x", body={})
        assert type(caught.value) is kind
        assert len(it.seen) == (3 if operation is READ else 1)


def test_an_answer_with_two_lengths_is_no_request_that_was_never_built() -> None:
    with talking(Scripted(spoil=two_lengths)) as it, pytest.raises(Ambiguous, match="cut before"):
        it.http.request(CREATE, "POST", "/x", body={})
    assert len(it.seen) == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def secure_port(certificate: trustme.LeafCert | None) -> Iterator[str]:
    """Take connections on a port: with TLS under a certificate, or, without one, cut each in its handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate is not None:
        certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                connection = listener.accept()[0]
                with suppress(OSError), connection:
                    if connection.recv(1, socket.MSG_PEEK) == b"":
                        return
                    if certificate is not None:
                        context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"localhost:{listener.getsockname()[1]}"
        finally:
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def refused(address: str, **settings: Any) -> str:
    """Say why nothing could be sent to an address with TLS."""
    service = HttpService(
        System.SERVICENOW, HttpSettings(base_url=f"https://{address}", **settings), bearer_login("k"), clock=CLOCK
    )
    with closing(service), pytest.raises(Transient) as caught:
        service.request(CREATE, "POST", "/x", body={})
    assert type(caught.value) is Transient
    return caught.value.words


def test_an_authority_that_is_not_known(authority: trustme.CA) -> None:
    with secure_port(authority.issue_cert("localhost")) as address:
        assert "signed by an authority (CA) that is not known here: name it in ca_bundle" in refused(address)


@pytest.mark.parametrize(
    ("names", "dates", "words"),
    [
        (["elsewhere.example"], {}, "is for another name"),
        (["127.0.0.2"], {}, "is for another name"),
        (["localhost"], {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "has expired"),
        (["localhost"], {"not_before": datetime(2190, 1, 1, tzinfo=UTC)}, "is not valid yet"),
    ],
)
def test_a_certificate_that_does_not_fit(
    authority: trustme.CA, names: list[str], dates: dict[str, Any], words: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with secure_port(authority.issue_cert(*names, **dates)) as address:
        assert words in refused(address, ca_bundle=str(bundle))


def test_tls_to_a_port_without_it_says_so() -> None:
    with talking() as it:
        assert "does not speak TLS" in refused(it.server.url.removeprefix("http://"))
    assert it.seen == []


def test_a_handshake_that_is_cut_sent_nothing() -> None:
    with secure_port(None) as address:
        words = refused(address)
    assert "TLS handshake" in words or "before anything was sent" in words


@pytest.mark.parametrize(
    ("status", "words"), [(407, "the proxy refuses its login"), (403, "the proxy refuses to connect (403)")]
)
def test_a_proxy_that_refuses_says_what_it_refuses(status: int, words: str) -> None:
    with talking() as it:
        it.server.connect_status = status
        assert words in refused("instance.example", proxies={"https": it.server.url})


def test_an_address_of_a_proxy_that_is_wrong() -> None:
    assert refused("instance.example", proxies={"https": free_url()}) == "nobody answers at the proxy's address"
    nowhere = {"https": "http://no-such-proxy.invalid:1"}
    assert refused("instance.example", proxies=nowhere) == "the proxy's host name is not known"
    with talking() as it:
        secure = {"https": it.server.url.replace("http:", "https:")}
        assert "the proxy's port does not speak TLS" in refused("instance.example", proxies=secure)


def test_a_host_name_that_is_not_known() -> None:
    assert refused("no-such-instance.invalid") == "the service's host name is not known"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectTimeout("x"), "no connection within the time limit to the service's address"),
        (requests.ConnectionError("x"), "the service's connection was cut before anything was sent"),
        (wrapped(requests.exceptions.ProxyError, ConnectionResetError("reset")), "the proxy's connection was cut"),
        (wrapped(requests.exceptions.SSLError, ssl.SSLError(1, "odd")), "the TLS handshake was not accepted"),
    ],
)
def test_why_nothing_was_sent(error: Exception, words: str) -> None:
    assert failures.unsent_words(error).startswith(words)


@pytest.mark.parametrize("key", ["secret\nkey", "secret\u20ac"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(key: str) -> None:
    with talking(login=api_key_login(key)) as it, pytest.raises(Rejected, match="cannot be built") as caught:
        it.http.request(CREATE, "POST", "/x", body={})
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert it.seen == []


def test_a_certificate_file_that_is_not_there_is_refused() -> None:
    with talking(scheme="https", ca_bundle="/no/such/file") as it, pytest.raises(Rejected, match="certificates"):
        it.http.request(CREATE, "POST", "/x", body={})
