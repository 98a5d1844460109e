"""Logins: fixed headers, or a token that is requested and renewed.

A login never sends anything itself: the client passes it a function that requests a token, so that every request of the
program is sent in one place. A secret is held here and in the header that it becomes, and nowhere else.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from reconciler.core.errors import AuthFailed
from reconciler.core.model import JsonObject, System

Ask = Callable[[str, Mapping[str, str]], JsonObject]
"""Posts a form to a path of the same host and gives the JSON object that came back; raises RemoteError."""

TOKEN_PATH = "/oauth_token.do"  # noqa: S105 - a path
RENEW_EARLY_SECONDS = 60.0
DEFAULT_LIFETIME_SECONDS = 1800.0
"""ServiceNow's default for access tokens; used where an answer names none."""


class Login(Protocol):
    """Provide the headers that authenticate a request. Must be safe for several threads."""

    def headers(self, ask: Ask) -> Mapping[str, str]:
        """Return the headers for one request; raise AuthFailed where a token is refused."""
        ...

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Return whether new headers may help after a 401 to the ``refused`` ones."""
        ...

    def identity(self) -> frozenset[str]:
        """Return everything that the login is made from, except tokens, so that a change of it is noticed."""
        ...

    def secrets(self) -> frozenset[str]:
        """Return the present values that must be removed from every answer."""
        ...


class FixedLogin:
    """Send the same headers with every request; a refusal is final."""

    def __init__(self, headers: Mapping[str, str], *, secrets: Collection[str]) -> None:
        self._headers = dict(headers)
        self._secrets = frozenset(secrets)

    def headers(self, ask: Ask) -> Mapping[str, str]:  # noqa: ARG002 - nothing has to be asked for
        """Return the headers."""
        return self._headers

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 - there is only one answer
        """Return False: the headers are fixed."""
        return False

    def identity(self) -> frozenset[str]:
        """Return the headers."""
        return frozenset(self._headers.values())

    def secrets(self) -> frozenset[str]:
        """Return what the headers were made from."""
        return self._secrets


def basic_login(username: str, password: str) -> FixedLogin:
    """Log in by user name and password, as UTF-8."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    return FixedLogin({"Authorization": f"Basic {pair}"}, secrets=[password, pair])


def bearer_login(key: str) -> FixedLogin:
    """Log in by a Coralogix API key, as all official clients send it."""
    return FixedLogin({"Authorization": f"Bearer {key}"}, secrets=[key])


def api_key_login(key: str) -> FixedLogin:
    """Log in by a ServiceNow REST API key (documentation page ``configure-api-key``)."""
    return FixedLogin({"x-sn-apikey": key}, secrets=[key])


class OAuthLogin:
    """Log in by an access token: requested once however many threads wait, renewed 60 s early.

    An old token is exchanged by its refresh token where the service gave one. A token that is refused before
    its time is forgotten together with its refresh token: within its lifetime a refresh gives the same one back.
    """

    def __init__(self, grant: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._grant = dict(grant)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._access = ""
        self._refresh = ""
        self._renew_at = 0.0

    def headers(self, ask: Ask) -> Mapping[str, str]:
        """Return the headers for one request, after asking for a token where none is good."""
        with self._lock:
            if not self._access or self._monotonic() >= self._renew_at:
                self._keep(self._answer(ask))
            return {"Authorization": f"Bearer {self._access}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Forget the refused token, unless another thread has a newer one already."""
        with self._lock:
            if refused.get("Authorization") == f"Bearer {self._access}":
                self._access = self._refresh = ""
        return True

    def identity(self) -> frozenset[str]:
        """Return what tokens are requested with."""
        return frozenset(self._grant.values())

    def secrets(self) -> frozenset[str]:
        """Return the grant's secrets and the tokens. Takes no lock: a thread that requests a token holds it already."""
        named = [self._grant.get(name, "") for name in ("password", "client_secret")]
        return frozenset(filter(None, (*named, self._access, self._refresh)))

    def _answer(self, ask: Ask) -> JsonObject:
        if self._refresh:
            try:
                return ask(TOKEN_PATH, self._refresh_form())
            except AuthFailed:  # the refresh token is over as well: log in anew
                self._refresh = ""
        return ask(TOKEN_PATH, self._grant)

    def _refresh_form(self) -> dict[str, str]:
        client = {name: self._grant[name] for name in ("client_id", "client_secret")}
        return {"grant_type": "refresh_token", "refresh_token": self._refresh, **client}

    def _keep(self, answer: JsonObject) -> None:
        access = answer.get("access_token")
        if not isinstance(access, str) or not access:
            words = "the token answer holds no access_token"
            raise AuthFailed(words, system=System.SERVICENOW.value, method="POST", path=TOKEN_PATH)
        refresh = answer.get("refresh_token")
        lifetime = _lifetime_seconds(answer.get("expires_in"))
        self._access = access
        self._refresh = refresh if isinstance(refresh, str) else ""
        # A token that lives less than two minutes is renewed after half of that.
        self._renew_at = self._monotonic() + max(lifetime - RENEW_EARLY_SECONDS, lifetime / 2)


def password_login(
    *,
    client_id: str,
    client_secret: str,
    username: str,
    password: str,
    monotonic: Callable[[], float] = time.monotonic,
) -> OAuthLogin:
    """Log in by the OAuth password grant (documentation page ``r_RESTOAuthExample``)."""
    client = {"client_id": client_id, "client_secret": client_secret}
    grant = {"grant_type": "password", "username": username, "password": password, **client}
    return OAuthLogin(grant, monotonic=monotonic)


def client_credentials_login(
    *, client_id: str, client_secret: str, monotonic: Callable[[], float] = time.monotonic
) -> OAuthLogin:
    """Log in by the OAuth client credentials grant (documentation page ``client-credentials``)."""
    client = {"client_id": client_id, "client_secret": client_secret}
    return OAuthLogin({"grant_type": "client_credentials", **client}, monotonic=monotonic)


def _lifetime_seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        return DEFAULT_LIFETIME_SECONDS
    return seconds if 0 < seconds < float("inf") else DEFAULT_LIFETIME_SECONDS
