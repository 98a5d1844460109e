"""Where a Coralogix world keeps its Cases: by id and key, in order, and as they were a while ago.

The two orders that a poller asks for are kept sorted, so that a page costs the same however many Cases there are.
Page tokens are those that the official sample decodes to: base64 of ``<time, microseconds>Z,<uuid>``. Not safe for
several threads: the world holds its lock around every call.
"""

from __future__ import annotations

import base64
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from reconciler.core.frozen import dataclass
from reconciler.core.model import Case
from reconciler.sandbox.coralogix.lifecycle import STATUSES
from reconciler.sandbox.coralogix.records import BadTokenError, CaseKnobs, NoSuchCaseError

DEFAULT_PAGE_SIZE = 100
"""The real default is not documented."""

SortKey = tuple[int, str, str]
"""rank, which keeps missing values apart; text that sorts as the value does; Case id, so that no two keys are equal"""


class SortField(StrEnum):
    """Choose what a listing is ordered by."""

    CREATED = "created"
    UPDATED = "updated"
    PRIORITY = "priority"
    STATUS = "status"
    CATEGORY = "category"
    DURATION = "duration"


TIME_FIELDS = frozenset({SortField.CREATED, SortField.UPDATED})


def _everything(_: Case) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """What to list; the token goes with the same field, direction and conditions as the page before."""

    field: SortField = SortField.CREATED
    ascending: bool = False
    page_size: int = DEFAULT_PAGE_SIZE
    page_token: str | None = None
    skip: int = 0
    matches: Callable[[Case], bool] = _everything


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page as the service would give it."""

    cases: tuple[Case, ...]
    next_token: str | None
    truncated: bool
    """a Case that matches is hidden"""


@dataclass(slots=True)
class CaseRow:
    """One Case and the exact times by which it is ordered, now and before."""

    case: Case
    created: datetime
    updated: datetime | None
    history: list[tuple[datetime, Case, datetime | None]] = field(default_factory=list)
    """when it was changed, and how it stood from then on"""


class CaseShelf:
    """Keep rows by id and in order."""

    def __init__(self, knobs: CaseKnobs) -> None:
        self.knobs = knobs
        self._null_rank = 2 if knobs.nulls_first else 0
        self._rows: dict[str, CaseRow] = {}
        self._ids_by_key: dict[str, str] = {}
        self._orders: dict[SortField, list[SortKey]] = {SortField.CREATED: [], SortField.UPDATED: []}
        self.hidden: set[str] = set()

    def row(self, case_id: str) -> CaseRow:
        """Find a row by Case id or readable id; raise NoSuchCaseError when there is none."""
        row = self._rows.get(case_id) or self._rows.get(self._ids_by_key.get(case_id, ""))
        if row is None:
            raise NoSuchCaseError(case_id)
        return row

    def cases(self) -> list[Case]:
        """Return every Case in the order of creation, the hidden ones too."""
        return [row.case for row in self._rows.values()]

    def add(self, case: Case, *, created: datetime, updated: datetime | None) -> None:
        """Add a new Case."""
        self._rows[case.id] = CaseRow(case, created, updated, [(created, case, updated)])
        insort(self._orders[SortField.CREATED], self._time_key(created, case.id))
        insort(self._orders[SortField.UPDATED], self._time_key(updated, case.id))
        self._index_key(case)

    def put(self, case: Case, *, at: datetime, updated: datetime | None) -> None:
        """Replace a Case by its new form, which may have a new place in the order."""
        row = self._rows[case.id]
        if updated != row.updated:
            order = self._orders[SortField.UPDATED]
            del order[bisect_left(order, self._time_key(row.updated, case.id))]
            insort(order, self._time_key(updated, case.id))
        row.case, row.updated = case, updated
        row.history.append((at, case, updated))
        self._index_key(case)

    def remove(self, case_id: str) -> None:
        """Remove a Case for good."""
        row = self._rows.pop(case_id)
        for order, moment in ((SortField.CREATED, row.created), (SortField.UPDATED, row.updated)):
            keys = self._orders[order]
            del keys[bisect_left(keys, self._time_key(moment, case_id))]
        self._ids_by_key.pop(row.case.key or "", None)
        self.hidden.discard(case_id)

    def page(self, query: ListQuery, *, now: datetime, as_of: datetime | None = None) -> Listing:
        """Return one page, of the present or of the world as it was; raise BadTokenError."""
        if as_of is None and query.field in TIME_FIELDS:
            return self._take(query, self._orders[query.field], lambda case_id: self._rows[case_id].case)
        cases, keys = self._snapshot(query.field, now, as_of or now)
        return self._take(query, keys, cases.__getitem__)

    def _index_key(self, case: Case) -> None:
        if case.key is not None:
            self._ids_by_key[case.key] = case.id

    def _time_key(self, moment: datetime | None, case_id: str) -> SortKey:
        return (self._null_rank, "", case_id) if moment is None else (1, _time_text(moment), case_id)

    def _snapshot(self, order: SortField, now: datetime, as_of: datetime) -> tuple[dict[str, Case], list[SortKey]]:
        """Return the Cases that stood at that time and their keys, sorted."""
        cases: dict[str, Case] = {}
        keys: list[SortKey] = []
        for row in self._rows.values():
            seen = next((then for then in reversed(row.history) if then[0] <= as_of), None)
            if seen is not None:
                cases[row.case.id] = seen[1]
                keys.append(self._key(order, row, seen[1], seen[2], now))
        keys.sort()
        return cases, keys

    def _key(self, order: SortField, row: CaseRow, case: Case, updated: datetime | None, now: datetime) -> SortKey:
        match order:
            case SortField.CREATED:
                return self._time_key(row.created, case.id)
            case SortField.UPDATED:
                return self._time_key(updated, case.id)
            case SortField.DURATION:
                return (1, f"{duration_ms(case, now):020d}", case.id)
            case _:
                return (1, _word_texts(case)[order], case.id)

    def _take(self, query: ListQuery, keys: Sequence[SortKey], case_of: Callable[[str], Case]) -> Listing:
        start, skip = self._start(query, keys)
        repeat = self.knobs.duplicate_rows and query.page_size > 1
        wanted = query.page_size - repeat  # one place is kept for the row that is given twice
        taken: list[SortKey] = []
        for key in _walk(keys, start, ascending=query.ascending):
            if key[2] in self.hidden or not query.matches(case_of(key[2])):
                continue
            if skip:
                skip -= 1
                continue
            if len(taken) == wanted:
                return self._listing(query, taken, case_of, more=True)
            taken.append(key)
        return self._listing(query, taken, case_of, more=False)

    def _listing(
        self, query: ListQuery, taken: list[SortKey], case_of: Callable[[str], Case], *, more: bool
    ) -> Listing:
        cases = [case_of(key[2]) for key in taken]
        if self.knobs.duplicate_rows and query.page_size > 1:
            cases += cases[-1:]
        return Listing(
            cases=tuple(cases),
            next_token=self._token(query, taken) if more else None,
            truncated=any(self._is_match(case_id, query, case_of) for case_id in self.hidden),
        )

    def _is_match(self, case_id: str, query: ListQuery, case_of: Callable[[str], Case]) -> bool:
        try:
            return query.matches(case_of(case_id))
        except KeyError:  # it did not exist yet at that time
            return False

    def _token(self, query: ListQuery, taken: Sequence[SortKey]) -> str:
        if self.knobs.offset_tokens:
            return _encode(f"offset:{self._offset(query) + len(taken)}")
        _, text, case_id = taken[-1]
        mark = "Z" if query.field in TIME_FIELDS and text else ""
        return _encode(f"{text}{mark},{case_id}")

    def _start(self, query: ListQuery, keys: Sequence[SortKey]) -> tuple[int, int]:
        """Say at which key the walk begins and how many matches it passes over first."""
        first = 0 if query.ascending else len(keys)
        if query.page_token is None:
            return first, query.skip
        if self.knobs.offset_tokens:
            return first, self._offset(query) + query.skip
        text, comma, case_id = _decode(query.page_token).rpartition(",")
        if not comma:
            raise BadTokenError(query.page_token)
        key = (1 if text else self._null_rank, text.removesuffix("Z"), case_id)
        return (bisect_right(keys, key) if query.ascending else bisect_left(keys, key)), query.skip

    def _offset(self, query: ListQuery) -> int:
        if query.page_token is None:
            return 0
        word, _, number = _decode(query.page_token).partition(":")
        if word != "offset" or not number.isdecimal():
            raise BadTokenError(query.page_token)
        return int(number)


def duration_ms(case: Case, now: datetime) -> int:
    """Measure how long a Case has lasted, up to its resolution, in milliseconds."""
    return max(0, int(((case.resolved_at or now) - case.created_at).total_seconds() * 1000))


def _walk(keys: Sequence[SortKey], start: int, *, ascending: bool) -> Iterator[SortKey]:
    places = range(start, len(keys)) if ascending else range(start - 1, -1, -1)
    return (keys[place] for place in places)


def _word_texts(case: Case) -> Mapping[SortField, str]:
    """Return texts that sort as the words mean; descending shows P1 first (the description's own example)."""
    number = case.priority.removeprefix("P")
    return {
        SortField.PRIORITY: str(9 - int(number)) if number.isdecimal() else "0",
        SortField.STATUS: str(STATUSES.index(case.status) if case.status in STATUSES else 9),
        SortField.CATEGORY: case.category,
    }


def _time_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")[:26]


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError as error:  # no base64, or no text in it
        raise BadTokenError(token) from error
