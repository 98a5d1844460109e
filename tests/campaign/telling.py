"""A played schedule as text for a person: the schedule, what happened in it line by line, and what it broke."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.sandbox.servicenow.journal import Write
from tests.campaign.invariants import Violation
from tests.campaign.schedule import Schedule
from tests.campaign.trace import Acted, Began, Copied, Ended, Event, Read, Request, Shown


def story(schedule: Schedule, events: Sequence[Event], violations: Sequence[Violation]) -> str:
    """Tell what a schedule was, what happened in it and what it broke."""
    happened = "\n".join(f"  {tell(event)}" for event in events)
    broken = "\n".join(f"  {violation.promise}\n    {violation.where}" for violation in violations) or "  nothing"
    return f"{schedule}\n\nwhat happened:\n{happened}\n\nwhat it broke:\n{broken}"


def tell(event: Event) -> str:
    """Tell one event in one line."""
    match event:
        case Acted():
            return event.what
        case Began():
            return f"cycle {event.number} of host {event.host} begins on database {event.database}"
        case Ended():
            end = "ends well" if event.well else f"ends: {event.why}"
            return f"cycle {event.number} of host {event.host} {end}; planned: {', '.join(event.planned) or 'nothing'}"
        case Copied():
            return f"database {event.database} is {'put back' if event.back else 'copied away'}"
        case Read():
            return f"  {event.operation} shows {', '.join(map(_tell_shown, event.shown)) or event.error or 'nothing'}"
        case Request():
            return f"  {event.operation} {event.target[:8]} {_tell_asked(event)} -> {_tell_end(event)}"


def _tell_shown(shown: Shown) -> str:
    marks = [
        "assigned" if shown.is_assigned else "",
        "came back" if shown.came_back else "",
        "" if shown.is_case or (shown.mark and shown.case_id) else "not ours",
    ]
    told = " ".join(mark for mark in marks if mark)
    return f"{'Case' if shown.is_case else 'record'} {shown.target[:8]} {shown.word} v{shown.version:g} {told}".strip()


def _tell_asked(request: Request) -> str:
    return " ".join(f"{name}={value[:30]!r}" for name, value in request.asked.items() if not name.startswith("desc"))


def _tell_end(request: Request) -> str:
    effects = [
        f"{effect.state_before or '-'} to {effect.state_after}{'' if effect.accepted else ' refused or lost'}"
        if isinstance(effect, Write)
        else f"{effect.from_status} to {effect.to_status}{'' if effect.accepted else ' refused'}"
        for effect in request.effects
    ]
    return f"{'; '.join(effects) or 'no effect'}; {request.error or 'answered'}"
