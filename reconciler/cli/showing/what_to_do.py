"""What to do about a hold, by its reason."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.model import SkipReason

WHAT_TO_DO: Mapping[SkipReason, str] = {
    SkipReason.INCIDENT_REOPENED: (
        "somebody reopened the Incident; when the work on it is over, resolve it there, and both sides go on from that"
    ),
    SkipReason.CASE_MOVED_BACK: (
        "the Case is open again after it was resolved; resolve it in Coralogix when it is over, and both sides go on; "
        "or `reconciler holds recreate` gives it a new record"
    ),
    SkipReason.REJECTED: (
        "mend what its words name: in the service (a mandatory field, a rule, a right), then `reconciler holds retry`; "
        "or in the config (a template, a name without a row, a state), and a changed config tries it by itself; "
        "else it is tried again at its retry time, or when either side changes"
    ),
    SkipReason.DUPLICATE_INCIDENTS: (
        "decide which record stays; delete the others or clear their correlation_id and correlation_display, then "
        "`reconciler holds retry`"
    ),
    SkipReason.INCIDENT_MISSING: (
        "find out whether the record was deleted or is hidden from our user; restore it or the right to read it, then "
        "`reconciler holds retry`; if it is gone for good, `reconciler holds recreate` makes a new one, or "
        "`reconciler holds ignore`; no second one is made by itself"
    ),
    SkipReason.CASE_MISSING: (
        "find out whether the Case was deleted or is hidden from our key; give the key its right back, then "
        "`reconciler holds retry`; if it is gone for good, finish the Incident by hand and `reconciler holds ignore`"
    ),
    SkipReason.UNKNOWN_STATE: (
        "say in the config what the state means ([servicenow.NAME.states]) and reload it, or move the record to a "
        "usual state; an unknown status of a Case needs a newer version of this program"
    ),
}
"""Reason -> one sentence for the person who looks at the hold."""
