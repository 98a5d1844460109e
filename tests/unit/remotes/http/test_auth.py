"""How a login gets its headers: fixed ones, and tokens that are asked for, renewed and forgotten."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.core.errors import AuthFailed
from reconciler.core.model import JsonObject
from reconciler.remotes.http.auth import (
    OAuthLogin,
    api_key_login,
    basic_login,
    bearer_login,
    client_credentials_login,
    password_login,
)
from tests.unit.remotes.scripted import FakeTime


class TokenDesk:
    """Hand out numbered tokens, refuse refresh tokens on request, and keep every form."""

    def __init__(self, **answer: object) -> None:
        self.answer = answer
        self.forms: list[dict[str, str]] = []
        self.refuses_refresh = False

    def ask(self, path: str, form: Mapping[str, str]) -> JsonObject:
        assert path == "/oauth_token.do"
        self.forms.append(dict(form))
        if self.refuses_refresh and form["grant_type"] == "refresh_token":
            raise AuthFailed("access_denied")
        return {"access_token": f"token-{len(self.forms)}", "expires_in": 1799, **self.answer}

    @property
    def grants(self) -> list[str]:
        return [form["grant_type"] for form in self.forms]


def a_login(time: FakeTime | None = None) -> OAuthLogin:
    now = time or FakeTime()
    return password_login(client_id="c", client_secret="s", username="u", password="p", monotonic=lambda: now.seconds)


def test_fixed_logins_send_their_headers_and_have_nothing_newer() -> None:
    desk = TokenDesk()
    assert basic_login("Ali", "a:b€").headers(desk.ask) == {"Authorization": "Basic QWxpOmE6YuKCrA=="}
    assert bearer_login("key").headers(desk.ask) == {"Authorization": "Bearer key"}
    assert api_key_login("key").headers(desk.ask) == {"x-sn-apikey": "key"}
    assert not bearer_login("key").renew({"Authorization": "Bearer key"})
    assert desk.forms == []


@pytest.mark.parametrize(("lifetime", "good_for"), [(1799, 1739), ("1800", 1740), (60, 30), (None, 1740), ("x", 1740)])
def test_a_token_serves_until_shortly_before_its_end(lifetime: object, good_for: int) -> None:
    time, desk = FakeTime(), TokenDesk(expires_in=lifetime)
    login = a_login(time)
    login.headers(desk.ask)
    time.seconds = good_for - 1
    assert login.headers(desk.ask) == {"Authorization": "Bearer token-1"}
    time.seconds = good_for
    assert login.headers(desk.ask) == {"Authorization": "Bearer token-2"}


def test_an_old_token_is_exchanged_by_its_refresh_token() -> None:
    time, desk = FakeTime(), TokenDesk(refresh_token="again")
    login = a_login(time)
    login.headers(desk.ask)
    time.seconds = 5000
    login.headers(desk.ask)
    assert desk.forms[1] == {
        "grant_type": "refresh_token",
        "refresh_token": "again",
        "client_id": "c",
        "client_secret": "s",
    }


def test_a_refresh_token_that_is_over_leads_to_a_new_login() -> None:
    time, desk = FakeTime(), TokenDesk(refresh_token="again")
    login = a_login(time)
    login.headers(desk.ask)
    time.seconds, desk.refuses_refresh = 5000, True
    assert login.headers(desk.ask) == {"Authorization": "Bearer token-3"}
    assert desk.grants == ["password", "refresh_token", "password"]


def test_a_refused_token_is_forgotten_with_its_refresh_token() -> None:
    desk = TokenDesk(refresh_token="again")
    login = a_login()
    refused = login.headers(desk.ask)
    assert login.renew(refused)
    assert login.headers(desk.ask) == {"Authorization": "Bearer token-2"}
    assert desk.grants == ["password", "password"]


def test_a_token_that_another_thread_renewed_already_is_kept() -> None:
    desk = TokenDesk()
    login = a_login()
    refused = login.headers(desk.ask)
    for _ in range(5):
        login.renew(refused)
        login.headers(desk.ask)
    assert len(desk.forms) == 2


def test_threads_that_come_together_ask_once() -> None:
    desk = TokenDesk()
    login = client_credentials_login(client_id="c", client_secret="s")
    gate = threading.Barrier(8)

    def use(_: int) -> Mapping[str, str]:
        gate.wait()
        return login.headers(desk.ask)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(str, pool.map(use, range(8))))) == 1
    assert desk.forms == [{"grant_type": "client_credentials", "client_id": "c", "client_secret": "s"}]


@pytest.mark.parametrize("access", [None, "", 7])
def test_an_answer_without_a_token_is_a_failed_login(access: object) -> None:
    with pytest.raises(AuthFailed, match="access_token"):
        a_login().headers(TokenDesk(access_token=access).ask)
