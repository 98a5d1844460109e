"""The request to run a cycle, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from reconciler.core.errors import AuthFailed, ReconcilerError, Refused, RemoteError
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject, Outcome, Pair, Result, System
from reconciler.core.planning.plan import Plan, outcome_document, plan_document
from reconciler.store.values import Cursor


class CycleKind(StrEnum):
    """What a cycle looks at."""

    CYCLE = "cycle"
    """what changed since the cursors"""
    DRIFT = "drift"
    """that, and everything open in full"""
    FULL = "full"
    """that, and every Case of the last 30 days"""
    BACKFILL = "backfill"
    APPLY = "apply"
    """a saved plan"""


class CycleResult(StrEnum):
    """How a cycle ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    STOPPED = "stopped"
    """asked to end before everything was read or done; the next cycle goes on"""


Reached = tuple[datetime, str]
"""The place of a Case in a backfill: when it was created, and its id."""


@dataclass(frozen=True, kw_only=True)
class CycleRequest:
    """The request to run one cycle."""

    since: datetime | None = None
    """backfill from this time"""
    until: datetime | None = None
    """take in no Case that was created later"""
    named: frozenset[str] = frozenset()
    """only these Cases, by id, however old they are"""
    most: int | None = None
    """at most this many Cases get actions; the others wait for the next part"""
    after: Reached | None = None
    """where the part before ended"""
    reads_back: bool = True
    """False: a part before this one has read from ``since`` on already"""
    include_resolved: bool = False
    carry_out: bool = True
    """False: plan only, on a store that may be written because it is a copy"""
    limits_on: bool = True
    expected: JsonObject | None = None
    """the saved plan; any other plan is refused"""
    lists_skips: bool = True
    """list every skipped link in the plan; the daemon only counts them"""
    accept_config: bool = False
    """let a change of routes and policies through, however much it does to existing links"""

    @property
    def is_part(self) -> bool:
        """Return whether this is one part of a backfill, which leaves out everything else that is due."""
        return bool(self.until or self.named or self.after) or self.most is not None


@dataclass(frozen=True, kw_only=True)
class CycleReport:
    """What one cycle planned, did and failed to do."""

    cycle_id: str
    kind: CycleKind
    started_at: datetime
    finished_at: datetime
    result: CycleResult
    plan: Plan = field(default_factory=Plan)
    outcomes: tuple[Outcome, ...] = ()
    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    pulled_cases: int = 0
    pulled_incidents: int = 0
    malformed: int = 0
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    """both sides of each Case that an action is about, as they were when it was decided"""
    skipped: int = 0
    """links about which nothing is done for now, for a reason; those that wait for a person are counted as held"""
    held: int = 0
    """links that wait for a person"""
    observed: bool = False
    """nothing was sent, since the config says so"""
    holds: Mapping[str, int] = field(default_factory=dict)
    """how many wait for each reason"""
    read_whole: frozenset[str] = frozenset()
    """the sides that were read whole: ``coralogix``, and connectors"""
    left: int = 0
    """Cases of a backfill after this part for which something may still be planned"""
    reached: Reached | None = None
    """where this part ended"""
    error: ReconcilerError | None = None
    """why the cycle failed or was refused, for a person"""

    @property
    def exit_code(self) -> int:
        """Return the exit code of the public contract."""
        if self.error is not None:
            return self.error.exit_code
        return 1 if self.failed or self.result is CycleResult.STOPPED else 0

    @property
    def mode(self) -> str:
        """Return the mode of the config under which this cycle ran: ``act`` or ``observe``."""
        return "observe" if self.observed else "act"

    @property
    def failed(self) -> int:
        """Count the actions that did not end well."""
        return sum(not ended_well(outcome) for outcome in self.outcomes)

    def document(self) -> JsonObject:
        """Write the report as the document of ``once --json``.

        An action that was planned but not begun (cycle refused, stopped, or observing) has no result.
        """
        begun = {(outcome.action.kind.value, outcome.action.case_id) for outcome in self.outcomes}
        cursors = {name: cursor.time.isoformat() if cursor.time else None for name, cursor in self.cursors.items()}
        planned = plan_document(self.plan)
        left = [one | {"result": None} for one in planned["actions"] if (one["kind"], one["case_id"]) not in begun]
        return planned | {
            "actions": [*map(outcome_document, self.outcomes), *left],
            "cycle_id": self.cycle_id,
            "kind": self.kind.value,
            "mode": self.mode,
            "left": self.left,
            "result": self.result.value,
            "error": str(self.error) if self.error else None,
            "cursors": cursors,
        }


def ended_well(outcome: Outcome) -> bool:
    """Return whether an action succeeded, or was no longer needed."""
    return outcome.result in (Result.DONE, Result.ALREADY)


def result_of(error: ReconcilerError | None, failed: int) -> CycleResult:
    """Return the result of a cycle from its error and its failed actions."""
    if error is None:
        return CycleResult.FAILED if failed else CycleResult.DONE
    return CycleResult.REFUSED if error.exit_code == Refused.exit_code else CycleResult.FAILED


def failure_words(failed: RemoteError | None, down: Mapping[str, RemoteError]) -> str:
    """Describe which sides did not answer, with advice where credentials were refused."""
    words = [_with_advice(System.CORALOGIX, failed)] if failed else []
    words += [f"connector {name}: {_with_advice(f'servicenow.{name}', down[name])}" for name in sorted(down)]
    return "; ".join(words)


def _with_advice(table: str, error: RemoteError) -> str:
    if not isinstance(error, AuthFailed):
        return str(error)
    return f"{error} (look at the credentials in [{table}] of the config, and whether their owner is locked out)"
