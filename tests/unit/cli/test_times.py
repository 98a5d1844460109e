"""What a person may type for a time."""

from __future__ import annotations

import click
import pytest

from reconciler.cli.times import WHEN


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("999999d", "'999999d' lies outside the years 1 to 9999"),
        ("9999-12-31T23:59-01:00", "'9999-12-31T23:59-01:00' lies outside the years 1 to 9999"),
        ("yesterday", "'yesterday' is neither a duration (30m, 12h, 7d) nor an ISO 8601 time"),
        ("2099-01-01", "'2099-01-01' is in the future"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_with_the_reason(typed: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        WHEN.convert(typed, None, None)
    assert refused.value.message.startswith(words)
