"""The rules of a decision, in the order of the table that ``decide`` begins with.

A rule reads a ``Standing``, and returns a skip with its reason, or None where it does not apply.
Rules render no field, make no action and change no link: ``drafts`` does that once, from the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import TemplateFailed
from reconciler.core.lifecycle import PENDING
from reconciler.core.model import Elsewhere, Incident, Result, Skip, SkipReason, Stage, named
from reconciler.core.planning.known import SETTLE_AFTER
from reconciler.core.planning.plan import Question
from reconciler.core.planning.standing import Standing, told_by
from reconciler.core.planning.verdict import Adopt, Ask, Create, Follow, Leave, Verdict
from reconciler.core.policies.existing import Terms
from reconciler.core.policies.policies import OnReactivate

ONE_DAY = timedelta(days=1)

Rule = Callable[[Standing], Skip | None]


def verdict_on(here: Standing) -> Verdict:
    """Return the verdict on a pair. One that is ignored by a person's request, or held, waits for a change first."""
    if here.is_left_alone:
        return Leave(here=here)
    if here.hold and here.knowledge.now < here.hold.next_retry_at:
        return _leave(here, SkipReason.REJECTED, here.hold.detail)
    return _verdict(here)


def _verdict(here: Standing) -> Verdict:
    """Judge by the half of the table that is for the pair; a linked one may go on with its next record instead."""
    if not here.link.sys_id:
        return _unlinked(here)
    if not here.has_next_record:
        if obstacle := _first(OBSTACLES, here):
            return Leave(here=here, skip=obstacle)
        if not _gets_next_record(here):
            return _follow(here)
    return _unlinked(here.on_next_record)


def _leave(here: Standing, reason: SkipReason, detail: str) -> Leave:
    return Leave(here=here, skip=_skip(here, reason, detail))


def _skip(here: Standing, reason: SkipReason, detail: str) -> Skip:
    return Skip.of(here.case, reason, detail)


def _first(rules: Iterable[Rule], here: Standing) -> Skip | None:
    for rule in rules:
        if found := rule(here):
            return found
    return None


# -- whether a Case gets a record --------------------------------------------------------------------------------------
#
# A Case that was admitted once stays admitted: what happened to it while nobody could write does not take its record
# away. One for which a record was, or may have been, made stays where that is: routes and ``create_when`` decide about
# new records alone.


def gone(here: Standing) -> Skip | None:
    """Make no record for a Case that answered 404."""
    if here.link.case_absence is None:
        return None
    return _skip(here, SkipReason.CASE_MISSING, "Coralogix answered 404 for this Case")


def never_active(here: Standing) -> Skip | None:
    """Wait for a Case until it is active: many never are."""
    if here.case.status == PENDING or (here.case_stage and not here.link.was_active):
        return _skip(here, SkipReason.PENDING_ACTIVATION, "the Case was never active")
    return None


def unknown_status(here: Standing) -> Skip | None:
    """Hold a Case with a status that this program does not know; it is never guessed."""
    if here.case_stage is not None:
        return None
    return _skip(here, SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {here.case.status!r}")


def lost_its_rules(here: Standing) -> Skip | None:
    """Hold a Case whose record is there, or may be, when the rules by which it was made are gone."""
    return lost_rules(here) if here.keeps_its_place else None


def too_old(here: Standing) -> Skip | None:
    """Skip what is older than this installation, unless a person asked for it."""
    if here.link.admitted or here.may_have_record or _is_young_enough(here):
        return None
    created = here.case.created_at.isoformat()
    return _skip(here, SkipReason.BEFORE_ORIGIN, f"created {created}; `once --since` takes older Cases in")


def not_routed(here: Standing) -> Skip | None:
    """Skip a Case that no route takes."""
    if here.keeps_its_place or here.route:
        return None
    return _skip(here, SkipReason.NOT_ROUTED, "no route took the Case")


def not_wanted(here: Standing) -> Skip | None:
    """Skip a Case for which ``create_when`` of its route's policy is false."""
    route = None if here.may_have_record else here.route
    if route is None or here.meets(here.policies.inbound[route.inbound].create_when):
        return None
    return _skip(here, SkipReason.NOT_ROUTED, f"create_when of [inbound.{route.inbound}] does not hold")


ADMISSION: tuple[Rule, ...] = (
    gone,
    never_active,
    unknown_status,
    lost_its_rules,
    too_old,
    not_routed,
    not_wanted,
)
"""The first that keeps a Case out is told."""


def admit(here: Standing) -> Standing | Skip:
    """Return the pair of a Case that gets a record, with its route; or say why it gets none."""
    return _first(ADMISSION, here) or here.taken


def _is_young_enough(here: Standing) -> bool:
    """Return whether a Case is young enough for a record; one that was open when first seen still counts as open."""
    created, stage, knowledge = here.case.created_at, here.case_at, here.knowledge
    looked_back_to = knowledge.origin - here.policies.first_lookback
    is_before_the_end = knowledge.until is None or created <= knowledge.until
    is_asked_for = created >= (knowledge.since or looked_back_to) and is_before_the_end
    is_asked_for = is_asked_for or here.case.id in knowledge.named
    if created >= looked_back_to and min(stage, here.link.case_low or stage) < Stage.RESOLVED:
        return True
    if stage >= Stage.RESOLVED:
        return created > knowledge.origin or (knowledge.include_resolved and is_asked_for)
    return is_asked_for


# -- whether its record is made, or is there already -------------------------------------------------------------------
#
# Nobody makes a record before somebody looked for one with the Case's key. One that is there is adopted; of two that
# are there none is chosen.


def _unlinked(here: Standing) -> Verdict:
    admitted = admit(here)
    if isinstance(admitted, Skip):
        return Leave(here=here, skip=admitted)
    here = admitted
    if here.is_event:
        return Create(here=here)
    return _ask_for_records(here) if here.looked_up is None else _create_or_adopt(here)


def _ask_for_records(here: Standing) -> Verdict:
    """Ask which records bear the Case's key and, in the same round, for one by other means."""
    refused = here.knowledge.refused.get((here.link.connector, here.link.table, here.case.id))
    if refused:
        return _leave(here, SkipReason.REJECTED, refused)
    kept = _kept_elsewhere(here)
    if isinstance(kept, Leave) and kept.elsewhere and not here.further:
        return kept
    return Ask(here=here, questions=(_question(here), *(kept.questions if isinstance(kept, Ask) else ())))


def _question(here: Standing, terms: Terms = ()) -> Question:
    return Question(connector=here.link.connector, table=here.link.table, name=here.case.id, terms=terms)


def _create_or_adopt(here: Standing) -> Verdict:
    known, here = here.with_key, here.at_newest  # which records are known is asked of the link as it was
    records = [record for sys_id, record in known.items() if sys_id not in here.link.earlier]
    match records:
        case [record]:
            found = here.seeing_only(record)
            if obstacle := unknown_state(found) or lost_rules(found.bound):
                return Leave(here=here, skip=obstacle)
            return Adopt(here=here, found=found, then=_verdict(found.bound))
        case []:
            before = _opened_again(here, known.values())
            return before or _kept_elsewhere(here) or _in_doubt(here) or Create(here=here)
        case _:
            return Leave(here=here, skip=duplicates(here, records))


def _opened_again(here: Standing, records: Iterable[Incident]) -> Leave | None:
    """Make no next record beside one that people opened again, or that was made anew: a Case has one open record."""
    for record in records:
        there = here.seeing_only(record)
        if there.is_ours and there.incident_stage is not None and there.incident_stage < Stage.RESOLVED:
            detail = f"{named(record)} is open again; the next record is made when that is resolved"
            return _leave(here, SkipReason.INCIDENT_REOPENED, detail)
    return None


def _in_doubt(here: Standing) -> Leave | None:
    """Wait for a create whose outcome is not known, where the instance would not recognise its repetition."""
    sent_at, knowledge = here.link.create_in_doubt_since, here.knowledge
    if not sent_at or here.link.connector not in knowledge.ids_not_honoured or knowledge.now >= sent_at + SETTLE_AFTER:
        return None
    detail = f"a create sent at {sent_at.isoformat()} may still be running"
    return _leave(here, SkipReason.SETTLING, detail)


def _kept_elsewhere(here: Standing) -> Leave | Ask | None:
    """Decide about a Case that may have a record by other means: it has one, or that has to be asked for.

    None where nothing keeps it from getting one. What was found is asked for again when the query for this Case is
    another one, or by a drift check; that it is gone is believed the second time.
    """
    existing, known = here.inbound.existing, here.link.elsewhere
    if existing is None:
        return None
    try:
        terms = existing.terms(here.context)
    except TemplateFailed as failure:
        words = f"existing of [inbound.{here.link.inbound}] cannot be asked: {failure}"
        return _leave(here, SkipReason.REJECTED, words)
    query = "^".join(f"{term.field}{term.operator}{term.value}" for term in terms)
    found = here.knowledge.existing.get((here.link.connector, here.case.id))
    if found is None:
        if known and known.query == query and not here.knowledge.looks_again:
            return _kept(here, known)
        return Ask(here=here, questions=(_question(here, terms),))
    if found:
        record = found[0]
        there = Elsewhere(
            connector=record.connector, table=record.table, sys_id=record.sys_id, number=record.number, query=query
        )
        return _kept(here, there)
    return _kept(here, replace(known, is_missed=True)) if known and not known.is_missed else None


def _kept(here: Standing, there: Elsewhere) -> Leave:
    detail = f"{named(there)} stands for this Case, by other means"
    if there.is_missed:
        detail += "; it was not found at the last look, and the next drift check looks once more"
    return Leave(here=here, skip=_skip(here, SkipReason.KEPT_ELSEWHERE, detail), elsewhere=there)


# -- what keeps a link from being written ------------------------------------------------------------------------------


def lost_rules(here: Standing) -> Skip | None:
    """Hold a link whose policy was renamed or removed: nobody knows any more how to write its record."""
    return _skip(here, SkipReason.NOT_ROUTED, here.lost_rules) if here.lost_rules else None


def case_missing(here: Standing) -> Skip | None:
    """Hold a Case that answered 404: it was deleted, or hidden from this key."""
    if here.link.case_absence is None:
        return None
    name = here.case.key or here.case.id
    return _absent(here, SkipReason.CASE_MISSING, here.link.case_absence.times, "Coralogix", name)


def incident_missing(here: Standing) -> Skip | None:
    """Hold a record that answered 404: it was deleted, or hidden from this user."""
    if here.link.incident_absence is None:
        return None
    times = here.link.incident_absence.times
    return _absent(here, SkipReason.INCIDENT_MISSING, times, "ServiceNow", named(here.link))


def doubled(here: Standing) -> Skip | None:
    """Hold a record that somebody copied with key and mark: a person has to say which one counts."""
    return duplicates(here, [here.incident, *here.further]) if here.incident and here.further else None


def pending_again(here: Standing) -> Skip | None:
    """Wait for a Case that fell back to waiting for its activation; it has no stage until then."""
    if here.case.status != PENDING:
        return None
    return _skip(here, SkipReason.PENDING_ACTIVATION, "the Case waits to be activated again")


def unknown_state(here: Standing) -> Skip | None:
    """Hold a record with a state of the instance's own that no table of the config explains."""
    incident = here.incident
    if incident is None or here.incident_stage is not None:
        return None
    where = f"[servicenow.{incident.connector}.states]"
    detail = f"{named(incident)} has the unknown state {incident.state!r}; {where} can name it"
    return _skip(here, SkipReason.UNKNOWN_STATE, detail)


def unread(here: Standing) -> Skip | None:
    """Wait until a linked record was read once; an alert is never read."""
    if here.incident or here.is_event:
        return None
    return _skip(here, SkipReason.SETTLING, "the record was not read yet")


def not_ours(here: Standing) -> Skip | None:
    """Hold a record that somebody took key or mark from: it may be another's by now."""
    return _skip(here, SkipReason.REJECTED, here.lost_mark) if here.lost_mark and not here.is_event else None


OBSTACLES: tuple[Rule, ...] = (
    lost_rules,
    case_missing,
    incident_missing,
    doubled,
    pending_again,
    unknown_status,
    unknown_state,
    unread,
    not_ours,
)
"""The first that stands in the way is told."""


def duplicates(here: Standing, records: Iterable[Incident]) -> Skip:
    """Hold a Case whose key several records bear."""
    return _skip(here, SkipReason.DUPLICATE_INCIDENTS, rivals(records))


def rivals(records: Iterable[Incident]) -> str:
    """Name every record that bears one Case's key."""
    names = (f"{record.number} ({record.connector}/{record.table}, {record.sys_id})" for record in records)
    return f"these records bear this Case's key: {', '.join(sorted(names))}"


def _absent(here: Standing, reason: SkipReason, times: int, system: str, name: str) -> Skip:
    """Hold what answered 404 twice; once is only a suspicion and is asked again in a later cycle."""
    if times >= 2:
        return _skip(here, reason, f"{system} answered 404 for {name} {times} times: deleted, or hidden from us")
    return _skip(here, SkipReason.SETTLING, f"{system} answered 404 for {name} once; it is asked again")


# -- what each side gets from the other --------------------------------------------------------------------------------
#
# A side is only brought to a stage above every stage at which it was ever seen. One that somebody moved back across
# ``resolved`` is left to people until it moves forward by itself.


def _gets_next_record(here: Standing) -> bool:
    """Return whether a Case that is active again gets a new record; never while the one before is still open."""
    reactivated_at, inbound = here.case.reactivated_at, here.inbound
    if here.is_event or inbound.on_reactivate is not OnReactivate.NEW_RECORD or reactivated_at is None:
        return False
    lately = [at for at in here.link.reactivations if at > here.knowledge.now - ONE_DAY]
    is_new = here.is_case_back and reactivated_at not in here.link.reactivations
    return is_new and here.incident_at >= Stage.RESOLVED and len(lately) < inbound.reactivations_per_day


def _follow(here: Standing) -> Follow:
    in_doubt = note_in_doubt(here)
    return Follow(
        here=here,
        is_left_to_people=here.is_incident_back or (here.is_event and here.is_case_back),
        is_over=over(here),
        withheld=withheld(here),
        has_note=in_doubt is None and has_note(here),
        case_goes_to=None if here.is_case_back else here.case_goes_to,
        moved_back=in_doubt or moved_back(here),
        stands_back=stands_back(here),
    )


def over(here: Standing) -> Skip | None:
    """Leave a record that is Closed or Canceled as it is; an alert is written until it was cleared."""
    if here.is_event or not here.is_over:
        return None
    return _skip(here, SkipReason.INCIDENT_TERMINAL, f"{named(here.link)} is over and is not written")


def withheld(here: Standing) -> Skip | None:
    """Leave a record as it is while ``update_when`` is false.

    Nothing of what it would have got is remembered as written, so the one write after that has all that differs from
    the last one. A Case that is active again is told of all the same.
    """
    return _skip(here, SkipReason.NOT_ROUTED, here.withheld) if here.withheld else None


def has_note(here: Standing) -> bool:
    """Return whether people who work on a record are told, once, that its Case is active again.

    A note whose answer was lost counts as sent where the record moved since, and where the instance is not known to
    count a note as a change.
    """
    is_off = here.is_event or here.inbound.on_reactivate is OnReactivate.HOLD
    if is_off or here.incident is None or here.case.reactivated_at is None or not here.is_case_back:
        return False
    before = here.link.noted.get(told_by(here.case))
    is_silent = here.link.connector not in here.knowledge.notes_counted
    is_told = before is not None and (here.incident.mod_count > before or is_silent)
    return not (is_told or here.is_over or here.is_incident_back)


def note_in_doubt(here: Standing) -> Skip | None:
    """Wait before a note whose outcome is not known is sent again: what timed out may still go on in the instance."""
    tries, is_sent = here.link.tries, told_by(here.case) in here.link.noted
    if not (is_sent and tries and tries.planned_at and tries.ended == Result.UNKNOWN and has_note(here)):
        return None
    sent_at = datetime.fromisoformat(tries.planned_at)
    detail = f"a work note sent at {tries.planned_at} may still arrive"
    return _skip(here, SkipReason.SETTLING, detail) if here.knowledge.now < sent_at + SETTLE_AFTER else None


def moved_back(here: Standing) -> Skip | None:
    """Report a side that was moved back across ``resolved``: a reopened record, a Case that fired again."""
    if here.incident and here.is_incident_back:
        return _skip(here, SkipReason.INCIDENT_REOPENED, f"{named(here.incident)} was reopened and is left to people")
    if here.is_case_back:
        return _skip(here, SkipReason.CASE_MOVED_BACK, "the Case was resolved before and is open again")
    return None


def stands_back(here: Standing) -> Skip | None:
    """Report a side that was moved back below ``resolved``, where that is why the sides are not equal."""
    if here.incident is None or here.case_at == here.incident_at:
        return None
    if here.incident_at < here.incident_peak:
        detail = f"{named(here.incident)} was moved back; it follows only news"
        return _skip(here, SkipReason.INCIDENT_REOPENED, detail)
    if here.case_at < here.case_peak:
        return _skip(here, SkipReason.CASE_MOVED_BACK, "the Case was moved back; it follows only news")
    return None
