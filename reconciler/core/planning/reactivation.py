"""A resolved Case that is active again, because its indicator fired again: what its record's side gets.

Rules of this file: the Case itself is left alone; each re-activation is told once; a record that is over, or that
somebody reopened, is not written; no new record is made while the one before is still open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from reconciler.core.identity import generations
from reconciler.core.model import Action, ActionKind, Case, Link, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import OnReactivate

ONE_DAY = timedelta(days=1)


def told_by(case: Case) -> str:
    """Name the note of a Case's last re-activation, among those that a link remembers."""
    return f"reactivated {case.reactivated_at.isoformat() if case.reactivated_at else ''}"


def note_actions(here: Standing) -> tuple[Action, ...]:
    """Tell the people who work on a record, once, that its Case is active again."""
    case, incident = here.case, here.incident
    is_off = here.is_event or here.inbound.on_reactivate is OnReactivate.HOLD
    if is_off or incident is None or case.reactivated_at is None or not here.is_case_back:
        return ()
    before = here.link.noted.get(told_by(case))
    is_told = before is not None and incident.mod_count > before
    if is_told or here.is_over or here.is_incident_back:
        return ()
    words = f"{case.key or case.id} is active again in Coralogix since {case.reactivated_at:%Y-%m-%d %H:%M:%S} UTC."
    note = Action(
        **here.about,
        kind=ActionKind.ADD_WORK_NOTE,
        from_stage=here.incident_at,
        to_stage=here.incident_at,
        fields={"work_notes": words},
        written=here.link.written,
    )
    return (note,)


def with_next_record(here: Standing, knowledge: Knowledge) -> Standing:
    """Let a pair whose Case is active again go on with a record that is still to be made, where it is to have one."""
    case, inbound = here.case, here.inbound
    if here.is_event or inbound.on_reactivate is not OnReactivate.NEW_RECORD or case.reactivated_at is None:
        return here
    lately = [at for at in here.link.reactivations if at > knowledge.now - ONE_DAY]
    is_new = here.is_case_back and case.reactivated_at not in here.link.reactivations
    is_due = is_new and here.incident_at >= Stage.RESOLVED and len(lately) < inbound.reactivations_per_day
    if not is_due:
        return here
    before = (here.incident,) if here.incident else ()
    link = next_generation(here.link, case, here.case_at)
    pair = replace(here.pair, link=link, incident=None, others=(*here.pair.others, *before))
    return Standing(pair=pair, policies=here.policies)


def next_generation(link: Link, case: Case, stage: Stage) -> Link:
    """Let a link go on with a record that is still to be made; where the Case stands now, it begins anew."""
    told = (*link.reactivations, case.reactivated_at) if case.reactivated_at else link.reactivations
    return replace(
        link,
        sys_id="",
        number="",
        generation=link.generation + 1,
        earlier=(*link.earlier, link.sys_id),
        reactivations=tuple(dict.fromkeys(told)),
        case_peak=stage,
        incident_peak=None,
        written={},
        kept={},
        noted={},
        tries=None,
        hold=None,
        incident_absence=None,
        create_in_doubt_since=None,
    )


def at_newest(link: Link, owner: str, sys_ids: Iterable[str]) -> Link:
    """Let a link that has no record yet go on with the newest of those that there are.

    The database that knew of the next one may be lost, and those before it are no rivals of it.
    """
    known = generations(owner, link.case_id, sys_ids)
    newest = max(known, default=1)
    if newest <= link.generation:
        return link
    before = (sys_id for generation, sys_id in known.items() if generation < newest)
    return replace(link, generation=newest, earlier=tuple(dict.fromkeys((*link.earlier, *before))))
