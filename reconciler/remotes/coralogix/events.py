"""CaseEventClient over the events of the Coralogix Cases API, version 5.

One answer holds all events of a Case: there are no pages and no filter. They are put in order here, since the
description promises none.
"""

from __future__ import annotations

from reconciler.remotes.coralogix.client import PREFIX, checked_id, read_each
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.ports import CaseEvents


class CoralogixEventClient:
    """Speak to the events of Coralogix Cases; keeps the promises of ``CaseEventClient``."""

    def __init__(self, http: HttpService) -> None:
        self._http = http

    def events(self, case_id: str) -> CaseEvents:
        """Read all events of one Case, oldest first; one that cannot be understood is put aside."""
        from reconciler.remotes.coralogix.event_codec import event_from_json  # noqa: PLC0415 - heavy, and seldom needed

        path = f"{PREFIX}/cases/cases/v1/{checked_id(case_id)}/events"
        reply = self._http.request(Operation.READ, "GET", path)
        events, malformed = read_each(reply, "events", lambda raw: event_from_json(raw, case_id))
        return CaseEvents(events=tuple(sorted(events, key=lambda event: event.stored_at)), malformed=malformed)
