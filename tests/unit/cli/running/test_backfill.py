"""What is said of a backfill before it begins."""

from __future__ import annotations

import pytest

from reconciler.cli.running.backfill import estimate_lines
from reconciler.engine.estimate import Estimate


@pytest.mark.parametrize(
    ("cases", "to_servicenow", "words"),
    [
        (0, 1, "no Case is without a record that it may get: about 1 request to ServiceNow and 4 to Coralogix"),
        (1, 2, "one Case has no record and may get one: about 2 requests to ServiceNow and 4 to Coralogix"),
        (2, 3, "some 2 Cases have no record and may get one: about 3 requests to ServiceNow and 4 to Coralogix"),
    ],
)
def test_what_is_left_to_do_is_told_right_of_any_number(cases: int, to_servicenow: int, words: str) -> None:
    about = Estimate(cases=cases, parts=1, to_coralogix=4, to_servicenow=to_servicenow, seconds=1.0)
    assert estimate_lines(about)[0].startswith(f"{words}, in one batch, ")
