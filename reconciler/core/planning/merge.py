"""The three-way merge of a field that is kept in step: what the Case wants, what we last wrote, what the record holds.

Rule of this file: a value that is not ours is never overwritten. A value of which that is not known counts as not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from reconciler.core.frozen import dataclass


class MergeResult(StrEnum):
    """What becomes of one field."""

    WRITE = "write"
    ALREADY = "already"
    """the record holds what the Case wants, or what it made of that when we wrote it"""
    KEPT_BY_PERSON = "kept"
    """somebody else gave it another value, which stays"""
    LEAVE = "leave"
    """there is nothing to say: the record does not show the field, or the Case never gave it a value"""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge of several fields comes to."""

    changes: Mapping[str, str] = field(default_factory=dict)
    """what to write"""
    written_after: Mapping[str, str] = field(default_factory=dict)
    """what we last wrote, once the changes are written"""
    kept: tuple[str, ...] = ()
    """the fields that a person changed, in order"""


def merge_field(wanted: str, sent: str | None, current: str | None, kept: str | None = None) -> MergeResult:
    """Decide about one field; line ends and blanks at the ends of lines make no difference.

    ``sent`` is what we wrote last, None for a field that we never wrote: then only an empty one is filled. ``current``
    is None where the record does not show the field (it was never read, or this user may not read it). ``kept`` is what
    the record made of ``sent``, None where that is not known: then it counts as kept as it was sent.

    Many an instance rewrites what it is given: it cuts, puts a word in front, replaces signs. So whether a person
    touched a field is asked of what was kept, and whether there is something new to say of what was sent.
    """
    if current is None:
        return MergeResult.LEAVE
    theirs, ours = normal(current), normal(sent or "")
    if theirs == normal(wanted):
        return MergeResult.ALREADY
    if kept is not None and theirs == normal(kept):
        return MergeResult.ALREADY if ours == normal(wanted) else MergeResult.WRITE
    if theirs == ours:
        return MergeResult.WRITE
    return MergeResult.KEPT_BY_PERSON if ours or normal(wanted) else MergeResult.LEAVE


def merge_fields(
    wanted: Mapping[str, str],
    written: Mapping[str, str],
    current: Mapping[str, str | None],
    kept: Mapping[str, str] | None = None,
) -> Merged:
    """Decide about every wanted field; a field that is no longer wanted is remembered and never written."""
    results = {
        name: merge_field(value, written.get(name), current.get(name), (kept or {}).get(name))
        for name, value in wanted.items()
    }
    changes = {name: wanted[name] for name, result in results.items() if result is MergeResult.WRITE}
    ours = {name: wanted[name] for name, result in results.items() if result is MergeResult.ALREADY}
    by_person = tuple(name for name, result in results.items() if result is MergeResult.KEPT_BY_PERSON)
    return Merged(changes=changes, written_after={**written, **ours, **changes}, kept=by_person)


def normal(value: str) -> str:
    """Return the form in which two values are compared."""
    if "\n" not in value and "\r" not in value:
        return value.rstrip()
    unified = value.replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.rstrip() for line in unified.split("\n")).rstrip()
