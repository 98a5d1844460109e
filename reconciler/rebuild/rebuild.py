"""Rebuild the links from the services when the database is lost: which record belongs to which Case, at which stage.

Rules of this file: nothing is written to a service; the database changes in one transaction at the end, so a rebuild
that was killed is simply run again; where two sides differ nobody can tell which moved last, so both count as having
reached the higher stage and nothing is pushed; what is not certain is reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.core.errors import Malformed, Missing, PartialTruth, RemoteError
from reconciler.core.identity import CASE_ID, odd_key, record_id
from reconciler.core.model import Case, Incident, Link, Pair, Stage, System, named
from reconciler.core.planning.drafts import Draft, draft_changes
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Question, until_answered
from reconciler.core.planning.rules import rivals
from reconciler.core.planning.standing import Standing, at_newest
from reconciler.core.policies.policies import Policies, Route
from reconciler.core.policies.routing import in_order, route_for
from reconciler.engine.context import Context
from reconciler.engine.cycle import close_unfinished
from reconciler.engine.reading.pull import whole_case_pages
from reconciler.engine.report import result_of
from reconciler.rebuild.report import RebuildReport, Uncertainty, UncertaintyKind
from reconciler.remotes.ports import CaseOrder, IncidentClient, record_pages, rows_hidden
from reconciler.store.values import CycleCounts, Learned, Restored

KIND = "rebuild"
"""The kind of this cycle in the journal."""


@dataclass
class _Read:
    """What the services show."""

    origin: datetime
    records: list[Incident] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)
    findings: list[Uncertainty] = field(default_factory=list)


def rebuild(context: Context, *, cycle_id: str) -> RebuildReport:
    """Restore every link from the records that bear our mark, replacing everything that is remembered.

    Raises RemoteError when a service does not answer, or PartialTruth when it hides something; then the links and
    snapshots are as they were.
    """
    context = context.in_cycle(cycle_id)
    context.begin_cycle(KIND, context.clock())
    close_unfinished(context)
    try:
        read = _read(context)
        restored = _restored(context, read)
    except RemoteError as error:
        context.finish_cycle(result_of(error, 0), CycleCounts(), error)
        raise
    context.store.snapshots.restore(restored, stage_rules=context.policies, cycle_id=cycle_id, now=context.clock())
    counts = CycleCounts(pulled_cases=len(restored.cases), pulled_incidents=len(restored.incidents))
    context.finish_cycle(result_of(None, 0), counts, None)
    linked = sum(bool(link.sys_id) for link in restored.links)
    return RebuildReport(records=len(read.records), links=linked, findings=tuple(read.findings))


# -- what the services show --------------------------------------------------------------------------------------------


def _read(context: Context) -> _Read:
    """Read every record that bears our mark, and then their Cases.

    The origin is Coralogix's own time before anything was read: what happens meanwhile is seen by the next pull.
    """
    first = context.cases.list_cases(order=CaseOrder.CREATED, page_size=1)
    read = _Read(origin=first.server_time or context.clock())
    for connector, table in context.tables():
        _read_records(context, context.connectors[connector], table, read)
    wanted = {record.correlation_id for record in read.records if CASE_ID.match(record.correlation_id)}
    _list_cases(context, wanted, read)
    _ask_for_cases(context, sorted(wanted - read.cases.keys()), read)
    return read


def _read_records(context: Context, client: IncidentClient, table: str, read: _Read) -> None:
    found: dict[str, Incident] = {}
    for page in record_pages(client, table, since=None, after=None, limit=context.settings.incident_page_rows):
        if page.hidden:
            words = f"{rows_hidden(client.connector, table, page.hidden)}; nothing was rebuilt"
            raise PartialTruth(words, system=System.SERVICENOW)
        found |= {record.sys_id: record for record in page.incidents}
        read.findings += [_not_understood(each, each.record_id or "a record") for each in page.malformed]
        context.progress("records", len(read.records) + len(found), 0)
    read.records += found.values()


def _list_cases(context: Context, wanted: set[str], read: _Read) -> None:
    """Page through the Cases until every wanted one was shown, which is cheaper than reading each by its id."""
    if not wanted:
        return
    for page in whole_case_pages(context):
        read.cases |= {case.id: case for case in page.cases if case.id in wanted}
        context.progress("cases", len(read.cases), len(wanted))
        if len(read.cases) == len(wanted):
            return


def _ask_for_cases(context: Context, case_ids: Sequence[str], read: _Read) -> None:
    """Ask for each Case that no page showed, and name those that are not there."""
    numbers = {record.correlation_id: record.number for record in read.records}
    for case_id in case_ids:
        try:
            read.cases[case_id] = context.cases.get_case(case_id)
        except Missing:
            why = f"Coralogix answers 404 for Case {case_id}: deleted, or hidden from this key"
            found = Uncertainty(kind=UncertaintyKind.CASE_MISSING, record=numbers[case_id], case_id=case_id, why=why)
            read.findings.append(found)
        except Malformed as error:
            read.findings.append(_not_understood(error, numbers[case_id], case_id))


def _not_understood(error: Malformed, record: str, case_id: str | None = None) -> Uncertainty:
    return Uncertainty(kind=UncertaintyKind.NOT_UNDERSTOOD, record=record, case_id=case_id, why=str(error))


# -- what is made of it ------------------------------------------------------------------------------------------------


def _restored(context: Context, read: _Read) -> Restored:
    policies = context.policies
    pairs: list[Pair] = []
    unlinked: list[Link] = []
    for case_id, records in _by_case(read).items():
        case = read.cases.get(case_id)
        if case is None:  # that it is missing, or not understood, was noted when it was asked for
            continue
        link = at_newest(Link(case_id=case_id), policies.owner, [record.sys_id for record in records])
        newest = [record for record in records if record.sys_id not in link.earlier]
        if len(newest) > 1:
            unlinked.append(_unlinked(case, newest, link, policies))
            read.findings.append(_duplicates(case, newest))
            continue
        pair, findings = restored_pair(case, newest[0], policies, link)
        pairs.append(pair)
        read.findings += findings
    links = _with_written(context, pairs, read.origin)
    return Restored(
        cases=tuple(read.cases.values()),
        incidents=tuple(read.records),
        links=(*links, *unlinked),
        facts=_facts(pairs, policies),
        origin=read.origin,
    )


def _by_case(read: _Read) -> Mapping[str, list[Incident]]:
    """Group records by the Case whose key they bear, and name those that bear none."""
    grouped: dict[str, list[Incident]] = defaultdict(list)
    for record in read.records:
        if why := odd_key(record.correlation_id):
            read.findings.append(Uncertainty(kind=UncertaintyKind.FOREIGN_KEY, record=record.number, why=why))
        else:
            grouped[record.correlation_id].append(record)
    return grouped


def restored_pair(case: Case, incident: Incident, policies: Policies, link: Link) -> tuple[Pair, list[Uncertainty]]:
    """Bind a Case's link to its record, and name what is not certain about it."""
    route, is_todays = _route(case, incident, policies)
    link = replace(
        link,
        route=route.name,
        inbound=route.inbound,
        outbound=route.outbound,
        connector=incident.connector,
        table=incident.table,
        sys_id=incident.sys_id,
        number=incident.number,
        admitted=True,
        was_active=True,
    )
    case_stage, incident_stage = policies.case_stage(case), policies.incident_stage(link, incident)
    peak = _highest(case_stage, incident_stage)
    link = replace(link, case_peak=peak, incident_peak=peak)
    reasons = {} if is_todays else {UncertaintyKind.OTHER_ROUTE: _OTHER_ROUTE.format(incident=incident, route=route)}
    if case_stage is None or incident_stage is None or case_stage is not incident_stage:
        reasons[UncertaintyKind.AMBIGUOUS] = _difference(case, incident, case_stage, incident_stage)
    findings = [
        Uncertainty(kind=kind, record=incident.number, case_id=case.id, case_key=case.key, why=why)
        for kind, why in reasons.items()
    ]
    return Pair(link=link, case=case, incident=incident), findings


_OTHER_ROUTE = (
    "today's routes do not bring this Case to {incident.table} of {incident.connector}, where its record is; it is "
    "linked there by the route {route.name}"
)


def _route(case: Case, incident: Incident, policies: Policies) -> tuple[Route, bool]:
    """Return the route by which a record was made, and whether it is the one that takes its Case today."""
    place = (incident.connector, incident.table)
    fitting = [r for r in in_order(policies.routes) if (r.connector, policies.inbound[r.inbound].table) == place]
    today = route_for(case, policies.routes)
    if today in fitting:
        return today, True
    return route_for(case, fitting) or fitting[0], False


def _highest(*stages: Stage | None) -> Stage | None:
    return max((stage for stage in stages if stage), default=None)


def _difference(case: Case, incident: Incident, case_stage: Stage | None, incident_stage: Stage | None) -> str:
    """Say how two sides differ and what follows from it."""
    stands = f"the Case is {case.status} and {named(incident)} is in state {incident.state}"
    if case_stage is None or incident_stage is None:
        return f"{stands}, one of which has no stage; the next cycle holds it until that is known"
    low, high = sorted((case_stage, incident_stage))
    if low < Stage.RESOLVED <= high:
        lower = "the Case" if case_stage is low else "the record"
        word = "case_moved_back" if case_stage is low else "incident_reopened"
        return (
            f"{stands}, and nobody can tell which moved last; the next cycle holds it as {word}, until {lower} is "
            "resolved by hand"
        )
    return f"{stands}, and nobody can tell which moved last; nothing is pushed, and both follow what comes next"


def _duplicates(case: Case, records: Sequence[Incident]) -> Uncertainty:
    why = f"{rivals(records)}; the next cycle holds it until one is left that bears key and mark"
    return Uncertainty(
        kind=UncertaintyKind.DUPLICATES, record=records[0].number, case_id=case.id, case_key=case.key, why=why
    )


def _unlinked(case: Case, records: Iterable[Incident], link: Link, policies: Policies) -> Link:
    """Keep the highest stage of any of a Case's records, so that adopting one of them pushes nothing."""
    stages = [restored_pair(case, record, policies, link)[0].link.case_peak for record in records]
    return replace(link, admitted=True, was_active=True, case_peak=_highest(*stages))


def _with_written(context: Context, pairs: Sequence[Pair], origin: datetime) -> list[Link]:
    """Return the links with the field values that are certainly ours: those that would be rendered the same today."""
    knowledge = _with_names(context, pairs, Knowledge(now=context.clock(), origin=origin))
    return [replace(pair.link, written=_ours(pair, context.policies, knowledge)) for pair in pairs]


def _with_names(context: Context, pairs: Sequence[Pair], knowledge: Knowledge) -> Knowledge:
    """Look up the names that the fields in step need. Raises RemoteError when a connector does not answer."""

    def asks(knowledge: Knowledge) -> list[Question]:
        return [question for pair in pairs for question in _draft(pair, context.policies, knowledge).questions]

    def answered(knowledge: Knowledge, questions: Sequence[Question]) -> Knowledge:
        asked: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for question in questions:
            asked[question.connector, question.table, question.name_field].add(question.name)
        answers: dict[tuple[str, str, str], str] = {}
        for (connector, table, name_field), names in asked.items():
            found = context.connectors[connector].reference(table, name_field, sorted(names))
            answers |= {(connector, table, name): found.get(name, "") for name in names}
        return replace(knowledge, references={**knowledge.references, **answers})

    return until_answered(knowledge, asks, answered)


def _draft(pair: Pair, policies: Policies, knowledge: Knowledge) -> Draft:
    """Draft the fields that are kept in step for a pair."""
    return draft_changes(Standing(pair=pair, policies=policies, knowledge=knowledge), None)


def _ours(pair: Pair, policies: Policies, knowledge: Knowledge) -> Mapping[str, str]:
    draft = _draft(pair, policies, knowledge)
    return {name: value for name, value in draft.written.items() if name not in draft.fields}


def _facts(pairs: Iterable[Pair], policies: Policies) -> Mapping[str, str]:
    """Return which instances replace the ids that we choose, as their first create would have shown."""
    return {
        Learned.IDS_NOT_HONOURED.of(pair.link.connector): pair.link.sys_id
        for pair in pairs
        if pair.link.sys_id.lower() != record_id(policies.owner, pair.case.id, pair.link.generation)
    }
