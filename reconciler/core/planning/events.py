"""Event Management as a target: a Case is a stream of events under one key, not a record.

Rules of this file: every event carries all that is known, so that one that was lost is made good by the next; the
``message_key`` is the Case's id, so that a repeat meets the same alert; a cleared alert is sent nothing more; what
comes back is read from the alert, or the incident it led to, and is never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.core.expressions.context import case_context
from reconciler.core.expressions.templates import TemplateFailed
from reconciler.core.identity import fingerprint, record_id
from reconciler.core.model import Action, ActionKind, Pair, Stage
from reconciler.core.planning.drafts import Draft, highest_step
from reconciler.core.policies.defaults import render_fields
from reconciler.core.policies.policies import EVENT_TABLE, Policies

EVENT_TIME = "%Y-%m-%d %H:%M:%S"
"""GMT. Source: ServiceNow, "Send events via web service"."""

ALERT_WORDS: Mapping[str, str] = {"Open": "new", "Reopen": "new", "Flapping": "new", "Closed": "resolved"}
"""The states of ``em_alert`` as state words. An open alert that is acknowledged is ``in_progress``."""


def is_event(pair: Pair) -> bool:
    """Say whether a link's record is an alert behind events."""
    return pair.link.table == EVENT_TABLE


def draft_event(pair: Pair, policies: Policies, stage: Stage) -> Draft:
    """Draft the event that says where a Case stands; no fields where it would say nothing new."""
    inbound = policies.inbound[pair.link.inbound]
    templates = {**inbound.on_create, **inbound.fields, **(inbound.step(stage) or {})}
    try:
        rendered = render_fields(templates, case_context(pair.case))
    except TemplateFailed as failure:
        return Draft(problem=str(failure))
    said = {name: value for name, value in rendered.items() if value}
    if said == dict(pair.link.written) and pair.link.sys_id:
        return Draft(written=said)
    return Draft(fields=said | _identity(pair), written=said)


def _identity(pair: Pair) -> dict[str, str]:
    """Say which Case an event is about, and when it became so."""
    case = pair.case
    about = {"case_id": case.id, "case_key": case.key or ""}
    return {
        "message_key": case.id,
        "time_of_event": (case.updated_at or case.created_at).strftime(EVENT_TIME),
        "additional_info": json.dumps(about, sort_keys=True),
    }


def event_side(pair: Pair, policies: Policies) -> tuple[Draft, Action | None]:
    """Decide which event, if any, brings the alert after its Case."""
    link, case = pair.link, pair.case
    stage = highest_step(policies.inbound[link.inbound], policies.case_stage(case) or Stage.OPEN)
    sent = link.incident_peak if link.sys_id else None
    if sent is not None and sent >= Stage.RESOLVED:
        return Draft(written=link.written), None
    draft = draft_event(pair, policies, max(stage, sent or stage))
    if draft.problem or not draft.fields:
        return draft, None
    action = Action(
        kind=ActionKind.SEND_EVENT,
        case_id=case.id,
        case_key=case.key,
        connector=link.connector,
        table=link.table,
        sys_id=link.sys_id or record_id(policies.owner, case.id, link.generation),
        number=link.number or None,
        from_stage=sent,
        to_stage=max(stage, sent or stage),
        fields=draft.fields,
        written=draft.written,
        fingerprint=fingerprint(pair),
    )
    return draft, action
