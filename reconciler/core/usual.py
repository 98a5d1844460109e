"""The numbers that hold where the config does not say otherwise, each in this one place.

Those of the brakes and of the policies stand with them, as defaults of ``Limits`` and ``Inbound``. Nothing is imported
here, so that a command that only looks at the config needs no more than this.
"""

from __future__ import annotations

POLL_SECONDS = 30
LAG_OBJECTIVE_SECONDS = 120
CASE_OVERLAP_SECONDS = 600
INCIDENT_OVERLAP_SECONDS = 300
FIRST_LOOKBACK_HOURS = 24
DRIFT_CHECK_MINUTES = 15
REQUESTS_PER_SECOND = 100.0
WORKERS = 8
