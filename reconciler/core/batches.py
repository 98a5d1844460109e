"""Cut a sequence into pieces of the size that one request, or one SQL statement, can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


def batches(things: Sequence[Thing], size: int) -> list[Sequence[Thing]]:
    """Cut a sequence into pieces of ``size`` in their order, the last one shorter; nothing for an empty sequence."""
    return [things[start : start + size] for start in range(0, len(things), size)]
