"""How Case JSON is read: to the last member, leniently, and strictly where identity and order hang on it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.errors import Malformed
from reconciler.core.model import Case, Entity, Indicator
from reconciler.remotes.coralogix.codec import case_from_json

ID = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
OTHER = "69bb1bab-a570-4e97-8316-adc41b96cd24"
LEAST = {"id": ID, "status": "CASE_STATUS_ACTIVE", "createTime": "2025-09-22T10:30:00Z"}
FULL = {
    **LEAST,
    "readableId": "CASE-123",
    "title": "Database outage",
    "priority": "CASE_PRIORITY_P2",
    "priorityDetails": {"system": "CASE_PRIORITY_P3", "override": "CASE_PRIORITY_P2"},
    "category": "CASE_CATEGORY_AVAILABILITY",
    "updateTime": "2025-09-22T10:31:10.120Z",
    "acknowledgeTime": "2025-09-22T12:31:10+02:00",
    "lastReactivatedAt": "2025-09-22T11:00:00Z",
    "assignee": {"userId": OTHER},
    "resolutionDetails": {"reason": "done", "resolveTime": "2025-09-22T10:32:00Z", "resolvedBy": {"apiKey": {}}},
    "labels": [{"key": "team", "value": "sre"}, {"key": "team", "value": "dba"}, {"key": "env", "value": "prod"}],
    "groupings": [{"key": "service", "value": "payments"}],
    "impactedEntities": [
        {"apmService": {"name": "api", "language": "go"}, "apmDatabase": None},
        {"apmDatabase": {"name": "orders", "system": "postgresql"}},
        {"somethingNew": {}},
    ],
    "kpiBreaches": {"breachedKpis": [{"kpiType": "KPI_TYPE_TIME_TO_RESOLVE"}]},
    "relationship": {"type": "CHILD", "parentCaseId": OTHER},
    "caseIndicators": {
        "alertIndicators": [
            {
                "alertId": OTHER,
                "state": "INDICATOR_STATE_TRIGGERED",
                "priority": "INDICATOR_PRIORITY_P1",
                "triggerTime": "2025-09-22T10:29:00Z",
                "permutations": [{"permutation": {"host": "a"}}, {"permutation": {"host": "b"}}],
            }
        ],
        "genericIndicators": [
            {"id": "g", "externalId": "err-1", "status": "GENERIC_INDICATOR_STATUS_RESOLVED", "labels": [{"key": "k"}]}
        ],
        "prometheusAlertIndicators": [
            {
                "alerts": [
                    {
                        "fingerprint": "f",
                        "alertName": "HighLoad",
                        "labels": {"job": "node"},
                        "status": {"resolved": {"resolvedAt": "2025-09-22T10:40:00Z"}, "triggered": None},
                    }
                ]
            }
        ],
    },
}


def at(hour: int, minute: int, second: int = 0, micro: int = 0) -> datetime:
    return datetime(2025, 9, 22, hour, minute, second, micro, tzinfo=UTC)


def test_a_full_case_is_read_to_the_last_member() -> None:
    assert case_from_json(FULL) == Case(
        id=ID,
        key="CASE-123",
        title="Database outage",
        status="ACTIVE",
        priority="P2",
        category="AVAILABILITY",
        created_at=at(10, 30),
        updated_at=at(10, 31, 10, 120_000),
        acknowledged_at=at(10, 31, 10),
        resolved_at=at(10, 32),
        resolved_by="apiKey",
        resolution_reason="done",
        assignee=OTHER,
        priority_system="P3",
        priority_override="P2",
        labels={"team": ("sre", "dba"), "env": ("prod",)},
        groupings={"service": ("payments",)},
        impacted_entities=(
            Entity(kind="service", name="api", detail="go"),
            Entity(kind="database", name="orders", detail="postgresql"),
        ),
        indicators=(
            Indicator(
                kind="alert",
                id=OTHER,
                state="TRIGGERED",
                priority="P1",
                triggered_at=at(10, 29),
                labels={"host": "a"},
            ),
            Indicator(kind="generic", id="g", name="err-1", state="RESOLVED", labels={"k": ""}),
            Indicator(
                kind="prometheus",
                id="f",
                name="HighLoad",
                state="RESOLVED",
                resolved_at=at(10, 40),
                labels={"job": "node"},
            ),
        ),
        kpi_breaches=("TIME_TO_RESOLVE",),
        parent_id=OTHER,
        reactivated_at=at(11, 0),
    )


BARE = Case(id=ID, key=None, title="", status="ACTIVE", priority="", category="", created_at=at(10, 30))


def test_members_may_be_missing() -> None:
    assert case_from_json(LEAST) == BARE


@pytest.mark.parametrize("odd", [None, 7, "text", [], ["x"], {}, [None], True])
def test_members_may_be_null_or_of_another_shape(odd: object) -> None:
    spoiled = {name: odd for name in FULL if name not in LEAST}
    read = case_from_json({**spoiled, **LEAST})
    assert (read.id, read.labels, read.indicators, read.updated_at) == (ID, {}, (), None)


@pytest.mark.parametrize("odd", [None, 7, "text", [], {}])
def test_members_of_members_may_be_of_another_shape(odd: object) -> None:
    spoiled = {
        **LEAST,
        "labels": [odd, {"key": odd, "value": odd}],
        "impactedEntities": [odd, {"apmService": odd}],
        "caseIndicators": {
            "alertIndicators": [odd, {"permutations": [{"permutation": odd}], "triggerTime": odd}],
            "prometheusAlertIndicators": [{"alerts": [{"status": {"triggered": odd}, "labels": {"a": odd}}]}],
        },
    }
    assert case_from_json(spoiled).status == "ACTIVE"


def test_an_unknown_word_is_kept() -> None:
    read = case_from_json({**LEAST, "status": "CASE_STATUS_FROZEN", "priority": "URGENT", "mute": {"new": "member"}})
    assert (read.status, read.priority) == ("FROZEN", "URGENT")


@pytest.mark.parametrize("digits", range(10))
def test_times_have_up_to_nine_fractional_digits(digits: int) -> None:
    fraction = f".{'123456789'[:digits]}" if digits else ""
    read = case_from_json({**LEAST, "updateTime": f"2025-09-22T10:30:00{fraction}Z"})
    assert read.updated_at == at(10, 30, 0, int("123456789"[:digits].ljust(9, "0")[:6]))


@pytest.mark.parametrize("unset", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", ""])
def test_a_time_before_there_were_services_is_none(unset: str) -> None:
    """Go writes an unset time as that of the year 1."""
    assert case_from_json({**LEAST, "updateTime": unset}).updated_at is None


@pytest.mark.parametrize("far", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "20000-01-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["updateTime", "createTime", "acknowledgeTime", "lastReactivatedAt"])
def test_a_time_far_ahead_puts_its_case_aside(name: str, far: str) -> None:
    with pytest.raises(Malformed, match=f"understood: {name} missing or not readable"):
        case_from_json({**LEAST, name: far})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": None}, "id"),
        ({"id": ID.upper()}, "id"),
        ({"id": f"{ID}\n"}, "id"),
        ({"id": ""}, "id"),
        ({"status": None}, "status"),
        ({"status": "CASE_STATUS_"}, "status"),
        ({"createTime": None}, "createTime"),
        ({"createTime": "yesterday"}, "createTime"),
        ({"createTime": "2025-09-22T10:30:00"}, "createTime"),
    ],
)
def test_a_case_without_identity_or_order_is_malformed(change: dict[str, object], named: str) -> None:
    raw = {**FULL, **change}
    with pytest.raises(Malformed, match=f"understood: {named} missing") as caught:
        case_from_json(raw)
    assert caught.value.raw is raw
