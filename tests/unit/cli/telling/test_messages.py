"""What a person is told: news against what was told, one message for what comes together, never the same twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.cli.telling.messages import MOST_LISTED, News, ToldSoFar, compose, told_after
from reconciler.config.model import Occasion
from reconciler.telemetry.notifications import Message, Severity
from tests.builders import NOW

ALL = frozenset(Occasion)
CALM = News(at=NOW, holds=(), brake="", released=True, down_since={}, read=frozenset({"coralogix", "main"}))


def a_hold(at: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "case_id": f"id-{at}",
        "case_key": f"CASE-{at}",
        "number": f"INC{at:07}",
        "reason": "rejected",
        "detail": "main answered 403: no",
        "since": f"2026-03-01T09:00:{at % 60:02}.000000Z",
        "next_retry_at": None,
    }
    return row | changes


def message(news: News, told: ToldSoFar | None = None, on: frozenset[Occasion] = ALL) -> Message | None:
    return compose(news, told or ToldSoFar(), on, source="From here")


def test_nothing_new_is_no_message() -> None:
    assert message(CALM) is None
    assert told_after(CALM, ToldSoFar()) == ToldSoFar()


def test_holds_that_come_together_are_one_message_with_case_record_and_words() -> None:
    news = replace(CALM, holds=(a_hold(1), a_hold(2, number=None, case_key=None)))
    told = message(news)
    assert told is not None
    assert (told.title, told.severity) == ("Reconciler: 2 Cases wait for a person", Severity.WARNING)
    assert "- CASE-1, INC0000001: rejected: main answered 403: no\n- id-2: rejected: " in told.body
    assert told.body.endswith("\n\nFrom here")
    assert told_after(news, ToldSoFar()).holds_until == "2026-03-01T09:00:02.000000Z"


def test_a_flood_of_holds_is_cut_and_counted() -> None:
    told = message(replace(CALM, holds=tuple(a_hold(number) for number in range(25))))
    assert told is not None
    assert told.body.count("\n- ") == MOST_LISTED + 1
    assert f"- and {25 - MOST_LISTED} more" in told.body


def test_what_a_service_says_cannot_forge_lines_nor_show_a_secret() -> None:
    told = message(replace(CALM, holds=(a_hold(detail="no\n- CASE-9: fine\x1b[0m password=S3CRET " + "x" * 999),)))
    assert told is not None
    assert "\n- CASE-9" not in told.body
    assert "S3CRET" not in told.body
    assert "\x1b" not in told.body
    assert len(told.body) < 600


def test_a_brake_is_told_once_and_that_it_is_off_once() -> None:
    braked = replace(CALM, brake="120 creates are over 100", released=False)
    first = message(braked)
    assert first is not None
    assert (first.title, first.severity) == ("Reconciler: a brake stands", Severity.FAILURE)
    assert "120 creates are over 100" in first.body
    knows = told_after(braked, ToldSoFar())
    assert message(braked, knows) is None
    failed = replace(CALM, released=False)
    assert message(failed, knows) is None
    assert told_after(failed, knows) == knows
    over = message(CALM, knows)
    assert over is not None
    assert (over.title, over.severity) == ("Reconciler: the brake is off", Severity.SUCCESS)
    assert told_after(CALM, knows) == ToldSoFar()


def test_a_side_that_is_down_is_told_once_and_that_it_is_read_again_once() -> None:
    since = NOW - timedelta(minutes=12)
    down = replace(CALM, down_since={"main": since}, read=frozenset({"coralogix"}))
    first = message(down)
    assert first is not None
    assert (first.title, first.severity) == ("Reconciler: main is down", Severity.FAILURE)
    assert f"main was not read whole for 12 minutes, since {since:%Y-%m-%d %H:%M} UTC." in first.body
    knows = told_after(down, ToldSoFar())
    assert message(down, knows) is None
    back = message(CALM, knows)
    assert back is not None
    assert (back.title, back.severity) == ("Reconciler: main is read again", Severity.SUCCESS)
    assert told_after(CALM, knows) == ToldSoFar()


def test_all_that_is_news_is_one_message_the_worst_first() -> None:
    news = replace(
        CALM, holds=(a_hold(),), brake="b", released=False, down_since={"main": NOW}, read=frozenset({"coralogix"})
    )
    told = message(news, ToldSoFar(down=("coralogix",)))
    assert told is not None
    assert told.title == (
        "Reconciler: main is down; a brake stands; a Case waits for a person; coralogix is read again"
    )


def test_what_nobody_asked_for_is_not_told_and_not_told_later() -> None:
    news = replace(CALM, holds=(a_hold(),), brake="b", released=False)
    on = frozenset({Occasion.BRAKE})
    told = message(news, on=on)
    assert told is not None
    assert told.title == "Reconciler: a brake stands"
    knows = told_after(news, ToldSoFar())
    assert message(replace(CALM, released=False), knows, on) is None
    assert message(CALM, knows, on) is None
