"""What is known of a Case and no answer says: its address, and since when it is active again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.core.lifecycle import as_known
from tests.builders import NOW, a_case

LATER = NOW + timedelta(minutes=1)
KNOWN = a_case(status="RESOLVED", updated_at=NOW, url="https://console/1")


@pytest.mark.parametrize(
    ("status", "updated_at", "came_back_at"),
    [
        ("ACTIVE", LATER, LATER),
        ("ACKNOWLEDGED", LATER, LATER),
        ("PENDING_ACTIVATION", LATER, LATER),
        ("CLOSED", LATER, None),
        ("SNOOZED", LATER, None),
        ("ACTIVE", NOW, None),  # a listing that lags behind the answer to our own write
        ("ACTIVE", None, None),
    ],
)
def test_a_case_that_does_not_say_so_came_back_when_it_changed(
    status: str, updated_at: datetime | None, came_back_at: datetime | None
) -> None:
    seen = as_known(KNOWN, a_case(status=status, updated_at=updated_at))
    assert (seen.reactivated_at, seen.url) == (came_back_at, "https://console/1")


def test_what_is_known_stays_until_it_is_told_anew() -> None:
    back = as_known(KNOWN, a_case(updated_at=LATER))
    renamed = as_known(back, a_case(title="Slower", updated_at=LATER + timedelta(minutes=1)))
    assert (renamed.title, renamed.reactivated_at) == ("Slower", LATER)
    told = a_case(updated_at=LATER, reactivated_at=NOW, url="https://console/2")
    assert as_known(renamed, told) is told
