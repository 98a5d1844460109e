"""What must hold where a Case that fires again is told of, or gets a record of its own for that.

Stated from the journals of the instances alone: one open record for each Case at any time, and each re-activation
told once on a record. Two databases that know nothing of each other, and one that was put back from a copy, are
excused; so is one on an instance where a note moves no ``sys_mod_count``, since there nothing shows a note whose
answer was lost. A record that somebody else opened again, or put back, is not held against who made the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.sandbox.servicenow.journal import Operation, Write
from tests.campaign.invariants import Violation
from tests.campaign.schedule import Hosts
from tests.campaign.stage import Stage
from tests.campaign.trace import Copied

OPEN_STATES = frozenset({"1", "2", "3"})
WORDS = "is active again in Coralogix since"


def again_violations(stage: Stage) -> Iterator[Violation]:
    """Name each record that was made beside an open one, and each re-activation that was told twice."""
    is_restored = any(isinstance(event, Copied) and event.back for event in stage.events)
    shows_notes = stage.setting.switches.note_bumps != "no"
    remembers = shows_notes and not is_restored and stage.setting.hosts is not Hosts.TWO_DATABASES
    for case, case_id in stage.case_ids.items():
        writes = [each for each in stage.home_of(case).journal if each.accepted and each.correlation_id == case_id]
        if remembers and stage.setting.on_reactivate == "new_record":
            yield from _beside_open(writes, case_id)
        if remembers and stage.setting.on_reactivate == "note":
            yield from _told_twice(writes)


def _beside_open(writes: Iterable[Write], case_id: str) -> Iterator[Violation]:
    """Follow the records that a daemon made for one Case."""
    is_open: dict[str, bool] = {}
    for write in writes:
        is_made = write.via_api and write.operation is Operation.INSERT
        if is_made and any(is_open.values()):
            yield Violation("made a record beside one that is open", f"{case_id}: {write}")
        if is_made or (write.sys_id in is_open and not _opens_again(write)):
            is_open[write.sys_id] = write.state_after in OPEN_STATES and not _loses_its_key(write)


def _opens_again(write: Write) -> bool:
    return write.state_after in OPEN_STATES and (write.state_before not in OPEN_STATES or not write.via_api)


def _loses_its_key(write: Write) -> bool:
    is_new = write.operation is Operation.INSERT
    return not is_new and bool({"correlation_id", "correlation_display"} & write.changed.keys())


def _told_twice(writes: Iterable[Write]) -> Iterator[Violation]:
    told = Counter((write.sys_id, write.asked["work_notes"]) for write in writes if "work_notes" in write.asked)
    for (sys_id, words), count in told.items():
        if WORDS in words and count > 1:
            yield Violation("told a re-activation twice", f"{sys_id}: {words} ({count} times)")
