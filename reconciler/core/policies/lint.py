"""What in a valid config is probably a mistake: each a sentence with the place and what to write instead.

Nothing here is an error: every one of these configs runs, and does what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from reconciler.core.copies import replace
from reconciler.core.errors import TemplateFailed, ValueMissing
from reconciler.core.expressions.context import case_context
from reconciler.core.expressions.templates import Template, render_fields
from reconciler.core.findings import Code
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STEPS
from reconciler.core.model import Case
from reconciler.core.policies.defaults import DEFAULT_REFERENCES
from reconciler.core.policies.policies import DEFAULT, Inbound, Policies, Route
from reconciler.core.policies.requirements import parts_of
from reconciler.core.policies.routing import in_order

_LABEL = re.compile(r"""\bcase\.labels(?:\.(\w+)|\[(?:"([^"]+)"|'([^']+)'|`([^`]+)`)\])""")
"""A label that a condition names."""

BARE_CASE = Case(
    id="00000000-0000-4000-8000-000000000000",
    key="CASE-1",
    title="a Case without anything that a Case need not have",
    status="ACTIVE",
    priority="P3",
    category="AVAILABILITY",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What in a config is probably a mistake."""

    code: Code
    words: str


def advice(policies: Policies) -> tuple[Doubt, ...]:
    """List what a person should look at, in the order of routes, policies, connectors."""
    return (
        *_of_routes(policies.routes),
        *_unused(policies),
        *(doubt for inbound in policies.inbound.values() for doubt in _of_inbound(inbound, policies.routes)),
        *_deaf(policies),
        *_never_true(policies),
    )


def _of_routes(routes: tuple[Route, ...]) -> Iterator[Doubt]:
    tried = in_order(routes)
    for place, route in enumerate(tried):
        before = next((other for other in tried[:place] if _covers(other, route)), None)
        if before is not None:
            why = "takes every Case" if takes_all(before) else "has the same condition"
            words = f"route {route.name!r} is never reached: {before.name!r} stands before it and {why}"
            yield Doubt(code=Code.UNREACHED_ROUTE, words=words)


def _covers(before: Route, route: Route) -> bool:
    same = (before.when.source.strip(), before.labels, before.priorities) == (
        route.when.source.strip(),
        route.labels,
        route.priorities,
    )
    return same or takes_all(before)


def takes_all(route: Route) -> bool:
    """Return whether a route takes every Case that comes to it."""
    return route.when.is_always and not route.labels and not route.priorities


def _unused(policies: Policies) -> Iterator[Doubt]:
    routes = policies.routes
    unused = {
        # The default policies are there even without a table.
        "inbound": policies.inbound.keys() - {route.inbound for route in routes} - {DEFAULT},
        "outbound": policies.outbound.keys() - {route.outbound for route in routes} - {DEFAULT},
        "servicenow": policies.connectors - {route.connector for route in routes},
    }
    for kind, names in unused.items():
        for name in sorted(names):
            yield Doubt(code=Code.UNUSED, words=f"[{kind}.{name}] is used by no route")


def _of_inbound(inbound: Inbound, routes: Sequence[Route]) -> Iterator[Doubt]:
    filled = {field for templates in parts_of(inbound).values() for field in templates}
    for field, reference in inbound.references.items():
        if field not in filled and DEFAULT_REFERENCES.get(field) != reference:
            words = f"[inbound.{inbound.name}.references] {field}: no template of this policy fills that field"
            yield Doubt(code=Code.UNFILLED, words=words)
    yield from _failing(inbound, [barest(route) for route in routes if route.inbound == inbound.name] or [BARE_CASE])


def barest(route: Route) -> Case:
    """Return the emptiest Case that a route takes: with the labels that it names, and nothing else."""
    named = {name for found in _LABEL.findall(route.when.source) for name in found if name}
    labels = {**dict.fromkeys(named, ("some",)), **{key: values[:1] for key, values in route.labels.items()}}
    return replace(BARE_CASE, labels=labels, priority=next(iter(route.priorities), BARE_CASE.priority))


def _failing(inbound: Inbound, cases: Sequence[Case]) -> Iterator[Doubt]:
    """Name each template that fails for a Case that a route of its policy takes."""
    for part, templates in parts_of(inbound).items():
        for field, template in templates.items():
            failures = [why for case in cases if (why := _failure(field, template, case))]
            if failures:
                words = f"[inbound.{inbound.name}.{part}] {failures[0]}; {_way_out(failures[0])}"
                yield Doubt(code=Code.FAILING_TEMPLATE, words=words)


def _way_out(failure: TemplateFailed) -> str:
    if isinstance(failure, ValueMissing):
        return 'a Case without that waits as rejected: add | default("…"), unless every Case of its routes has it'
    return "a Case for which it fails so waits as rejected: write a template that takes every Case of its routes"


def _failure(field: str, template: Template, case: Case) -> TemplateFailed | None:
    try:
        render_fields({field: template}, case_context(case))
    except TemplateFailed as failure:
        return failure
    return None


def _deaf(policies: Policies) -> Iterator[Doubt]:
    for name, outbound in policies.outbound.items():
        if not any(outbound.listens(step) for step in STEPS):
            words = f'[outbound.{name}] listens to nothing; write outbound = "none" in the route to say so'
            yield Doubt(code=Code.DEAF, words=words)


def _never_true(policies: Policies) -> Iterator[Doubt]:
    conditions = {f"[[route]] {route.name}: when": route.when for route in policies.routes}
    conditions |= {f"[inbound.{one.name}] create_when": one.create_when for one in policies.inbound.values()}
    conditions |= {f"[inbound.{one.name}] update_when": one.update_when for one in policies.inbound.values()}
    conditions |= {f"[outbound.{one.name}] when": one.when for one in policies.outbound.values()}
    for place, condition in conditions.items():
        for words in condition.doubts:
            yield Doubt(code=Code.NEVER_TRUE, words=f"{place}: {words}")
