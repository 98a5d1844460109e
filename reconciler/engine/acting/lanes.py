"""Choose which link is worked on next, for each side separately: a slow side does not delay others.

Rules of this file: a side has at most as many requests under way as it has workers; what needs no request waits for no
worker; a link is in exactly one lane, that of the side of its next action; nothing here sends or stores anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from reconciler.core.errors import RemoteError
from reconciler.core.frozen import dataclass
from reconciler.core.model import Action, ActionKind, Incident, Pair, System
from reconciler.core.planning.plan import Decision
from reconciler.remotes.ports import IDS_A_REQUEST
from reconciler.store.values import Decided

LINKS_READ_AT_ONCE = 50
"""Records are read just before they are written, this many in one request. Where they are only adopted, which needs
no write after the reading, one request reads as many as it holds."""
FRESH_FOR = timedelta(seconds=5)
"""A record read longer ago is read again by itself: on a slow instance the last of a batch waits long."""
SHARED = ""
"""the lane of all sides without one of their own"""


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """The records of one batch, as just read."""

    read_at: datetime
    records: Mapping[tuple[str, str], Incident]
    failures: Mapping[str, RemoteError] = field(default_factory=dict)
    """connector -> why its records could not be read together"""

    def of(self, action: Action, known: Incident | None, now: datetime) -> Incident | None:
        """Return an action's record; None where it must be read by itself.

        That is: it was left out, the batch is too old, or the answer lags behind what is remembered.
        """
        target = self.records.get((action.connector, action.sys_id))
        is_fresh = timedelta() <= now - self.read_at <= FRESH_FOR
        return target if is_fresh and not (known and self.older(known)) else None

    def older(self, known: Incident) -> Incident | None:
        """Return what the batch shows of a record where that lags behind what is remembered of it."""
        shown = self.records.get((known.connector, known.sys_id))
        return shown if shown is not None and shown.mod_count < known.mod_count else None


@dataclass
class Work:
    """One link and its remaining actions."""

    pair: Pair
    actions: list[Action]
    fresh: Fresh
    decided: Decided
    is_told: bool = False
    """what was decided is stored; else that is done with the first action, so that a link not begun is unchanged"""

    @property
    def side(self) -> str:
        """Name the side that the next action goes to."""
        return side_of(self.actions[0])


@dataclass
class _Lane:
    """One side's share of a plan."""

    workers: int
    backlog: deque[Decision] = field(default_factory=deque)
    """links on which nothing was begun"""
    ready: deque[Work] = field(default_factory=deque)
    busy: int = 0
    is_reading: bool = False

    def next_batch(self) -> Iterator[Decision]:
        """Take the links whose records are read together."""
        taken = writes = 0
        while self.backlog and writes < LINKS_READ_AT_ONCE and taken < IDS_A_REQUEST:
            decision = self.backlog.popleft()
            taken += 1
            writes += any(action.kind is not ActionKind.ADOPT_INCIDENT for action in decision.actions)
            yield decision


class Lanes:
    """The links of a plan, in one lane for each side. Not for several threads."""

    def __init__(self, decisions: Iterable[Decision], *, workers: int, workers_of: Mapping[str, int]) -> None:
        self._lanes = {name: _Lane(workers=count) for name, count in workers_of.items()}
        self._lanes[SHARED] = _Lane(workers=workers)
        for decision in decisions:
            self._lane(side_of(decision.actions[0])).backlog.append(decision)

    @property
    def most(self) -> int:
        """Return the most that can be under way at one time: every worker, and one read for each side."""
        return sum(lane.workers + 1 for lane in self._lanes.values())

    def batches(self) -> Iterator[tuple[str, Sequence[Decision]]]:
        """Take the links whose records should be read now, so that no worker has to wait."""
        for name, lane in self._lanes.items():
            soon_idle = len(lane.ready) + lane.busy < 2 * lane.workers - 1
            if lane.backlog and not lane.is_reading and soon_idle:
                lane.is_reading = True
                yield name, list(lane.next_batch())

    def looked_at(self, name: str, works: Iterable[Work]) -> None:
        """Queue the links of one batch, whose records were read, to be worked on."""
        self._lanes[name].is_reading = False
        self._lanes[name].ready.extend(works)

    def adopting(self, as_read: Callable[[Work], Incident | None]) -> Sequence[tuple[Work, Incident]]:
        """Take the links whose next action takes in a record ``as_read``: it sends nothing, and waits for no worker."""
        taken: list[tuple[Work, Incident]] = []
        for lane in self._lanes.values():
            waiting: deque[Work] = deque()
            for work in lane.ready:
                record = as_read(work)
                if record is None:
                    waiting.append(work)
                else:
                    taken.append((work, record))
            lane.ready = waiting
        return taken

    def starting(self) -> Iterator[Work]:
        """Take the links whose next action starts now, each in the order of the plan."""
        for lane in self._lanes.values():
            while lane.ready and lane.busy < lane.workers:
                lane.busy += 1
                yield lane.ready.popleft()

    def ended(self, side: str) -> None:
        """Free the worker of an action that ended."""
        self._lane(side).busy -= 1

    def go_on(self, work: Work) -> None:
        """Put a link's next action before those of links that were not begun."""
        self._lane(work.side).ready.appendleft(work)

    def _lane(self, side: str) -> _Lane:
        return self._lanes.get(side, self._lanes[SHARED])


def side_of(action: Action) -> str:
    """Name the side that an action writes to: a connector, or ``coralogix``."""
    return System.CORALOGIX if action.kind is ActionKind.ADVANCE_CASE else action.connector
