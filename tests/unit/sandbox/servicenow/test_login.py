"""Who is let in by a ServiceNow world over HTTP: basic, tokens, keys, the lock, and the rate rule."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.sandbox.servicenow.api.face import RateRule, ServiceNowFace
from reconciler.sandbox.servicenow.api.login import API_PASSWORD, BASIC_ROLE, LOCKED_AFTER, ApiUser
from reconciler.sandbox.servicenow.tables.schema import API_USER
from tests.unit.sandbox.servicenow.support import TABLE, basic, call, new_face, token, words


def status(face: ServiceNowFace, headers: Mapping[str, str]) -> int:
    return call(face, "GET", TABLE, {"sysparm_limit": "1"}, headers=headers).status


def test_no_or_bad_credentials_are_401() -> None:
    face = new_face()
    assert words(call(face, "GET", TABLE, headers={"x": "y"})) == (
        401,
        "User is not authenticated",
        "Required to provide Auth information",
    )
    for headers in (basic(password="wrong"), basic("nobody"), {"authorization": "Basic ?"}, {"x-sn-apikey": "no"}):
        assert status(face, headers) == 401
    assert status(face, basic()) == status(face, {"x-sn-apikey": "k3y"}) == 200


def test_basic_may_be_restricted_to_a_role() -> None:
    restricted = new_face(basic_auth="restricted")
    assert (status(restricted, basic()), status(restricted, {"x-sn-apikey": "k3y"})) == (401, 200)
    allowed = new_face(users=(ApiUser(roles=frozenset({BASIC_ROLE})),), basic_auth="restricted")
    assert status(allowed, basic()) == 200


def test_repeated_failures_lock_the_account() -> None:
    face = new_face()
    for _ in range(LOCKED_AFTER - 1):
        status(face, basic(password="wrong"))
    assert status(face, basic()) == 200
    for _ in range(LOCKED_AFTER):
        status(face, basic(password="wrong"))
    assert status(face, basic()) == 401
    face.logins.unlock(API_USER)
    assert status(face, basic()) == 200


def test_tokens_are_granted_expire_and_are_refreshed() -> None:
    face = new_face()
    first = json.loads(token(face, grant_type="password", username=API_USER, password=API_PASSWORD).body)
    assert (first["token_type"], first["expires_in"], first["scope"]) == ("Bearer", 1799, "useraccount")
    bearer = {"authorization": f"Bearer {first['access_token']}"}
    assert status(face, bearer) == 200
    again = json.loads(token(face, grant_type="refresh_token", refresh_token=first["refresh_token"]).body)
    assert again["access_token"] == first["access_token"]
    face.world.clock.advance(minutes=30)
    assert status(face, bearer) == 401
    renewed = json.loads(token(face, grant_type="refresh_token", refresh_token=first["refresh_token"]).body)
    assert status(face, {"authorization": f"Bearer {renewed['access_token']}"}) == 200
    machine = json.loads(token(face, grant_type="client_credentials").body)
    assert "refresh_token" not in machine
    face.logins.expire_tokens()
    assert status(face, {"authorization": f"Bearer {machine['access_token']}"}) == 401


def test_a_refused_grant_is_401() -> None:
    face = new_face()
    refused = token(face, grant_type="password", username=API_USER, password="wrong")
    assert (refused.status, json.loads(refused.body)["error_description"]) == (401, "access_denied")
    assert token(face, grant_type="client_credentials", client_secret="wrong").status == 401
    as_json = call(face, "POST", "/oauth_token.do", body={"grant_type": "client_credentials"})
    assert as_json.status == 401


def test_the_rate_rule_shows_itself_before_it_strikes() -> None:
    face = new_face(RateRule(requests_per_hour=2))
    allowed = call(face, "GET", TABLE)
    assert (allowed.status, allowed.headers["X-RateLimit-Limit"]) == (200, "2")
    call(face, "GET", TABLE)
    denied = call(face, "GET", TABLE)
    assert words(denied) == (429, "Rate limit exceeded", "Rate limit of 2 requests per hour for Table API exceeded")
    assert denied.headers["Retry-After"] == "3600"
    face.world.clock.advance(hours=1)
    assert call(face, "GET", TABLE).status == 200
    semaphore = call(new_face(RateRule(requests_per_hour=0, headers=False)), "GET", TABLE)
    assert semaphore.status == 429
    assert not [name for name in semaphore.headers if name.startswith(("X-Rate", "Retry"))]
