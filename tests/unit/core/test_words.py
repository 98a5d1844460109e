"""How values and counts are told to a person."""

from __future__ import annotations

import pytest

from reconciler.core.words import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 batches"), (1, "1 batch"), (2, "2 batches")])
def test_one_is_not_many(number: int, words: str) -> None:
    assert counted(number, "batch", "batches") == words
    assert counted(number, "Case") == words.replace("batches", "Cases").replace("batch", "Case")
