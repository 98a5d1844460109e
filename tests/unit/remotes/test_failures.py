"""What it means that no answer came: never built, never sent, or sent with an unknown outcome. Over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import requests
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


def test_tls_to_a_port_without_it_says_so() -> None:
    with talking(scheme="https") as it, pytest.raises(Transient, match="TLS"):
        it.http.request(READ, "POST", "/x", body={})
    assert it.seen == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectTimeout("x"), "no connection within"),
        (requests.exceptions.ProxyError("x"), ""),
        (wrapped(requests.exceptions.ProxyError, OSError("Tunnel connection failed: 407")), "proxy"),
        (wrapped(requests.exceptions.ProxyError, ConnectionResetError("reset")), ""),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("reset")), ""),
        (requests.exceptions.SSLError("EOF occurred"), ""),
    ],
)
def test_only_proof_that_nothing_was_sent_counts(error: Exception, words: str) -> None:
    found = failures._unsent_words(error)
    assert words in found
    assert bool(found) == bool(words)


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
