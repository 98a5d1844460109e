"""What must hold where a Case that fires again is told of, or gets a record of its own for that.

Stated from the journals of the instances alone: one open record for each Case at any time, whatever was lost, put back
or played twice, and each re-activation told once on a record. A note has no id of its own, so whoever does not remember
it, and is not shown it, tells it again: two databases that know nothing of each other, and one that was put back from a
copy, are excused of that, and of a record beside one that is open if their look before the create did not show that. A
record that somebody else opened again, or put back, is not held against who made the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from reconciler.sandbox.servicenow.journal import Operation, Write
from tests.campaign.invariants import Violation
from tests.campaign.schedule import Hosts
from tests.campaign.stage import Stage
from tests.campaign.trace import Acted, Copied, Ended, Read, Request

OPEN_STATES = frozenset({"1", "2", "3"})
WORDS = "is active again in Coralogix since"


def again_violations(stage: Stage) -> Iterator[Violation]:
    """Name each record that was made beside an open one, and each re-activation that was told twice."""
    is_restored = any(isinstance(event, Copied) and event.back for event in stage.events)
    remembers = not is_restored and stage.setting.hosts is not Hosts.TWO_DATABASES
    unmet = _unmet(stage)
    unseen = frozenset[tuple[str, str]]() if remembers else _not_shown(stage)
    for case, case_id in stage.case_ids.items():
        journal = [each for each in stage.home_of(case).journal if each.accepted]
        made = {each.sys_id for each in journal if each.correlation_id == case_id}  # an instance may strip the key
        writes = [each for each in journal if each.sys_id in made]
        if stage.setting.on_reactivate == "new_record":
            yield from _beside_open(writes, case_id, unmet, unseen)
        if remembers and stage.setting.on_reactivate == "note":
            yield from _told_twice(writes)


def _unmet(stage: Stage) -> AbstractSet[str]:
    """Name the ids of creates that nothing shows to who sends the same id again, where the instance strips ids.

    An instance shows that by its first answer, which a kill may take along. Until then a create is sent again, and
    where the first is not listed yet, it is not met; nor is that of another database, made after the look or not listed
    yet: the id would have made it fail.
    """
    lost: set[str] = set()
    if stage.setting.switches.sys_id_on_post != "strip":
        return lost
    if stage.setting.hosts is Hosts.TWO_DATABASES:
        return {each.asked["sys_id"] for each in _creates(stage)}
    known: set[str] = set()  # connectors
    answered: dict[str, str] = {}  # connector -> the id that was sent
    for event in stage.events:
        if isinstance(event, Acted):  # what interrupts a request stands right after it
            continue
        if isinstance(event, Ended) and event.why == "killed":
            lost |= {*answered.values()}
        else:
            known |= answered.keys()
        answered = {}
        if isinstance(event, Request) and event.operation == "records.create" and event.connector not in known:
            if event.answer is None:
                lost.add(event.asked["sys_id"])
            else:
                answered[event.connector] = event.asked["sys_id"]
    return lost


def _creates(stage: Stage) -> Iterator[Request]:
    for event in stage.events:
        if isinstance(event, Request) and event.operation == "records.create":
            yield event


def _not_shown(stage: Stage) -> AbstractSet[tuple[str, str]]:
    """Pair each record with each earlier one of its Case that its maker's look did not show: it was not listed yet.

    The id of the next generation is another one, so that a daemon that does not remember the first is not stopped.
    """
    shown: dict[tuple[int, str], set[str]] = {}
    made: dict[str, list[str]] = {}
    pairs: set[tuple[str, str]] = set()
    for event in stage.events:
        if isinstance(event, Read) and event.operation == "records.list.find" and not event.error:
            found = {one.target.rpartition("/")[2] for one in event.shown}
            shown |= {(event.host, case_id): found for case_id in event.asked}
        elif isinstance(event, Request) and event.operation == "records.create":
            for sys_id in (effect.sys_id for effect in event.effects if isinstance(effect, Write) and effect.accepted):
                before = made.setdefault(event.case_id, [])
                seen = shown.get((event.host, event.case_id), set())
                pairs |= {(sys_id, each) for each in before if each not in seen}
                before.append(sys_id)
    return pairs


def _beside_open(
    writes: Iterable[Write], case_id: str, unmet: AbstractSet[str], unseen: AbstractSet[tuple[str, str]]
) -> Iterator[Violation]:
    """Follow the records that a daemon made for one Case."""
    is_open: dict[str, bool] = {}
    asked: set[str] = set()
    for write in writes:
        is_made = write.via_api and write.operation is Operation.INSERT
        chosen = write.asked.get("sys_id", "")
        beside = [sys_id for sys_id, is_it in is_open.items() if is_it and (write.sys_id, sys_id) not in unseen]
        if is_made and beside and not (chosen in asked and chosen in unmet):
            yield Violation("made a record beside one that is open", f"{case_id}: {write}")
        asked.add(chosen)
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
