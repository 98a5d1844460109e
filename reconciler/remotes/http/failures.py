"""Requests that got no answer: never built, never sent, or sent with an unknown outcome.

Rules of this file: the exceptions of requests and urllib3 are mapped here and nowhere else; only a failure while
connecting counts as unsent, since a write that may have been applied is looked for before it is planned again.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import replace

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProxyError

from reconciler.core.errors import Rejected
from reconciler.remotes.http.outcomes import Call, Failure, error_from, lost, unsent

_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = frozenset({62, 64})
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""``X509_V_ERR_…`` of OpenSSL's x509_vfy.h: no issuer found, or one that is not trusted."""
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


class Abandoned(Exception):
    """We stopped reading an answer ourselves; ``repeatable`` says whether a retry may help."""

    def __init__(self, words: str, *, repeatable: bool) -> None:
        super().__init__(words)
        self.repeatable = repeatable


def failure_of(call: Call, error: Exception, *, was_connecting: bool) -> Failure:
    """Map what requests and urllib3 raise: never built, never sent, or sent with an unknown outcome.

    For a request that could not be built no cause is kept, since its text holds the header; for others no request.
    """
    if isinstance(error, requests.RequestException):
        error.request = None
    if _is_unbuilt(error):
        words = f"the request cannot be built ({type(error).__name__}): check base URL, certificates and credentials"
        return Failure(error=error_from(Rejected, call, words))
    if was_connecting or any(isinstance(one, NewConnectionError) for one in _inside(error)):
        return unsent(call, unsent_words(error), cause=error)
    if isinstance(error, Abandoned):
        return replace(lost(call, str(error), cause=error, repeatable=error.repeatable), timed_out=True)
    return replace(lost(call, _lost_words(error), cause=error), timed_out=_is_timeout(error))


def unsent_words(error: BaseException) -> str:
    """Say why a connection could not be made."""
    inner = list(_inside(error))
    whose = "the proxy's" if any(isinstance(one, ProxyError) for one in inner) else "the service's"
    known = (words for one in inner if (words := _words_of(one, whose)))
    return next(known, f"{whose} connection was cut before anything was sent")


def _words_of(error: BaseException, whose: str) -> str:
    """Return what one error means; empty for one that means nothing by itself."""
    match error:
        case ssl.SSLCertVerificationError():
            words = _certificate_words(error, whose)
        case ssl.SSLError():
            words = _handshake_words(error, whose)
        case NameResolutionError():
            words = f"{whose} host name is not known"
        case NewConnectionError():
            words = f"nobody answers at {whose} address"
        case ConnectTimeoutError() | requests.ConnectTimeout():
            words = f"no connection within the time limit to {whose} address"
        case _:
            tunnel = _TUNNEL.search(str(error)) if isinstance(error, OSError) else None
            words = _tunnel_words(int(tunnel[1])) if tunnel else ""
    return words


def _inside(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and every error inside it (arguments, reasons, causes), each once."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, getattr(one, "reason", None), getattr(one, "original_error", None)]
        waiting += [one.__cause__, one.__context__]


def _certificate_words(error: ssl.SSLCertVerificationError, whose: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return f"{whose} TLS certificate has expired"
    if code == _NOT_YET:
        return f"{whose} TLS certificate is not valid yet: is the clock of this machine right?"
    if code in _OTHER_NAME:
        return f"{whose} TLS certificate is for another name: is the address right?"
    if code in _UNKNOWN_ISSUER:
        return f"{whose} TLS certificate is signed by an authority (CA) that is not known here: name it in ca_bundle"
    return f"{whose} TLS certificate was not accepted: {error.verify_message}"


def _handshake_words(error: ssl.SSLError, whose: str) -> str:
    if getattr(error, "reason", None) in _NOT_TLS:
        return f"{whose} port does not speak TLS: is it https:// and the right port?"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"{whose} side ended the TLS handshake"
    return f"the TLS handshake was not accepted ({getattr(error, 'reason', None) or 'no reason given'})"


def _tunnel_words(status: int) -> str:
    if status == requests.codes.proxy_authentication_required:
        return "the proxy refuses its login (407): are name and password in its address right?"
    return f"the proxy refuses to connect ({status}): may it reach this host, and is it a proxy?"


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError))


def _lost_words(error: Exception) -> str:
    if _is_timeout(error):
        return "no answer within the time limit"
    where = "the TLS connection" if isinstance(error, requests.exceptions.SSLError) else "the connection"
    return f"{where} was cut before the answer was whole"


def _is_unbuilt(error: Exception) -> bool:
    """Return whether it failed before sending: a key with a line break, an invalid base URL, no certificate file.

    A ValueError that urllib3's own error led to is about the answer, so the request was sent.
    """
    is_local = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    is_about_answer = isinstance(error.__context__, urllib3.exceptions.HTTPError)
    return is_local or (isinstance(error, ValueError) and not is_about_answer)
