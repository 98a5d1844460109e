"""Which route takes a Case: the first that is true, and a fallback route only where no other took it.

Coralogix's own routers differ: there, every rule whose condition is true fires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.expressions.context import case_context
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case
from reconciler.core.policies.policies import Route


@dataclass(frozen=True, kw_only=True)
class RouteTrace:
    """Why one route did or did not take a Case."""

    route: str
    fallback: bool
    took: bool
    failures: tuple[str, ...] = ()
    """each part that does not hold, in words; empty for a route that is true"""
    before: str = ""
    """the route that took the Case earlier, where this one is true as well"""

    @property
    def words(self) -> str:
        """Say it in one line."""
        if self.took:
            return "takes the Case"
        return "; ".join(self.failures) if self.failures else f"would take the Case, but {self.before} did before it"


def in_order(routes: Sequence[Route]) -> list[Route]:
    """Return the routes in the order in which they are tried: fallback routes last, else as they stand."""
    return sorted(routes, key=lambda route: route.fallback)


def route_for(case: Case, routes: Sequence[Route]) -> Route | None:
    """Return the route that takes a Case; None when none does."""
    context = {} if all(route.when.is_always for route in routes) else case_context(case)
    for route in in_order(routes):
        if next(failures(case, route, context), None) is None:
            return route
    return None


def count_taken(cases: Iterable[Case], routes: Sequence[Route]) -> Counter[str]:
    """Count the Cases that each route takes, ``""`` those that none does."""
    taken: Counter[str] = Counter()
    for case in cases:
        route = route_for(case, routes)
        taken[route.name if route else ""] += 1
    return taken


def explain_routes(case: Case, routes: Sequence[Route]) -> tuple[RouteTrace, ...]:
    """Say of every route, in the order in which they are tried, why it did or did not take the Case."""
    context = case_context(case)
    traces: list[RouteTrace] = []
    taken = ""
    for route in in_order(routes):
        failed = tuple(failures(case, route, context))
        took = not failed and not taken
        traces.append(
            RouteTrace(
                route=route.name,
                fallback=route.fallback,
                took=took,
                failures=failed,
                before="" if took or failed else taken,
            )
        )
        taken = taken or (route.name if took else "")
    return tuple(traces)


def failures(case: Case, route: Route, context: Mapping[str, Any]) -> Iterator[str]:
    """Name each part of a route that does not hold; a route without any takes the Case."""
    if route.priorities and case.priority not in route.priorities:
        yield f"priority {case.priority} is not among {', '.join(route.priorities)}"
    for key, wanted in route.labels.items():
        values = case.labels.get(key, ())
        if not set(values) & set(wanted):
            found = f"is {', '.join(values)}" if values else "is missing"
            yield f"label {key} {found}, not {' or '.join(wanted)}"
    why = route.when.why_not(context)
    if why:
        yield f"when: {why}"
