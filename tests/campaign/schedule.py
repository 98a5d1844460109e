"""A schedule as a value: what kind of services and hosts there are, and what happens to them, step by step.

Everything here is frozen and prints as the text that makes it, so that a schedule can be shown, played again from its
seed, cut down, and written out in a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum

from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches


class When(StrEnum):
    """Say on which side of a request, or of a commit, something strikes."""

    BEFORE = "before"
    AFTER = "after"


class Hosts(StrEnum):
    """Say which daemons there are, and what they share."""

    ONE = "one"
    ONE_DATABASE = "one database"
    """two daemons take turns on one database; the lock keeps them apart"""
    TWO_DATABASES = "two databases"
    """two daemons on two hosts, which know nothing of each other"""


@dataclass(frozen=True)
class CaseAct:
    """Let somebody, or Coralogix itself, do something to a Case."""

    case: int
    verb: str
    value: str = ""


@dataclass(frozen=True)
class RecordAct:
    """Let somebody in ServiceNow do something to the record of a Case; nothing happens while there is none."""

    case: int
    verb: str
    value: str = ""


@dataclass(frozen=True)
class Wait:
    """Let time pass; a negative number sets both services' clock back."""

    seconds: int


@dataclass(frozen=True)
class Skew:
    """Set one clock wrong: a host's, or with ``host`` -1 that of the ServiceNow instance."""

    host: int
    seconds: int


@dataclass(frozen=True)
class Strike:
    """Let a fault strike the next requests of one operation."""

    kind: FaultKind
    operation: str
    after_effect: bool = False
    times: int = 1
    seconds: int = 0
    """0: so many times; else as long as this, and the answers say how long still"""
    echoes: bool = False
    year: int = 9999
    neighbour: bool = False
    """it strikes the second instance, which has faults of its own"""


@dataclass(frozen=True)
class LateCommit:
    """Let the next write to ServiceNow become visible late."""

    seconds: int


@dataclass(frozen=True)
class Backup:
    """Copy a host's database away."""

    host: int


@dataclass(frozen=True)
class Restore:
    """Put the last copy in the place of a host's database; without a copy nothing happens."""

    host: int


@dataclass(frozen=True)
class TurnBack:
    """Put the record of a Case back to how it stood a while ago; with ``case`` -1 every record of the instance."""

    seconds: int
    case: int = -1


@dataclass(frozen=True)
class Clone:
    """Clone the first instance over the second."""


@dataclass(frozen=True)
class Kill:
    """Kill the process."""


@dataclass(frozen=True)
class OtherCycle:
    """Let another host's whole cycle fall here."""

    host: int


@dataclass(frozen=True)
class Interrupt:
    """Strike in the middle of a cycle, at its nth request whose operation matches a glob.

    Operations are those of the faults; listings of records have a further word: ``records.list.changed``,
    ``records.list.find``, ``records.list.many``, ``records.list.names``. ``commit`` is a commit of the database.
    """

    operation: str
    nth: int
    when: When
    what: Kill | CaseAct | RecordAct | OtherCycle


@dataclass(frozen=True)
class Cycle:
    """Let one cycle of a host fall; each begins with a process that was just started."""

    host: int = 0
    interrupts: tuple[Interrupt, ...] = ()


Step = CaseAct | RecordAct | Wait | Skew | Strike | LateCommit | Backup | Restore | TurnBack | Clone | Cycle


@dataclass(frozen=True)
class Setting:
    """Choose the services' moods and the hosts."""

    profile: str = "strict"
    knobs: CaseKnobs = field(default_factory=CaseKnobs)
    switches: Switches = field(default_factory=Switches)
    record_lag_seconds: int = 30
    hosts: Hosts = Hosts.ONE
    limit: int = 100
    """what every brake allows in one cycle"""
    page_rows: int = 100
    """how many rows a page of a listing holds at the most"""
    short_rows: int = 100
    """how many rows an overlap may hold and still be read in depth each time"""
    connectors: int = 1
    """2: every second Case goes to a second instance"""
    on_reactivate: str = "hold"
    """what the record of a Case that fires again gets, as the config has it"""


@dataclass(frozen=True)
class Schedule:
    """Hold one story to play."""

    setting: Setting
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        steps = "".join(f"        {_shown(step)},\n" for step in self.steps)
        return f"Schedule(\n    {_shown(self.setting)},\n    (\n{steps}    ),\n)"


def _shown(value: object) -> str:
    """Write a value as the expression that makes it, leaving out what is as usual."""
    if isinstance(value, StrEnum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        return f"({''.join(f'{_shown(each)}, ' for each in value)})".replace(", )", ",)")
    if isinstance(value, frozenset):
        return f"frozenset({{{', '.join(sorted(map(_shown, value)))}}})"
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    usual = _usual(type(value))
    told = {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]
    words = ", ".join(f"{name}={_shown(each)}" for name, each in told.items() if each != usual.get(name, _MUST))
    return f"{type(value).__name__}({words})"


_MUST = object()


def _usual(kind: type) -> dict[str, object]:
    """Give the defaults of a dataclass's fields."""
    try:
        whole = kind()
    except TypeError:
        return {each.name: each.default for each in fields(kind)}
    return {each.name: getattr(whole, each.name) for each in fields(kind)}
