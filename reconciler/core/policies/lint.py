"""What a valid config says that can hardly be meant: each a sentence with the place and what to write instead.

Nothing here is an error: every one of these configs runs, and does what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler.core.expressions.context import case_context
from reconciler.core.expressions.templates import TemplateFailed
from reconciler.core.lifecycle import STEPS
from reconciler.core.model import Case
from reconciler.core.policies.defaults import DEFAULT_REFERENCES, render_fields
from reconciler.core.policies.policies import Inbound, Policies, Route
from reconciler.core.policies.requirements import parts_of
from reconciler.core.policies.routing import in_order

DEFAULT = "default"
"""This policy is there even when the file has no table for it, so it may go unused."""

BARE_CASE = Case(
    id="00000000-0000-4000-8000-000000000000",
    key=None,
    title="a Case without anything that a Case need not have",
    status="ACTIVE",
    priority="P3",
    category="AVAILABILITY",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def advice(policies: Policies) -> tuple[str, ...]:
    """List what a person should look at, in the order of routes, policies, connectors."""
    return (
        *_of_routes(policies.routes),
        *_unused(policies),
        *(words for inbound in policies.inbound.values() for words in _of_inbound(inbound)),
        *_deaf(policies),
        *_never_true(policies),
    )


def _of_routes(routes: tuple[Route, ...]) -> Iterator[str]:
    tried = in_order(routes)
    for place, route in enumerate(tried):
        before = next((other for other in tried[:place] if _covers(other, route)), None)
        if before is not None:
            why = "takes every Case" if _takes_all(before) else "has the same condition"
            yield f"route {route.name!r} is never reached: {before.name!r} stands before it and {why}"
    if not any(_takes_all(route) for route in routes):
        yield (
            "a Case that no route takes gets no record (skip not_routed): add a route with fallback = true if every "
            "Case should have one"
        )


def _covers(before: Route, route: Route) -> bool:
    same = (before.when.source.strip(), before.labels, before.priorities) == (
        route.when.source.strip(),
        route.labels,
        route.priorities,
    )
    return _takes_all(before) or (same and before.fallback == route.fallback)


def _takes_all(route: Route) -> bool:
    return route.when.source.strip() in {"", "true"} and not route.labels and not route.priorities


def _unused(policies: Policies) -> Iterator[str]:
    used = {
        "inbound": {route.inbound for route in policies.routes},
        "outbound": {route.outbound for route in policies.routes},
        "servicenow": {route.connector for route in policies.routes},
    }
    there = {"inbound": policies.inbound, "outbound": policies.outbound, "servicenow": policies.connectors}
    for kind, names in there.items():
        for name in sorted(set(names) - used[kind] - {DEFAULT}):
            yield f"[{kind}.{name}] is used by no route"


def _of_inbound(inbound: Inbound) -> Iterator[str]:
    filled = {field for templates in parts_of(inbound).values() for field in templates}
    for field, reference in inbound.references.items():
        if field not in filled and DEFAULT_REFERENCES.get(field) != reference:
            yield f"[inbound.{inbound.name}.references] {field}: no template of this policy fills that field"
    for part, templates in parts_of(inbound).items():
        for field, template in templates.items():
            try:
                render_fields({field: template}, case_context(BARE_CASE))
            except TemplateFailed as failure:
                yield (
                    f"[inbound.{inbound.name}.{part}] {failure}; a Case without that waits as rejected: "
                    'add | default("…"), unless every Case of its routes has it'
                )


def _deaf(policies: Policies) -> Iterator[str]:
    for name, outbound in policies.outbound.items():
        if not any(outbound.listens(step) for step in STEPS):
            yield f'[outbound.{name}] listens to nothing; write outbound = "none" in the route to say so'


def _never_true(policies: Policies) -> Iterator[str]:
    conditions = {f"[[route]] {route.name}: when": route.when for route in policies.routes}
    conditions |= {f"[inbound.{one.name}] create_when": one.create_when for one in policies.inbound.values()}
    conditions |= {f"[inbound.{one.name}] update_when": one.update_when for one in policies.inbound.values()}
    conditions |= {f"[outbound.{one.name}] when": one.when for one in policies.outbound.values()}
    for place, condition in conditions.items():
        for words in condition.doubts:
            yield f"{place}: {words}"
