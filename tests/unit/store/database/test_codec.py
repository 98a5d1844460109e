"""Values to text and back: whole, canonical, and with times of one width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from reconciler.core.model import Absence, Entity, Indicator
from reconciler.store.database.codec import (
    case_from,
    incident_from,
    json_text,
    link_from,
    link_values,
    snapshot_text,
    time_text,
)
from tests.builders import NOW, a_case, a_link, an_incident
from tests.store_helpers import LATER

FULL_CASE = a_case(
    acknowledged_at=NOW,
    reactivated_at=NOW + timedelta(microseconds=1),
    labels={"team": ("sre", "ops")},
    groupings={"host": ("a",)},
    impacted_entities=(Entity(kind="service", name="pay", detail="go"),),
    indicators=(Indicator(kind="alert", id="1", name="CPU", triggered_at=NOW, labels={"a": "ü"}),),
    kpi_breaches=("slow",),
    url="https://example.test/case",
)


def test_snapshots_come_back_whole() -> None:
    assert case_from(snapshot_text(FULL_CASE)) == FULL_CASE
    full = an_incident(fields={"close_code": "", "description": "x\ny"}, reopen_count=2)
    assert incident_from(snapshot_text(full)) == full


def test_equal_values_give_equal_text_whatever_their_order() -> None:
    one, two = {"a": ("1",), "b": ("2",)}, {"b": ("2",), "a": ("1",)}
    assert json_text(a_case(labels=one)) == json_text(a_case(labels=two))


def test_what_an_older_version_wrote_is_read() -> None:
    assert case_from(json_text(FULL_CASE)) == FULL_CASE
    assert case_from(json_text({**vars(FULL_CASE), "unheard_of": 1})) == FULL_CASE
    assert incident_from(json_text(an_incident())) == an_incident()


@pytest.mark.parametrize("write", [snapshot_text, json_text])
def test_both_forms_are_read_and_what_an_older_version_left_out_has_its_default(write: Callable[[object], str]) -> None:
    for case in (FULL_CASE, a_case()):
        assert case_from(write(case)) == case
    incident = an_incident(fields={"description": "x\ny"}, reopen_count=2)
    assert incident_from(write(incident)) == incident
    older = {name: value for name, value in vars(FULL_CASE).items() if name not in {"indicators", "url", "labels"}}
    assert case_from(json_text(older)) == replace(FULL_CASE, indicators=(), url="", labels={})


def test_times_have_one_width_and_are_utc() -> None:
    there = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(there) == "2026-03-01T12:00:00.000000Z"
    with pytest.raises(ValueError, match="without a zone"):
        time_text(datetime(2026, 3, 1))  # noqa: DTZ001 - the point of the test


def test_a_link_comes_back_whole() -> None:
    absence = Absence(first_at=NOW, last_at=LATER, times=2)
    link = a_link(
        written={"a": "b"}, incident_absence=absence, case_absence=absence, create_in_doubt_since=NOW, first_seen_at=NOW
    )
    assert link_from([*link_values(link).values()]) == link
