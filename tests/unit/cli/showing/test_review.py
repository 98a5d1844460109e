"""A reviewer is shown each action whole: where it goes, what changes, and nothing that a foreign text could fake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.cli import terminal
from reconciler.cli.showing import review
from reconciler.core.model import ActionKind, Pair, Result, Skip, SkipReason, Stage
from reconciler.core.policies.policies import OnReactivate
from reconciler.engine.report import CycleReport
from tests.builders import an_inbound, policies
from tests.world import World


def reported(world: World) -> CycleReport:
    return world.cycle(carry_out=False)


@pytest.fixture
def world() -> World:
    world = World(rules=policies())
    world.case_id = world.new_case("Payments are slow")  # type: ignore[attr-defined]
    return world


def test_a_create_is_shown_with_its_title_route_place_and_values(world: World) -> None:
    text = "\n".join(review.blocks(review.reviewed_plan(reported(world)), ()))
    assert "create_incident  CASE-1  Payments are slow" in text
    assert "main/incident" in text
    assert "route everything: - → open" in text
    assert any("short_description" in line and "Payments are slow" in line for line in text.splitlines())


def test_a_change_is_shown_as_old_and_new(world: World) -> None:
    world.cycle()
    world.cycle()
    world.coralogix.acknowledge(world.case_id)  # type: ignore[attr-defined]
    rows = review.reviewed_plan(reported(world))
    assert [(one.field, one.words) for one in rows[0].changes] == [("state", "1 (new) → 2 (in_progress)")]
    assert rows[0].steps == "open → acknowledged"


def test_a_further_record_is_not_shown_as_a_change_of_the_one_before() -> None:
    world = World(rules=policies(inbound=an_inbound(on_reactivate=OnReactivate.NEW_RECORD)))
    case_id = world.started()
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    world.clock.advance(seconds=60)
    world.coralogix.reactivate(case_id)
    [row] = review.reviewed_plan(reported(world))
    assert row.action.kind is ActionKind.CREATE_INCIDENT
    assert {change.old for change in row.changes} == {None}


def test_nothing_is_cut_where_output_is_no_terminal() -> None:
    words = "w" * 5000
    assert words in terminal.table(("a", "b"), [("x", words)])[-1]


def test_foreign_text_cannot_fake_a_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b[2J\nfake_action  CASE-9"
    report = reported(world)
    case_id, pair = next(iter(report.pairs.items()))
    report = replace(report, pairs={case_id: Pair(link=pair.link, case=replace(pair.case, title=evil))})
    rows = review.reviewed_plan(report)
    for lines in (review.blocks(rows, ()), review.brief(rows, ()), review.markdown(rows, (), plan_hash="h")):
        terminal.print_lines(*lines)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert not any(line.startswith("fake_action") for line in shown.splitlines())


def test_markdown_keeps_a_cell_a_cell() -> None:
    skip = Skip(case_id="c", case_key="CASE-1", reason=SkipReason.REJECTED, detail="a | b\n# c")
    last = review.markdown([], [skip], plan_hash="h")[-1]
    assert last == "| CASE-1 | rejected | a \\| b \\# c |"


def test_every_format_has_the_detail_of_an_action(world: World) -> None:
    rows = [replace(row, detail="a | b\n# c") for row in review.reviewed_plan(reported(world))]
    assert "  a | b\n# c" in review.blocks(rows, ())
    assert "a | b # c" in " ".join(review.brief(rows, ())[-1].split())
    assert review.markdown(rows, (), plan_hash="h")[-2:] == ["", "a \\| b \\# c"]


def test_a_result_stands_beside_its_action(world: World) -> None:
    row = review.reviewed_outcomes(world.cycle())[0]
    assert (row.result, row.detail) == (Result.DONE, "made INC0010001")
    assert row.action.to_stage is Stage.OPEN
