"""The tables of routes and policies, compiled into the values that decisions are made from.

Every condition and template is compiled here, so that a mistake is told before anything acts. What a file leaves
out has its default; what it switches off with ``false`` is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from reconciler.config import defaults
from reconciler.config.defaults import Usual
from reconciler.config.services import FileContext, name_of, owner_of, state_words
from reconciler.config.shape.lines import KeyPath
from reconciler.config.shape.problems import dotted, not_one_of, one_of, shown
from reconciler.config.shape.tables import File, InboundTable, OutboundTable, ReferenceTable, RouteTable
from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.templates import JOURNAL_FIELDS, Template
from reconciler.core.lifecycle import ASSIGNED, STATE_WORDS, STEPS, WORD_STAGES
from reconciler.core.policies.defaults import KNOWN_TEXTS
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.policies import (
    DEFAULT,
    EVENT_TABLE,
    INCIDENT_TABLE,
    Inbound,
    Limits,
    OnReactivate,
    Outbound,
    Policies,
    Reference,
    Route,
    WayBack,
)

ONE_WAY = "none"
USUAL_CONNECTOR = "main"

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,79}")
_OURS = frozenset({"correlation_id", "correlation_display"})
_COMPUTED: Mapping[str, str] = {
    **dict.fromkeys(
        ("state", "incident_state"),
        "the state moves by the steps: write it in on_acknowledge, on_resolve or on_close",
    ),
    "priority": "ServiceNow computes it: write impact and urgency",
    **dict.fromkeys(
        sorted(JOURNAL_FIELDS),
        "a journal cannot be read back and would get a line in every cycle: write it in on_create, on_acknowledge, "
        "on_resolve or on_close",
    ),
}


def policies(file: File, reading: FileContext) -> Policies:
    """Make the routes, the policies and the brakes."""
    states = {
        name: state_words(table.states, ("servicenow", name, "states"), reading.problems)
        for name, table in file.servicenow.items()
    }
    return Policies(
        owner=reading.checked(("owner",), owner_of, file.owner),
        routes=_routes(file, reading),
        inbound=_inbound_policies(file, reading),
        outbound=_outbound_policies(file, reading),
        states=states,
        connectors=frozenset(file.servicenow),
        limits=Limits(**file.limits.model_dump()),
        first_lookback=timedelta(hours=file.schedule.first_lookback_hours),
    )


def _routes(file: File, reading: FileContext) -> tuple[Route, ...]:
    """Make the routes in their order; without any, the one that takes everything."""
    tables = file.route or [RouteTable()]
    for place, table in enumerate(tables):
        if table.name in {other.name for other in tables[:place]}:
            words = f"two routes are called {shown(table.name)}; each needs a name of its own"
            reading.problems.add(("route", place, "name"), words)
        if table.fallback and any(other.fallback for other in tables[:place]):
            reading.problems.add(("route", place, "fallback"), "there is a fallback already; allowed is one")
    return tuple(_route(table, ("route", place), file, reading) for place, table in enumerate(tables))


def _route(table: RouteTable, path: KeyPath, file: File, reading: FileContext) -> Route:
    if not table.name.strip() or not table.name.isprintable():
        reading.problems.add((*path, "name"), f"found {shown(table.name)}; allowed is a name on one line")
    _check_narrowing(table, path, reading)
    return Route(
        name=table.name,
        when=_condition(table.when, (*path, "when"), reading),
        labels={key: tuple(values) for key, values in table.labels.items()},
        priorities=tuple(table.priorities or ()),
        fallback=table.fallback,
        connector=_connector(table, path, list(file.servicenow), reading),
        inbound=_named(table.inbound, (*path, "inbound"), [DEFAULT, *file.inbound], reading),
        outbound=_outbound_name(table, path, file, reading),
    )


def _check_narrowing(table: RouteTable, path: KeyPath, reading: FileContext) -> None:
    """Refuse lists that are never true, and a condition on a fallback, which has none."""
    empty: list[KeyPath] = [(*path, "labels", key) for key, values in table.labels.items() if not values]
    empty += [(*path, "priorities")] if table.priorities == [] else []
    for place in empty:
        reading.problems.add(place, "an empty list is never true; leave it out, or name what it allows")
    if not table.fallback:
        return
    has_condition = table.when.strip() not in {"", "true"}  # "true" is what a route without one has
    narrowed = {"when": has_condition, "labels": bool(table.labels), "priorities": bool(table.priorities)}
    for key in (key for key, is_given in narrowed.items() if is_given):
        words = "a fallback takes what no other route took, so it has no condition of its own"
        reading.problems.add((*path, key), words)


def _connector(table: RouteTable, path: KeyPath, names: Sequence[str], reading: FileContext) -> str:
    """Return the connector of a route: the named one, else the only one, else ``main``."""
    if table.connector is not None:
        return _named(table.connector, (*path, "connector"), names, reading)
    if len(names) == 1:
        return names[0]
    if names and USUAL_CONNECTOR not in names:
        words = f"missing; with several connectors a route names one of them: {one_of(map(shown, names))}"
        reading.problems.add((*path, "connector"), words)
    return USUAL_CONNECTOR


def _outbound_name(table: RouteTable, path: KeyPath, file: File, reading: FileContext) -> str:
    """Return the outbound policy of a route; empty when the route is one-way."""
    if table.outbound == ONE_WAY:
        return ""
    return _named(table.outbound, (*path, "outbound"), [DEFAULT, *file.outbound, ONE_WAY], reading)


def _named(name: str, path: KeyPath, names: Iterable[str], reading: FileContext) -> str:
    """Check a name against those that there are; where there are none, that is a problem of its own."""
    known = dict.fromkeys(names)
    if known and name not in known:
        reading.problems.add(path, not_one_of(name, known))
    return name


def _inbound_policies(file: File, reading: FileContext) -> Mapping[str, Inbound]:
    tables = {**({} if DEFAULT in file.inbound else {DEFAULT: InboundTable()}), **file.inbound}
    return {name: _inbound(name, table, reading) for name, table in tables.items()}


def _inbound(name: str, table: InboundTable, reading: FileContext) -> Inbound:
    path: KeyPath = ("inbound", name)
    reading.checked(path, name_of, name)
    states = state_words(table.states, (*path, "states"), reading.problems)
    usual = defaults.for_table(table.table, states)
    _check_target(table, path, reading)
    _check_owned_once(table, path, reading)
    return Inbound(
        name=name,
        table=table.table,
        create_when=_condition(table.create_when, (*path, "create_when"), reading),
        existing=_existing(table, path, reading),
        update_when=_condition(table.update_when, (*path, "update_when"), reading, roots=("case", "incident")),
        fields=_templates(_without(usual.fields, table.on_create), table.fields, (*path, "fields"), reading),
        on_create=_templates(_without(usual.on_create, table.fields), table.on_create, (*path, "on_create"), reading),
        **{step.inbound: _step(step.inbound, getattr(table, step.inbound), usual, path, reading) for step in STEPS},
        references=_references(table, usual.references, (*path, "references"), reading),
        states=states,
        on_reactivate=OnReactivate(table.on_reactivate),
        reactivations_per_day=table.reactivations_per_day,
        way_back=WayBack(table.way_back),
    )


def _check_target(table: InboundTable, path: KeyPath, reading: FileContext) -> None:
    if not _FIELD.fullmatch(table.table):
        words = f"found {shown(table.table)}; allowed is the name of a table: small letters, digits and _"
        reading.problems.add((*path, "table"), words)
    elif table.table not in {INCIDENT_TABLE, EVENT_TABLE} and not table.states:
        words = f"missing; the states of {shown(table.table)} are its own: map each to {one_of(WORD_STAGES)}"
        reading.problems.add((*path, "states"), words)
    elif table.table == EVENT_TABLE and table.states:
        words = f"not for table = {shown(EVENT_TABLE)}; an event has no states, and its way back has words of its own"
        reading.problems.add((*path, "states"), words)
    if WayBack(table.way_back) is not WayBack.NONE and table.table != EVENT_TABLE:
        words = f"only for table = {shown(EVENT_TABLE)}; a record of another table is its own way back"
        reading.problems.add((*path, "way_back"), words)


def _existing(table: InboundTable, path: KeyPath, reading: FileContext) -> Existing | None:
    if table.existing is None:
        return None
    if table.table == EVENT_TABLE:
        reading.problems.add((*path, "existing"), f"not for table = {shown(EVENT_TABLE)}; it finds records of a table")
        return None
    try:
        return Existing.compile(table.existing)
    except ValueError as error:
        reading.problems.add((*path, "existing"), str(error))
        return None


def _check_fields(given: Iterable[str], path: KeyPath, reading: FileContext) -> None:
    """Refuse names that are no field, fields that are ours, and in ``fields`` what ServiceNow or a step sets."""
    for field in given:
        if not _FIELD.fullmatch(field):
            reading.problems.add((*path, field), "no name of a field: small letters, digits and _ are allowed")
        elif field in _OURS or field.startswith("sys_"):
            reading.problems.add((*path, field), "this field is the program's own: it finds its records by it")
        elif path[-1] == "fields" and field in _COMPUTED:
            reading.problems.add((*path, field), f"not a field to keep in step; {_COMPUTED[field]}")


def _check_owned_once(table: InboundTable, path: KeyPath, reading: FileContext) -> None:
    """Refuse a field that is both written once and kept in step; ``false`` leaves it out of one of the two."""
    given = [{name for name, source in part.items() if source is not None} for part in (table.on_create, table.fields)]
    for field in sorted(set.intersection(*given)):
        words = "stands in fields too; a field is either written once or kept in step"
        reading.problems.add((*path, "on_create", field), words)


def _without(usual: Mapping[str, str], taken: Mapping[str, str | None]) -> Mapping[str, str]:
    """Return the defaults less the fields that the file writes in the other table, ``fields`` or ``on_create``."""
    return {field: source for field, source in usual.items() if taken.get(field) is None}


def _templates(
    usual: Mapping[str, str], given: Mapping[str, str | None], path: KeyPath, reading: FileContext
) -> Mapping[str, Template]:
    """Compile the defaults with what the file changes, adds or leaves out."""
    _check_fields(given, path, reading)
    merged = {**usual, **given}
    return {
        field: _template(source, (*path, field), ("case",), reading)
        for field, source in merged.items()
        if source is not None
    }


def _step(
    key: str, given: Mapping[str, str | None] | None, usual: Usual, path: KeyPath, reading: FileContext
) -> Mapping[str, Template] | None:
    """Compile one step; None when the file switches it off, or the target table has no state for it."""
    known = usual.steps[key]
    if given is None or (known is None and not given):
        return None
    if known is None and "state" not in given:
        words = f"moves nothing; give it a state, or map a state of the table in [{dotted((*path, 'states'))}]"
        reading.problems.add((*path, key), words)
    return _templates(known or {}, given, (*path, key), reading)


def _references(
    table: InboundTable, usual: Mapping[str, Reference], path: KeyPath, reading: FileContext
) -> Mapping[str, Reference]:
    merged = {field: known for field, known in usual.items() if field not in table.references}
    for field, given in table.references.items():
        if given is not None:
            merged[field] = _reference(given, usual.get(field), (*path, field), reading)
    return merged


def _reference(given: ReferenceTable, usual: Reference | None, path: KeyPath, reading: FileContext) -> Reference:
    """Make one reference, each key that is left out from the usual one of that field."""
    if given.table is None and usual is None:
        reading.problems.add((*path, "table"), "missing; allowed is the table that the name is looked up in")
    known = usual or Reference(table="missing")  # told above; the checks below want some name
    reference = Reference(
        table=given.table or known.table,
        name_field=given.name_field or known.name_field,
        default=known.default if given.default is None else given.default,
    )
    for key, text in (("table", reference.table), ("name_field", reference.name_field)):
        if not _FIELD.fullmatch(text):
            reading.problems.add((*path, key), f"found {shown(text)}; allowed are small letters, digits and _")
    return reference


def _outbound_policies(file: File, reading: FileContext) -> Mapping[str, Outbound]:
    usual = {} if DEFAULT in file.outbound else {DEFAULT: OutboundTable.model_validate(defaults.OUTBOUND)}
    tables = {**usual, **file.outbound}
    if ONE_WAY in tables:
        words = f'the name "{ONE_WAY}" is taken: outbound = "{ONE_WAY}" makes a route one-way'
        reading.problems.add(("outbound", ONE_WAY), words)
    words_allowed = _allowed_words(file)
    return {name: _outbound(name, table, words_allowed, reading) for name, table in tables.items()}


def _allowed_words(file: File) -> Sequence[str]:
    """List what an outbound list may hold: words first, then every state value that something explains."""
    tables = [table.states for table in file.servicenow.values()] + [table.states for table in file.inbound.values()]
    own = [value for states in tables for value in states]
    return list(dict.fromkeys([ASSIGNED, *WORD_STAGES, *STATE_WORDS, *own]))


def _outbound(name: str, table: OutboundTable, allowed: Sequence[str], reading: FileContext) -> Outbound:
    path: KeyPath = ("outbound", name)
    reading.checked(path, name_of, name)
    lists = {step.outbound: getattr(table, step.outbound) for step in STEPS}
    for key, words in lists.items():
        for place, word in enumerate(words):
            _named(word, (*path, key, place), allowed, reading)
    return Outbound(
        name=name,
        **{key: frozenset(words) for key, words in lists.items()},
        when=_condition(table.when, (*path, "when"), reading, roots=("incident", "case")),
        reason=_reason(table, (*path, "reason"), reading),
    )


def _reason(table: OutboundTable, path: KeyPath, reading: FileContext) -> Template:
    roots = ("incident", "case")
    return Template(defaults.REASON, roots) if table.reason is None else _template(table.reason, path, roots, reading)


def _condition(source: str, path: KeyPath, reading: FileContext, roots: Sequence[str] = ("case",)) -> Condition:
    try:
        return Condition.compile(source, roots=roots)
    except ValueError as error:
        reading.problems.add(path, str(error))
        return Condition.compile("true")  # any will do: a file with a problem is never used


def _template(source: str, path: KeyPath, roots: Sequence[str], reading: FileContext) -> Template:
    if source in KNOWN_TEXTS:  # compiled when it is first used
        return Template(source, roots)
    try:
        return Template.compile(source, roots=roots)
    except ValueError as error:
        reading.problems.add(path, str(error))
        return Template.compile("")  # any will do, as above
