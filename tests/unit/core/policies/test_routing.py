"""The first route that is true takes the Case; each of the others says why it did not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.context import EXAMPLE_CASE as CASE
from reconciler.core.policies.policies import Route
from reconciler.core.policies.routing import explain_routes, route_for


def route(
    name: str,
    when: str = "true",
    *,
    labels: dict[str, tuple[str, ...]] | None = None,
    priorities: tuple[str, ...] = (),
    fallback: bool = False,
) -> Route:
    return Route(
        name=name,
        when=Condition.compile(when),
        labels=labels or {},
        priorities=priorities,
        fallback=fallback,
        connector="main",
        inbound="default",
        outbound="default",
    )


def taken(*routes: Route) -> str | None:
    found = route_for(CASE, routes)
    return found.name if found else None


def test_the_first_true_route_takes_the_case() -> None:
    assert taken(route("a", "false"), route("b"), route("c")) == "b"
    assert taken(route("a", "false")) is None
    assert taken() is None


def test_a_fallback_takes_what_no_other_took_wherever_it_stands() -> None:
    assert taken(route("rest", fallback=True), route("b")) == "b"
    assert taken(route("rest", fallback=True), route("b", "false")) == "rest"
    assert taken(route("rest", "false", fallback=True), route("last", fallback=True)) == "last"


@pytest.mark.parametrize(
    ("made", "takes"),
    [
        (route("r", labels={"routing.team": ("sre",)}), True),
        (route("r", labels={"routing.team": ("ops", "sre")}), True),
        (route("r", labels={"channel": ("chat",)}), True),
        (route("r", labels={"routing.team": ("sr",)}), False),
        (route("r", labels={"nothing": ("sre",)}), False),
        (route("r", labels={"routing.team": ("sre",), "channel": ("phone",)}), False),
        (route("r", priorities=("P1", "P2")), True),
        (route("r", priorities=("P1",)), False),
        (route("r", priorities=("P2",), labels={"routing.team": ("sre",)}), True),
        (route("r", "false", priorities=("P2",), labels={"routing.team": ("sre",)}), False),
    ],
)
def test_labels_priorities_and_when_must_all_hold(made: Route, takes: bool) -> None:
    assert (route_for(CASE, [made]) is made) is takes


def test_each_route_says_why_it_did_or_did_not_take_the_case() -> None:
    routes = [
        route("rest", fallback=True),
        route("paged", 'case.assignee == "x"', labels={"routing.team": ("ops",), "a": ("b",)}, priorities=("P1",)),
        route("all"),
        route("twin"),
    ]
    paged, everything, twin, rest = explain_routes(replace(CASE, assignee=""), routes)
    assert paged.failures == (
        "priority P2 is not among P1",
        "label routing.team is sre, not ops",
        "label a is missing, not b",
        "when: case.assignee has no value here",
    )
    assert (everything.took, everything.words) == (True, "takes the Case")
    assert (twin.took, twin.words) == (False, "would take the Case, but all did before it")
    assert (rest.route, rest.fallback, rest.before) == ("rest", True, "all")
    assert paged.words.count("; ") == 3


def test_what_is_explained_is_what_is_done() -> None:
    routes = [route("a", 'case.priority == "P1"'), route("rest", fallback=True), route("b", 'case.priority == "P3"')]
    for priority in ("P1", "P2", "P3"):
        case = replace(CASE, priority=priority)
        (took,) = (trace.route for trace in explain_routes(case, routes) if trace.took)
        found = route_for(case, routes)
        assert found is not None
        assert took == found.name
