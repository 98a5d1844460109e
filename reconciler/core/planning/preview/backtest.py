"""What another config would have done with the Cases and records that are remembered.

Rules of this file: each Case is looked at as it is now, and as if it had no record yet; what a Case looked like when
its record was made is not remembered. A link that exists stays with its connector whatever a new config says, so a
difference in route or target is about records that are still to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from reconciler.core.copies import replace
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STEP_TO
from reconciler.core.model import Link, Pair, Skip, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.preview.trial import render_parts
from reconciler.core.planning.rules import admit
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Policies

FOLLOWS = "follows its Case"


class DifferenceKind(StrEnum):
    """What differs between two configs for one Case."""

    RECORD_MORE = "record_more"
    RECORD_FEWER = "record_fewer"
    ROUTE = "route"
    TARGET = "target"
    """connector and table"""
    FIELD = "field"
    ASKS = "asks"
    """what the record, as it is now, asks of its Case"""
    UPDATES = "updates"
    """whether the record, as it is now, follows its Case"""


@dataclass(frozen=True, kw_only=True)
class Version:
    """What one config makes of one Case."""

    why_none: str = ""
    """why it gets no record; empty when it gets one"""
    route: str = ""
    target: str = ""
    in_step: Mapping[str, str] = field(default_factory=dict)
    once: Mapping[str, str] | None = None
    """what is written once; None where that is not remembered"""
    asks: Stage | None = None
    withheld: str = ""
    """why the record, as it is now, gets nothing from its Case; empty where it follows or there is none"""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that would have been different for one Case."""

    case_id: str
    case_key: str | None
    kind: DifferenceKind
    name: str = ""
    """the field, for a field"""
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay over many Cases comes to."""

    cases: int
    records_before: int
    records_after: int
    differences: tuple[Difference, ...]


def replay(
    pairs: Iterable[Pair], before: Policies | None, after: Policies, knowledge: Knowledge, skips: Mapping[str, Skip]
) -> Replayed:
    """Compare two configs over what is remembered; without ``before``, one config with what was done.

    ``skips`` holds why a Case has no record, by Case id.
    """
    cases = records_before = records_after = 0
    differences: list[Difference] = []
    for pair in pairs:
        new = made_of(pair, after, knowledge)
        old = made_of(pair, before, knowledge) if before else done_for(pair, after, knowledge, skips.get(pair.case.id))
        cases += 1
        records_before += not old.why_none
        records_after += not new.why_none
        differences += _differences(pair, old, new)
    return Replayed(
        cases=cases, records_before=records_before, records_after=records_after, differences=tuple(differences)
    )


def made_of(pair: Pair, policies: Policies, knowledge: Knowledge) -> Version:
    """Say what a config makes of a Case that has no record yet."""
    unlinked = Link(case_id=pair.case.id, was_active=pair.link.was_active, admitted=pair.link.admitted)
    admitted = admit(Standing(pair=Pair(link=unlinked, case=pair.case), policies=policies, knowledge=knowledge))
    if isinstance(admitted, Skip):
        return Version(why_none=_words(admitted))
    step = STEP_TO.get(admitted.asks_of_record)
    parts: dict[str, dict[str, str]] = {}
    for one in render_parts(admitted.inbound, pair.case):
        value = f"(fails: {one.problem})" if one.problem else one.value
        parts.setdefault(one.part, {})[one.field] = value
    here = replace(admitted, pair=replace(pair, link=admitted.link))
    return Version(
        route=here.link.route,
        target=_target(here.link),
        in_step=parts.get("fields", {}),
        once={**parts.get("on_create", {}), **parts.get(step.inbound if step else "", {})},
        asks=here.asks_of_case,
        withheld=_withheld(here),
    )


def done_for(pair: Pair, policies: Policies, knowledge: Knowledge, skip: Skip | None) -> Version:
    """Say what was done for a Case; what its record asks is judged by its own policies, as they are now."""
    here = Standing(pair=pair, policies=policies, knowledge=knowledge)
    if not here.link.sys_id:
        return Version(why_none=_words(skip) if skip else "no record yet")
    return Version(
        route=here.link.route,
        target=_target(here.link),
        in_step=_by_name(here.link, policies, knowledge),
        asks=here.asks_of_case,
        withheld=_withheld(here),
    )


def _withheld(here: Standing) -> str:
    has_rules = here.link.inbound in here.policies.inbound
    return here.withheld if here.incident is not None and has_rules else ""


def _by_name(link: Link, policies: Policies, knowledge: Knowledge) -> Mapping[str, str]:
    """Return what a link remembers having written, with rows by the name under which they were looked up."""
    inbound = policies.inbound.get(link.inbound)
    tables = {field: rule.table for field, rule in inbound.references.items()} if inbound else {}
    names = {(connector, table, sys_id): name for (connector, table, name), sys_id in knowledge.references.items()}
    return {
        field: names.get((link.connector, tables.get(field, ""), value), value) for field, value in link.written.items()
    }


def _words(skip: Skip) -> str:
    return f"{skip.reason.value}: {skip.detail}" if skip.detail else skip.reason.value


def _target(link: Link) -> str:
    return f"{link.connector}/{link.table}"


def _differences(pair: Pair, old: Version, new: Version) -> Iterator[Difference]:
    def difference(kind: DifferenceKind, before: str, after: str, name: str = "") -> Difference:
        return Difference(
            case_id=pair.case.id, case_key=pair.case.key, kind=kind, name=name, before=before, after=after
        )

    if old.why_none and new.why_none:
        return
    if old.why_none:
        yield difference(DifferenceKind.RECORD_MORE, old.why_none, f"a record in {new.target} by {new.route}")
        return
    if new.why_none:
        yield difference(DifferenceKind.RECORD_FEWER, f"a record in {old.target} by {old.route}", new.why_none)
        return
    if old.route != new.route:
        yield difference(DifferenceKind.ROUTE, old.route, new.route)
    if old.target != new.target:
        yield difference(DifferenceKind.TARGET, old.target, new.target)
    for name, before, after in _changed_fields(old, new):
        yield difference(DifferenceKind.FIELD, before, after, name)
    if old.asks != new.asks:
        yield difference(DifferenceKind.ASKS, _word(old.asks), _word(new.asks))
    if old.withheld != new.withheld:
        yield difference(DifferenceKind.UPDATES, old.withheld or FOLLOWS, new.withheld or FOLLOWS)


def _changed_fields(old: Version, new: Version) -> Iterator[tuple[str, str, str]]:
    """Compare fields by name; one that either config leaves alone is an empty text there."""
    before, after = dict(old.in_step), dict(new.in_step)
    if old.once is not None and new.once is not None:
        before, after = {**old.once, **before}, {**new.once, **after}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name, "") != after.get(name, ""):
            yield name, before.get(name, ""), after.get(name, "")


def _word(stage: Stage | None) -> str:
    return stage.word if stage else "nothing"
