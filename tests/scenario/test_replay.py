"""Real histories, each played onto a linked record: every Case ends where forward-only says, with no write to spare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.oracle import RECORD_STAGES, STATUS_AT
from tests.scenario.replay import Pace, Replay
from tests.scenario.updates import Update, every_nth, read_updates

HISTORIES = Path(__file__).resolve().parents[3] / "shared" / "replay" / "incident_histories.csv"
ALL = 890

pytestmark = [
    pytest.mark.gate,
    pytest.mark.skipif(not HISTORIES.exists(), reason="no real histories beside the checkout"),
]


@pytest.fixture(scope="module")
def updates() -> list[Update]:
    return read_updates(HISTORIES)


@pytest.mark.parametrize(
    ("first", "sample", "pace"),
    [
        # All of them, in halves, so that two workers share them.
        pytest.param(0, 2, Pace(updates_per_cycle=60, seed=1), id="one-half-a-few-cycles"),
        pytest.param(1, 2, Pace(updates_per_cycle=60, seed=1), id="other-half-a-few-cycles"),
        pytest.param(0, 12, Pace(updates_per_cycle=1, seed=2), id="some-after-every-update"),
        pytest.param(0, 12, Pace(updates_per_cycle=5, seed=3), id="some-every-few-updates"),
        pytest.param(0, 6, Pace(updates_per_cycle=400, seed=4, arrivals=200), id="some-rarely"),
    ],
)
def test_each_case_follows_its_history(updates: list[Update], first: int, sample: int, pace: Pace) -> None:
    replay = Replay(every_nth(updates, sample, first), pace).play()
    assert replay.problems() == []
    assert len(replay.tracks) == len(range(first, ALL, sample))
    for number, track in replay.tracks.items():
        known = [seen.record.stage for seen in track.seen if seen.record and seen.record.state in RECORD_STAGES]
        highest = max(stage for stage in known if stage)
        assert replay.world.status(track.case_id) == STATUS_AT[highest], number


@pytest.mark.parametrize(
    ("sample", "pace"),
    [
        pytest.param(5, Pace(updates_per_cycle=8, seed=5, case_moves=0.2), id="every-few-updates"),
        pytest.param(20, Pace(updates_per_cycle=1, seed=6, case_moves=0.5), id="after-every-update"),
        pytest.param(10, Pace(updates_per_cycle=60, seed=7, case_moves=1.0), id="rarely"),
    ],
)
def test_both_sides_move_while_the_history_runs(updates: list[Update], sample: int, pace: Pace) -> None:
    replay = Replay(every_nth(updates, sample), pace).play()
    assert replay.problems() == []
    assert {"incident_reopened", "case_moved_back"} <= replay.words
