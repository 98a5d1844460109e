"""What came of a call, in a form in which two clients can be compared."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.errors import Malformed, RemoteError
from reconciler.remotes.ports import CasePage, IncidentPage


def outcome_of(act: Callable[[], object]) -> object:
    """Give the value of a call, or the class of the error that it raised."""
    try:
        value = act()
    except (RemoteError, Malformed) as error:
        return type(error)
    if isinstance(value, CasePage | IncidentPage):
        # An error within a page compares by identity alone.
        return {**vars(value), "malformed": [one.record_id for one in value.malformed]}
    return value
