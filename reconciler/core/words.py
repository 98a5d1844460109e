"""How values and counts are told to a person: ``In Progress``, ``1 - High`` for an impact of ``1``, ``1 Case``.

A value that is not known here is shown as it is. Source: the choice lists of ServiceNow's ``incident`` table.
"""

from __future__ import annotations

from collections.abc import Mapping

_THREE = {"1": "High", "2": "Medium", "3": "Low"}
LEVELS: Mapping[str, Mapping[str, str]] = {
    "impact": _THREE,
    "urgency": _THREE,
    "priority": {"1": "Critical", "2": "High", "3": "Moderate", "4": "Low", "5": "Planning"},
}
"""Field of a record -> value -> its label."""


def level(field: str, value: str) -> str:
    """Show the value of a field as ServiceNow's own forms do; one without a label as it is."""
    label = LEVELS.get(field, {}).get(value)
    return f"{value} - {label}" if label else value


def in_words(word: str) -> str:
    """Show a state word or a status: ``in_progress`` as In Progress, ``PENDING_ACTIVATION`` as Pending Activation."""
    return word.replace("_", " ").title()


def counted(number: int, one: str, more: str = "") -> str:
    """Say how many there are: ``1 Case``, ``2 Cases``; ``more`` is the plural of a word that gets no mere s."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"
