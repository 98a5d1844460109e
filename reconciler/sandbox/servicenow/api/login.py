"""Who may use the API of a ServiceNow world: basic, OAuth tokens, API keys, and the lock after repeated failures.

Sources: ``basic-authentication``, ``client-credentials``, ``configure-api-key``, KB1647747.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote_plus

from reconciler.core.frozen import dataclass
from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import API_USER

API_PASSWORD = "sandbox-password"  # noqa: S105 - opens a sandbox on loopback and nothing else
BASIC_ROLE = "snc_basic_auth_api_access"
"""the role that may use basic authentication where that is restricted"""
REFUSED_GRANT = {"error": "server_error", "error_description": "access_denied"}
LOCKED_AFTER = 5
"""failed logins in a row after which an account is locked"""


@dataclass(frozen=True, kw_only=True)
class ApiUser:
    """One user of the API and the ways in that it has; an empty secret closes that way."""

    user_name: str = API_USER
    password: str = API_PASSWORD
    api_key: str = ""
    roles: frozenset[str] = frozenset({"itil", "evt_mgmt_integration"})


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """One client of the token endpoint."""

    client_id: str
    client_secret: str
    user_name: str = ""
    """the "OAuth Application User" of client credentials; empty: that grant is off"""


@dataclass(frozen=True, kw_only=True)
class _Grant:
    user_name: str
    client_id: str
    access_token: str
    refresh_token: str
    expires_at: datetime


class Logins:
    """Check credentials. ``now`` is the instance's clock."""

    def __init__(
        self,
        users: Sequence[ApiUser],
        clients: Sequence[OAuthClient],
        *,
        switches: Switches,
        now: Callable[[], datetime],
        token_seconds: int = 1800,
    ) -> None:
        self._users = {user.user_name: user for user in users}
        self._clients = {client.client_id: client for client in clients}
        self._switches = switches
        self._now = now
        self._lifetime = timedelta(seconds=token_seconds)
        self._grants: list[_Grant] = []
        self._failures: Counter[str] = Counter()

    def user_of(self, request: Request) -> ApiUser | None:
        """Return the user of a request's credentials; None when they are absent, wrong, expired or locked out."""
        key = request.headers.get("x-sn-apikey", "")
        if key:
            return next((user for user in self._users.values() if user.api_key == key), None)
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._bearer(secret)
        if scheme.lower() == "basic":
            return self._basic(secret)
        return None

    def is_locked(self, user_name: str) -> bool:
        """Return whether an account is locked out."""
        return self._failures[user_name] >= LOCKED_AFTER

    def unlock(self, user_name: str) -> None:
        """Open a locked account again."""
        del self._failures[user_name]

    def expire_tokens(self) -> None:
        """Expire every access token now; refresh tokens stay valid."""
        self._grants = [replace(grant, expires_at=self._now()) for grant in self._grants]

    def grant(self, request: Request) -> Response:
        """Answer the token endpoint, which accepts form encoding only."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        client_id, client_secret = _client_credentials(request, form)
        client = self._clients.get(client_id)
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if not is_form or client is None or client.client_secret != client_secret:
            return Response.json(401, REFUSED_GRANT)
        found = self._granted(client, form)
        return Response.json(401, REFUSED_GRANT) if found is None else Response.json(200, self._answer(found, form))

    def _granted(self, client: OAuthClient, form: Mapping[str, str]) -> _Grant | None:
        match form.get("grant_type", ""):
            case "password":
                user = self._checked(form.get("username", ""), form.get("password", ""))
                return self._current(user.user_name, client) if user else None
            case "client_credentials":
                return self._current(client.user_name, client) if client.user_name in self._users else None
            case "refresh_token":
                refresh = form.get("refresh_token", "")
                old = next((one for one in self._grants if one.refresh_token == refresh), None)
                return self._current(old.user_name, client) if old and old.client_id == client.client_id else None
            case _:
                return None

    def _current(self, user_name: str, client: OAuthClient) -> _Grant:
        """Return the grant that still lives, or a new one that keeps the refresh token of the last."""
        mine = [one for one in self._grants if (one.user_name, one.client_id) == (user_name, client.client_id)]
        if mine and mine[-1].expires_at > self._now():
            return mine[-1]
        made = _Grant(
            user_name=user_name,
            client_id=client.client_id,
            access_token=secrets.token_urlsafe(32),
            refresh_token=mine[-1].refresh_token if mine else secrets.token_urlsafe(32),
            expires_at=self._now() + self._lifetime,
        )
        self._grants.append(made)
        return made

    def _answer(self, grant: _Grant, form: Mapping[str, str]) -> dict[str, object]:
        # A second less than is left: the service's own samples say 1799 of 1800.
        left = max(0, int((grant.expires_at - self._now()).total_seconds()) - 1)
        answer: dict[str, object] = {"access_token": grant.access_token}
        if form["grant_type"] != "client_credentials":
            answer["refresh_token"] = grant.refresh_token
        return {**answer, "scope": "useraccount", "token_type": "Bearer", "expires_in": left}

    def _bearer(self, token: str) -> ApiUser | None:
        live = (one for one in self._grants if one.access_token == token and one.expires_at > self._now())
        found = next(live, None)
        return self._users.get(found.user_name) if found else None

    def _basic(self, secret: str) -> ApiUser | None:
        user_name, password = _pair(secret)
        user = self._checked(user_name, password)
        if user and self._switches.basic_auth == "restricted" and BASIC_ROLE not in user.roles:
            return None
        return user

    def _checked(self, user_name: str, password: str) -> ApiUser | None:
        """Check a password; failures in a row lock the account."""
        user = self._users.get(user_name)
        if user is None or self.is_locked(user_name):
            return None
        if not password or password != user.password:
            self._failures[user_name] += 1
            return None
        self._failures[user_name] = 0
        return user


def _client_credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Return a client's id and secret from the form, or from a Basic header, percent-encoded there (RFC 6749)."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if "client_id" in form or scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    client_id, client_secret = _pair(secret)
    return unquote_plus(client_id), unquote_plus(client_secret)


def _pair(secret: str) -> tuple[str, str]:
    """Read what a Basic header holds; two empty words where it cannot be read."""
    try:
        name, _, word = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, word
