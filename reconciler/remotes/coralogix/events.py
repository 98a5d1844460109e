"""CaseEventClient over the events of the Coralogix Cases API, version 5.

One answer holds all events of a Case: there are no pages and no filter. They are put in order here, since the
description promises none.
"""

from __future__ import annotations

from reconciler.core.case_events import CaseEvent
from reconciler.core.errors import Malformed
from reconciler.remotes.coralogix.client import PREFIX, checked_id
from reconciler.remotes.coralogix.event_codec import event_from_json
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.ports import CaseEvents


class CoralogixEventClient:
    """Speak to the events of Coralogix Cases; keeps the promises of ``CaseEventClient``."""

    def __init__(self, http: HttpService) -> None:
        self._http = http

    def events(self, case_id: str) -> CaseEvents:
        """Read all events of one Case, oldest first; one that cannot be understood is put aside."""
        path = f"{PREFIX}/cases/cases/v1/{checked_id(case_id)}/events"
        reply = self._http.request(Operation.READ, "GET", path)
        if not isinstance(reply.document.get("events", ""), list | None):
            raise reply.unusable("the answer holds no 'events'")
        events: list[CaseEvent] = []
        malformed: list[Malformed] = []
        for raw in reply.document["events"] or ():
            try:
                events.append(event_from_json(raw, case_id))
            except Malformed as error:
                malformed.append(error)
        events.sort(key=lambda event: event.stored_at)
        return CaseEvents(events=tuple(events), malformed=tuple(malformed))
