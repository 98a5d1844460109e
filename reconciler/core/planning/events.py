"""Event Management as a target: a Case is a stream of events under one key, not a record.

Rules of this file: every event carries all that is known, so that one that was lost is made good by the next; the
``message_key`` is the Case's id, so that a repeat meets the same alert; a cleared alert is sent nothing more; what
comes back is read from the alert, or the incident it led to, and is never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.core.expressions.templates import TemplateFailed, render_fields
from reconciler.core.model import Action, ActionKind, SkipReason, Stage
from reconciler.core.planning.plan import Decision
from reconciler.core.planning.standing import Standing

EVENT_TIME = "%Y-%m-%d %H:%M:%S"
"""GMT. Source: ServiceNow, "Send events via web service"."""

ALERT_WORDS: Mapping[str, str] = {"Open": "new", "Reopen": "new", "Flapping": "new", "Closed": "resolved"}
"""The states of ``em_alert`` as state words. An open alert that is acknowledged is ``in_progress``."""


def alert_side(here: Standing) -> Decision:
    """Bring the alert behind an event target after its Case."""
    link = here.link
    sent = link.incident_peak if link.sys_id else None
    if sent is not None and sent >= Stage.RESOLVED:
        return Decision(link=link)
    to_stage = max(here.asks_of_record, sent or Stage.OPEN)
    try:
        said = _rendered(here, to_stage)
    except TemplateFailed as failure:
        return Decision(link=link, skip=here.skip(SkipReason.REJECTED, str(failure)))
    if said == dict(link.written) and link.sys_id:
        return Decision(link=link)
    case = here.case
    about = {"case_id": case.id, "case_key": case.key or ""}
    identity = {
        "message_key": case.id,
        "time_of_event": (case.updated_at or case.created_at).strftime(EVENT_TIME),
        "additional_info": json.dumps(about, sort_keys=True),
    }
    action = Action(
        **here.about,
        kind=ActionKind.SEND_EVENT,
        from_stage=sent,
        to_stage=to_stage,
        fields=said | identity,
        written=said,
    )
    return Decision(link=link, actions=(action,))


def _rendered(here: Standing, stage: Stage) -> dict[str, str]:
    """Say where a Case stands; raise TemplateFailed where that cannot be rendered."""
    inbound = here.inbound
    templates = {**inbound.on_create, **inbound.fields, **(inbound.step(stage) or {})}
    return {name: value for name, value in render_fields(templates, here.context).items() if value}
