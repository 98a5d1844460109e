"""What it means that a request brought no answer: it was never built, never sent, or sent with an unknown outcome.

Rules of this file: what requests and urllib3 raise is mapped here and nowhere else; only what is sure never to have
left counts as unsent, since a write that may have landed is looked for before it is planned again.
"""

from __future__ import annotations

import requests
import urllib3

from reconciler.core.errors import Rejected
from reconciler.remotes.http.outcomes import Call, Failure, error_from, lost, unsent


class Abandoned(Exception):
    """Say that we stopped reading an answer of our own accord, and whether asking again may help."""

    def __init__(self, words: str, *, repeatable: bool) -> None:
        super().__init__(words)
        self.repeatable = repeatable


def failure_of(call: Call, error: Exception) -> Failure:
    """Map what requests and urllib3 raise: never built, never sent, or sent with an unknown outcome.

    No cause is kept of what could not be built, since its text holds the header; and of no other its request.
    """
    if isinstance(error, requests.RequestException):
        error.request = None
    if isinstance(error, Abandoned):
        return lost(call, str(error), cause=error, repeatable=error.repeatable)
    if _is_unbuilt(error):
        words = f"the request cannot be built ({type(error).__name__}): check base URL, certificates and credentials"
        return Failure(error=error_from(Rejected, call, words))
    words = _unsent_words(error)
    if words:
        return unsent(call, words, cause=error)
    return lost(call, _lost_words(error), cause=error)


def _lost_words(error: Exception) -> str:
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer within the time limit"
    where = "the TLS connection" if isinstance(error, requests.exceptions.SSLError) else "the connection"
    return f"{where} was cut before the answer was whole"


def _is_unbuilt(error: Exception) -> bool:
    """Tell a key with a line break, a base URL that is none, or a missing certificate file.

    A ValueError that urllib3's own error led to is about the answer, so the request was sent.
    """
    is_local = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    is_about_answer = isinstance(error.__context__, urllib3.exceptions.HTTPError)
    return is_local or (isinstance(error, ValueError) and not is_about_answer)


def _unsent_words(error: Exception) -> str:
    """Say why a request never left; empty when it may have arrived."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached, or refuses to connect" if _is_proxy_refusal(reason) else ""
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "the host name is not known"
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "nobody answers at this address"
    if isinstance(error, requests.exceptions.SSLError) and _is_handshake(reason):
        return "the TLS certificate or handshake was not accepted"
    return ""


def _is_proxy_refusal(reason: object) -> bool:
    """Tell a proxy that let nothing through from one behind which the connection was cut.

    urllib3 calls both a ProxyError, the second also after the whole request was sent; the error inside differs.
    """
    inner = getattr(reason, "original_error", None)
    never_connected = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return isinstance(inner, never_connected) or str(inner).startswith("Tunnel connection failed")


def _is_handshake(reason: object) -> bool:
    """Tell a refused handshake from TLS that broke later, by OpenSSL's own name for it."""
    inner = reason.args[0] if isinstance(reason, urllib3.exceptions.SSLError) and reason.args else reason
    name = str(getattr(inner, "reason", ""))
    return any(word in name for word in ("CERTIFICATE", "HANDSHAKE", "UNSUPPORTED_PROTOCOL", "HTTP_REQUEST"))
