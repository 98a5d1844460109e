"""What a service repeats of our login: with every login, in every form, in every place, it stays outside."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from reconciler.core.errors import RemoteError
from reconciler.core.model import System
from reconciler.remotes.http.auth import (
    Login,
    api_key_login,
    basic_login,
    bearer_login,
    client_credentials_login,
    password_login,
)
from reconciler.remotes.http.echoes import Echoes
from reconciler.remotes.http.outcomes import Operation
from tests.unit.remotes.scripted import Scripted, as_json, talking

PASSWORD = "p@ss wörd/42+x"
KEY = "cx-8f2e/41+d0"
PAIR = base64.b64encode(f"sync:{PASSWORD}".encode()).decode()
TOKEN = "tok.9aa-33f/1="
READ, CREATE = Operation.READ, Operation.CREATE

LOGINS: dict[str, tuple[Callable[[], Login], tuple[str, ...]]] = {
    "bearer": (lambda: bearer_login(KEY), (KEY,)),
    "basic": (lambda: basic_login("sync", PASSWORD), (PASSWORD, PAIR)),
    "api_key": (lambda: api_key_login(KEY), (KEY,)),
    "oauth_password": (
        lambda: password_login(client_id="client", client_secret=KEY, username="sync", password=PASSWORD),
        (PASSWORD, KEY, TOKEN),
    ),
    "oauth_client_credentials": (
        lambda: client_credentials_login(client_id="client", client_secret=KEY),
        (KEY, TOKEN),
    ),
}
GRANT = as_json({"access_token": TOKEN, "refresh_token": "refresh-77", "expires_in": 1799})


def forms(secret: str) -> Iterator[str]:
    """Give what a service could make of a secret."""
    yield secret
    yield quote(secret, safe="")
    yield re.sub("%..", lambda code: code[0].lower(), quote(secret, safe=""))
    yield quote(secret)
    yield secret.replace(" ", "+")
    yield "".join(f"%{byte:02x}" for byte in secret.encode())
    yield secret.replace("&", "&amp;")
    for before in ("", "a", "ab"):
        yield base64.b64encode(f"{before}{secret}, and more".encode()).decode()
        yield base64.urlsafe_b64encode(f"{before}{secret}".encode()).decode()


def answers_to(login: str, answer: Scripted) -> list[Scripted]:
    return [GRANT, answer] if login.startswith("oauth") else [answer]


def shows(text: str, secret: str) -> bool:
    """Say whether a text holds a secret in any of its forms."""
    return Echoes([secret], shortest=4).are_in(text.encode())


CASES = [(name, secret) for name, (_, secrets) in LOGINS.items() for secret in secrets]


@pytest.mark.parametrize(("login", "secret"), CASES)
def test_a_refusal_that_repeats_a_secret_tells_nothing_of_it(login: str, secret: str) -> None:
    for form in forms(secret):
        words = f"header Authorization: Basic {form} was refused"
        refusal = as_json({"error": {"message": words, "detail": form}}, 400, X_Transaction_ID=f"id-{quote(form)}")
        with talking(*answers_to(login, refusal), login=LOGINS[login][0]()) as it:
            with pytest.raises(RemoteError) as caught:
                it.http.request(CREATE, "POST", "/x", body={})
            told = [str(caught.value), str(caught.value.request_id), *(str(one) for one in it.records)]
        assert "[redacted]" in caught.value.words, form
        assert not any(shows(text, secret) for text in told), form


@pytest.mark.parametrize(("login", "secret"), CASES)
def test_data_that_repeats_a_secret_comes_in_without_it(login: str, secret: str) -> None:
    rows = {"result": [{"short_description": f"as {form} says", form: 1} for form in forms(secret)]}
    with talking(*answers_to(login, as_json(rows)), login=LOGINS[login][0]()) as it:
        document = it.http.request(READ, "GET", "/x").document
    assert len(document["result"]) == len(list(forms(secret)))
    assert not shows(json.dumps(document, ensure_ascii=False), secret)


def test_a_refusal_that_repeats_a_session_tells_nothing_of_it() -> None:
    session = "5F0A9C1D77E24B"
    first = as_json({}, Set_Cookie=f"JSESSIONID={session}; Path=/")
    refusal = as_json({"error": {"message": f"sent JSESSIONID={session}; that is {quote(session)}"}}, 400)
    with talking(first, refusal, login=basic_login("sync", PASSWORD)) as it:
        it.http.request(READ, "GET", "/x")
        with pytest.raises(RemoteError) as caught:
            it.http.request(READ, "GET", "/x")
    assert it.seen[1].headers["cookie"] == f"JSESSIONID={session}"
    assert caught.value.words == "sent JSESSIONID=[redacted]; that is [redacted]"


@pytest.mark.parametrize(
    "escaped",
    ["".join(f"\\u{ord(sign):04X}" for sign in PASSWORD), PASSWORD.replace("/", "\\/")],
    ids=["code", "slash"],
)
def test_a_secret_behind_the_escapes_of_json_is_found(escaped: str) -> None:
    body = b'{"error": {"message": "sent %s"}}' % escaped.encode()
    login = basic_login("sync", PASSWORD)
    with talking(Scripted(status=403, body=body), login=login) as it, pytest.raises(RemoteError) as caught:
        it.http.request(READ, "GET", "/x")
    assert caught.value.words == "sent [redacted]"


def test_a_status_line_that_repeats_a_secret_is_no_cause() -> None:
    def spoil(handler: object) -> None:
        handler.wfile.write(f"HTTP/1.1 Authorization: Bearer {KEY}\r\n\r\n".encode())  # type: ignore[attr-defined]

    with talking(*[Scripted(spoil=spoil)] * 3) as it, pytest.raises(RemoteError):
        it.http.request(CREATE, "POST", "/x", body={})
    with talking(Scripted(spoil=spoil), login=bearer_login(KEY)) as it, pytest.raises(RemoteError) as caught:
        it.http.request(CREATE, "POST", "/x", body={})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_refused_grant_that_repeats_what_it_was_asked_with() -> None:
    words = f"password={quote(PASSWORD)}&client_secret={KEY}"
    refusal = as_json({"error": "invalid", "error_description": words}, 401)
    login = LOGINS["oauth_password"][0]()
    with talking(refusal, login=login) as it, pytest.raises(RemoteError) as caught:
        it.http.request(READ, "GET", "/x")
    assert caught.value.words == "invalid: password=[redacted]&client_secret=[redacted]"


def test_a_token_that_is_given_again_still_works() -> None:
    """Within its lifetime a refresh gives the same token back: there it is no echo."""
    login = client_credentials_login(
        client_id="c", client_secret=KEY, monotonic=iter([0.0, 9999.0, 9999.0, 9999.0]).__next__
    )
    fine = as_json({"result": "fine"})
    with talking(GRANT, fine, GRANT, fine, login=login) as it:
        for _ in range(2):
            it.http.request(READ, "GET", "/x")
    assert it.seen[3].headers["authorization"] == f"Bearer {TOKEN}"


def test_the_password_of_a_proxy_is_a_secret_too() -> None:
    with talking(as_json({"error": {"message": "Proxy-Authorization: Basic cHJveHk6bTBycm93"}}, 502)) as other:
        proxy = other.server.url.replace("http://", "http://proxy:m0rrow@")
        with talking(proxies={"http": proxy}) as it, pytest.raises(RemoteError) as caught:
            it.http.request(CREATE, "POST", "/x", body={})
    assert caught.value.words == "Proxy-Authorization: Basic [redacted]"


@pytest.mark.parametrize("secret", ["abc", ""])
def test_what_is_too_short_to_be_told_from_words_is_left(secret: str) -> None:
    assert Echoes([secret], shortest=4).blotted("abc") == "abc"
    assert not Echoes([secret], shortest=4).are_in(b"abc")


def test_a_short_password_is_taken_out_of_refusals_and_not_out_of_data() -> None:
    login = basic_login("sync", "admin")
    with talking(as_json({"result": "admin"}), as_json({"error": {"message": "admin?"}}, 400), login=login) as it:
        assert it.http.request(READ, "GET", "/x").document == {"result": "admin"}
        with pytest.raises(RemoteError, match=r"\[redacted\]\?"):
            it.http.request(READ, "GET", "/x")


def test_an_answer_without_a_secret_is_left_as_it_is() -> None:
    body = {"result": [{"a": "100 % of 3+4 is 50%25", "b": "back\\slash \u00e9 \U0001f600"}]}
    with talking(as_json(body), login=basic_login("sync", PASSWORD)) as it:
        assert it.http.request(READ, "GET", "/x").document == body


def test_odd_headers_are_told_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    odd = as_json({}, X_Total_Count="9" * 5000)
    with talking(odd, odd) as it, caplog.at_level(logging.WARNING):
        for _ in range(2):
            it.http.request(READ, "GET", "/x")
    assert [(one.message, one.__dict__["header"]) for one in caplog.records] == [
        ("a header makes no sense and is ignored", "x-total-count")
    ]


def test_a_request_id_is_cut_and_clean() -> None:
    answer = as_json({"error": "no"}, 400, X_Transaction_ID="x" * 5000)
    with talking(answer, system=System.SERVICENOW) as it, pytest.raises(RemoteError) as caught:
        it.http.request(READ, "GET", "/x")
    assert caught.value.request_id == "x" * 200
    assert it.records[0].request_id == "x" * 200
