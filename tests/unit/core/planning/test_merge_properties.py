"""The three-way merge of one field, for any three values: a value that is not ours is never overwritten."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.planning.merge import MergeResult, merge_field, merge_fields, normal

VALUES = st.sampled_from(["", "a", "b", "a ", "a\r\nb", "a\nb", "a\n", " a", "a\n\n"])
MAYBE = st.none() | VALUES
NAMES = st.sampled_from(["short_description", "impact", "urgency"])
FEW = settings(max_examples=300, derandomize=True, deadline=None, database=None)


@FEW
@given(wanted=VALUES, written=MAYBE, current=MAYBE)
def test_only_what_is_empty_or_was_written_by_us_is_overwritten(
    wanted: str, written: str | None, current: str | None
) -> None:
    if merge_field(wanted, written, current) is MergeResult.WRITE:
        assert current is not None
        assert normal(current) in {"", normal(written or "")}


@FEW
@given(wanted=VALUES, written=MAYBE, current=MAYBE)
def test_nothing_is_written_that_would_change_nothing(wanted: str, written: str | None, current: str | None) -> None:
    if merge_field(wanted, written, current) is MergeResult.WRITE:
        assert normal(wanted) != normal(current or "")


@FEW
@given(wanted=VALUES, written=VALUES)
def test_what_we_wrote_and_nobody_touched_follows_the_case(wanted: str, written: str) -> None:
    result = merge_field(wanted, written, written)
    assert result is (MergeResult.ALREADY if normal(wanted) == normal(written) else MergeResult.WRITE)


@FEW
@given(
    wanted=st.dictionaries(NAMES, VALUES),
    written=st.dictionaries(NAMES, VALUES),
    held=st.dictionaries(NAMES, VALUES),
)
def test_a_merge_that_was_carried_out_has_nothing_left_to_do(
    wanted: dict[str, str], written: dict[str, str], held: dict[str, str]
) -> None:
    current: dict[str, str | None] = {name: held.get(name) for name in wanted}
    merged = merge_fields(wanted, written, current)
    again = merge_fields(wanted, merged.written_after, {**current, **merged.changes})
    assert not again.changes
    assert again.kept == merged.kept
    assert again.written_after == merged.written_after


@FEW
@given(first=VALUES, second=VALUES, theirs=VALUES, start=VALUES)
def test_a_persons_value_survives_every_later_change_of_the_case(
    first: str, second: str, theirs: str, start: str
) -> None:
    merged = merge_fields({"impact": first}, {"impact": start}, {"impact": theirs})
    if normal(theirs) in {normal(first), normal(start), ""}:
        return  # not told apart from our own
    assert not merged.changes
    assert not merge_fields({"impact": second}, merged.written_after, {"impact": theirs}).changes
