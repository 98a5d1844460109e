"""One action against one service: read before the write, write, look at what came back.

**Why the decision is asked again.** A plan is made from what is remembered. Between the pull and the write somebody
may have resolved the Case, reopened the record, or changed the same field. So the target is read just before the
write, the pair is looked at with what was read (a ``Standing``), and ``decide_standing`` decides anew. Only what it
still says, and no further than what was planned, is sent. This leaves a gap of one request in which a person can be
first; that they were shows in the record's count of changes, and is noted.

**What an answer means.** A write ends in one of these ways, and each asks for something else:

    the answer shows the change              done; what the record made of our values is remembered
    the answer does not show it              held: a 200 that changed nothing is noticed, and not sent for ever
    no answer, or a 5xx (``Ambiguous``)      the target is read: the change is there, or the outcome is unknown
    a 403 on a write                         likewise, for an instance may refuse after it wrote
    no, for good (``Rejected``)              held, with the service's own words
    404 (``Missing``)                        a suspicion; it is believed when a later cycle meets it again
    login refused (``AuthFailed``)           raised: it stops the whole side
    nothing was written (``Transient``)      planned again in the next cycle

Nothing is ever sent twice within a cycle. A create that may have landed is looked for by the id that we chose and by
the Case's key, before anything else is done about its Case. Nothing here touches the store: an ``Outcome`` carries what
there is to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime

from reconciler.core.copies import replace
from reconciler.core.errors import Ambiguous, AuthFailed, Malformed, Missing, Rejected, RemoteError
from reconciler.core.expressions.templates import JOURNAL_FIELDS
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STEP_OF
from reconciler.core.model import (
    NOTE_ARRIVED,
    Absence,
    Action,
    ActionKind,
    Case,
    DoubtfulWrite,
    Incident,
    Link,
    Outcome,
    Pair,
    Result,
    Stage,
    Tries,
    Verb,
    named,
)
from reconciler.core.planning.decide import decide_standing, next_hold
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.standing import Standing, fields_given, is_user, told_by
from reconciler.core.policies.policies import Policies
from reconciler.remotes.ports import CaseClient, IncidentClient

MOOT = "a fresh read made it moot"
INCIDENT_CHANGES = frozenset({ActionKind.ADVANCE_INCIDENT, ActionKind.UPDATE_INCIDENT, ActionKind.ADD_WORK_NOTE})
READ_BEFORE = INCIDENT_CHANGES | {ActionKind.ADOPT_INCIDENT}
"""What is done to a record that is there; it is read first, together with others."""

MOST_TRIES = {Result.UNKNOWN: 3, Result.ALREADY: 1}
"""So often in a row the same unchanged pair is acted on and ends so, until it is held."""

COMPUTED = frozenset({"sys_id", "correlation_id", "correlation_display", "state"}) | JOURNAL_FIELDS
"""Sent fields that are compared by name elsewhere, or are never read back."""


@dataclass(frozen=True, kw_only=True)
class Performer:
    """Carry out single actions. Safe for several threads, as the clients are."""

    cases: CaseClient
    connectors: Mapping[str, IncidentClient]
    policies: Policies
    knowledge: Knowledge
    clock: Callable[[], datetime]
    users: Mapping[str, str] = field(default_factory=dict)
    """connector -> the user who makes its writes, where the login tells"""

    def perform(self, action: Action, pair: Pair, fresh: Incident | None = None) -> Outcome:
        """Carry one action out and say how it ended; a failure of a service is an outcome, not an exception.

        ``fresh`` is the target record if it was read just now. AuthFailed is raised: it stops the side.
        """
        here = self.standing(pair)
        return self._counted(action, here, self._ended(action, here, fresh))

    def standing(self, pair: Pair) -> Standing:
        """Look at a pair with what is known in this cycle."""
        return Standing(pair=pair, policies=self.policies, knowledge=self.knowledge)

    def _ended(self, action: Action, here: Standing, fresh: Incident | None) -> Outcome:
        try:
            return self._attempt(action, here, fresh)
        except AuthFailed:
            raise
        except Missing as error:
            is_new = action.kind is ActionKind.CREATE_INCIDENT
            return self._hold(action, here, str(error)) if is_new else self._absent(action, here.link, error)
        except (Rejected, Malformed) as error:
            return self._hold(action, here, str(error))
        except Ambiguous as error:
            return Outcome(action=action, result=Result.UNKNOWN, detail=str(error))
        except RemoteError as error:
            return Outcome(action=action, result=Result.RETRY, detail=str(error))

    def _counted(self, action: Action, here: Standing, outcome: Outcome) -> Outcome:
        """Hold a link when nothing is seen to come of it, cycle after cycle, though neither side changes.

        One that is found done already for the second time was read by its id then, so that our picture of it is wrong:
        it is held as it was planned from, however it looks, so as not to be planned from the same again.
        """
        link = outcome.link or here.link
        if outcome.result not in MOST_TRIES:
            return replace(outcome, link=replace(link, tries=None)) if link.tries else outcome
        tries = _once_more(link.tries, action, outcome.result, self.knowledge.now.isoformat())
        link, times = replace(link, tries=tries), tries.times
        if times <= MOST_TRIES[outcome.result]:
            return replace(outcome, link=link)
        seen = here.on(link)
        if outcome.result is Result.UNKNOWN:
            seen = seen.seeing(case=outcome.case, incident=outcome.incident)
        held = self._hold(action, seen, f"{outcome.detail} ({times} times in a row)")
        return replace(held, case=outcome.case, incident=outcome.incident)

    def _attempt(self, action: Action, here: Standing, fresh: Incident | None) -> Outcome:
        match action.kind:
            case ActionKind.CREATE_INCIDENT:
                return self._create(action, here)
            case ActionKind.ADOPT_INCIDENT:
                return self._adopt(action, here, fresh)
            case ActionKind.ADVANCE_CASE:
                return self._advance_case(action, here)
            case ActionKind.SEND_EVENT:
                return self._send_event(action, here.link)
            case _:
                return self._change_incident(action, here, fresh)

    # -- the record --------------------------------------------------------------------------------------------

    def _create(self, action: Action, here: Standing) -> Outcome:
        client = self.connectors[action.connector]
        try:
            made = client.create(action.table, action.fields)
        except Ambiguous as error:
            return self._look_for(action, here, error)
        except Malformed as error:
            return self._made_unseen(action, here, error)
        return self._created(action, here.seeing(incident=made), made, "", is_base=True)

    def _made_unseen(self, action: Action, here: Standing, error: Malformed) -> Outcome:
        """Bind the link to a record that was made and whose answer cannot be understood, so that it stays the only one.

        It may have been the answer alone, so the record is read once. Where that is no better, what was sent is
        remembered: once the record can be read, it follows its Case like any other.
        """
        found: Incident | None = None
        with suppress(RemoteError, Malformed):
            found = self._existing(action, here.link)
        if found is not None:
            words = f"{error}; the record itself can"
            return self._created(action, here.seeing(incident=found), found, words, is_base=found.mod_count == 0)
        sys_id = error.record_id or action.sys_id
        sent = replace(here.link, written=dict(action.written), kept={})
        link = replace(sent, sys_id=sys_id, number="", create_in_doubt_since=None)
        link = _noted(link, action, NOTE_ARRIVED, here.case)
        return self._hold(action, here.on(link), f"the record was made, but {error}")

    def _look_for(self, action: Action, here: Standing, error: Ambiguous) -> Outcome:
        """Find out whether a create whose outcome is not known took effect."""
        try:
            found = self._existing(action, here.link)
        except (RemoteError, Malformed) as blind:
            found, error = None, Ambiguous(f"{error}; looking for the record failed too: {blind}")
        if found is not None:
            words = f"{error}; the record is there all the same"
            return self._created(action, here.seeing(incident=found), found, words, is_base=found.mod_count == 0)
        if error.status == 403:
            return self._hold(action, here, str(error))
        link = replace(here.link, create_in_doubt_since=self.clock(), written=dict(action.written))
        return Outcome(action=action, result=Result.UNKNOWN, detail=str(error), link=link)

    def _existing(self, action: Action, link: Link) -> Incident | None:
        """Find the one record that a create can have made: those that the link had before bear the same key."""
        client = self.connectors[action.connector]
        try:
            return client.get(action.table, action.sys_id)
        except Missing:
            found = [one for one in client.find(action.table, [action.case_id]) if one.sys_id not in link.earlier]
            return found[0] if len(found) == 1 else None

    def _created(self, action: Action, here: Standing, made: Incident, words: str, *, is_base: bool) -> Outcome:
        """Bind the link to the record, and hold it where the instance did not keep what binds them."""
        link = replace(_given(here.bound.link, action, here, is_base=is_base), hold=None)
        link = _noted(link, action, NOTE_ARRIVED, here.case)
        link = replace(link, incident_peak=here.on(link).incident_stage)
        if not here.is_ours:
            detail = "the instance did not keep correlation_id and correlation_display: the record is not ours to write"
            return self._hold(action, here.on(link), detail)
        detail = "; ".join(part for part in (words, _differences(action, made)) if part)
        return Outcome(action=action, result=Result.DONE, detail=detail or None, incident=made, link=link)

    def _adopt(self, action: Action, here: Standing, fresh: Incident | None) -> Outcome:
        found = fresh or self.connectors[action.connector].get(action.table, action.sys_id)
        here = here.seeing(incident=found)
        if here.lost_mark:
            return self._hold(action, here, here.lost_mark)
        link = here.bound.link
        if found.mod_count == 0:  # what the plan saw: nobody wrote it since
            link = replace(link, written=action.written)
        return Outcome(action=action, result=Result.DONE, incident=found, link=link)

    def _send_event(self, action: Action, link: Link) -> Outcome:
        """Send one event. The same key meets the same alert, so what may have been lost is simply said again."""
        self.connectors[action.connector].send_event(action.fields)
        peak = max(action.to_stage, link.incident_peak or action.to_stage)
        link = replace(link, sys_id=action.sys_id, incident_peak=peak, written=dict(action.written), hold=None)
        return Outcome(action=action, result=Result.DONE, link=link)

    def _change_incident(self, action: Action, here: Standing, fresh: Incident | None) -> Outcome:
        client = self.connectors[action.connector]
        # A pair that is tried again may have been read in a batch that shows less than the record alone.
        is_stuck = here.link.tries is not None and here.link.tries.fingerprint == action.fingerprint
        before = client.get(action.table, action.sys_id) if is_stuck or fresh is None else fresh
        here = here.seeing(incident=before)
        if here.lost_mark:
            return self._hold(action, here, here.lost_mark)
        now = self._still(action, here, INCIDENT_CHANGES)
        if now is None:
            return Outcome(action=action, result=Result.ALREADY, detail=MOOT, incident=before)
        try:
            after = client.update(action.table, action.sys_id, now.fields)
        except (Ambiguous, Rejected) as error:
            if isinstance(error, Rejected) and error.status != 403:
                raise
            sent = here.on(_noted(here.link, now, before.mod_count, here.case))
            return self._look_after(now, sent, before, error)
        return self._changed(now, here.seeing(incident=after), before, after)

    def _look_after(
        self, action: Action, here: Standing, before: Incident, error: RemoteError, *, is_late: bool = False
    ) -> Outcome:
        """Read a record after a write whose outcome is not known, and tell a refusal from one still on its way."""
        after: Incident | None = None
        try:
            after = self.connectors[action.connector].get(action.table, action.sys_id)
        except (RemoteError, Malformed):
            pass
        else:
            here = here.seeing(incident=after)
            is_ours_alone = after.mod_count == before.mod_count + 1 and self._wrote_last(action, after)
            shows_it = not is_late and action.kind is not ActionKind.ADD_WORK_NOTE and not _differences(action, after)
            if (is_ours_alone or shows_it) and _arrived(action, here, before):  # a note is never read back
                return self._changed(action, here, before, after)
        if isinstance(error, Rejected):
            return self._hold(action, here, str(error))
        link = self._sending(action, here, before)
        return Outcome(action=action, result=Result.UNKNOWN, detail=str(error), incident=after, link=link)

    def _sending(self, action: Action, here: Standing, before: Incident) -> Link:
        """Remember what was sent to a record that does not show it: it could not be looked at, or stores it late."""
        tries = here.link.tries or Tries(fingerprint=action.fingerprint, times=0)
        fields, by = here.inbound.in_step_of(action.fields), self._our_user(action, before)
        sent = DoubtfulWrite(fields=fields, mod_count=before.mod_count, by=by)
        return replace(here.link, tries=replace(tries, sent=sent))

    def look_after(self, action: Action, here: Standing, before: Incident, words: str) -> Outcome:
        """Find out what came of a write to a record that a killed process may have sent; ``before`` is what it saw.

        Some time passed since: only where ours is the one write after that does the record show what came of it.
        """
        sent = here.on(_noted(here.link, action, before.mod_count, here.case))
        action = replace(action, written={**here.link.written, **here.inbound.in_step_of(action.fields)})
        return self._look_after(action, sent, before, Ambiguous(words), is_late=True)

    def _changed(self, action: Action, here: Standing, before: Incident, after: Incident) -> Outcome:
        is_alone = after.mod_count <= before.mod_count + 1
        is_base = is_alone or self._wrote_last(action, after)
        is_stored = after.mod_count > before.mod_count or _arrived(action, here, before)
        link = _given(here.link, action, here, is_base=is_base) if is_stored else here.link
        link = _noted(link, action, NOTE_ARRIVED, here.case)  # a field that is ignored takes no note with it
        if not _arrived(action, here, before):
            left = f"the service accepted the change and left {named(after)} in state {after.state}"
            words = "; ".join(part for part in (left, _differences(action, after)) if part)
            return self._hold(action, here.on(link), words)
        raced = "" if is_alone else "somebody else wrote at the same time"
        detail = "; ".join(part for part in (raced, _differences(action, after)) if part)
        return Outcome(
            action=action, result=Result.DONE, detail=detail or None, incident=after, link=replace(link, hold=None)
        )

    def _wrote_last(self, action: Action, record: Incident) -> bool:
        """Return whether the last write to a record of ours is ours, so that it holds what was made of our values."""
        return is_user(record.updated_by, self._our_user(action, record))

    def _our_user(self, action: Action, record: Incident) -> str:
        """Name the user by whom our writes to a record are stored.

        Where the login names no user (a token, a key), it is the one who made the record; else a person may have made
        it, and marked it as ours.
        """
        return self.users.get(action.connector) or record.created_by

    # -- the Case ----------------------------------------------------------------------------------------------

    def _advance_case(self, action: Action, here: Standing) -> Outcome:
        here = here.seeing(case=self.cases.get_case(action.case_id))
        now = self._still(action, here, frozenset({ActionKind.ADVANCE_CASE}))
        if now is None:
            return Outcome(action=action, result=Result.ALREADY, detail=MOOT, case=here.case)
        for verb in now.path:
            if _reached(here, verb):
                continue  # somebody was faster, as the answer to the verb before showed
            try:
                here = here.seeing(case=self._ask(verb, now))
            except AuthFailed:
                raise
            except RemoteError as error:
                failed = self._refused(verb, now, here, error)
                if isinstance(failed, Outcome):
                    return failed
                here = failed
            if not _reached(here, verb):
                detail = f"the service accepted {verb.value} and left the Case {here.case.status}"
                return self._hold(now, here, detail)
            here = here.on(_risen(here.link, STEP_OF[verb].stage))
        return Outcome(action=now, result=Result.DONE, case=here.case, link=replace(here.link, hold=None))

    def _ask(self, verb: Verb, action: Action) -> Case:
        match verb:
            case Verb.ACKNOWLEDGE:
                return self.cases.acknowledge(action.case_id)
            case Verb.RESOLVE:
                return self.cases.resolve(action.case_id, action.fields.get("reason", ""))
            case Verb.CLOSE:
                return self.cases.close(action.case_id)

    def _refused(self, verb: Verb, action: Action, here: Standing, error: RemoteError) -> Standing | Outcome:
        """After a verb that failed: the pair if its Case stands where the verb leads all the same, else the outcome."""
        if not isinstance(error, (Ambiguous, Rejected)):
            return Outcome(action=action, result=Result.RETRY, detail=str(error), case=here.case, link=here.link)
        if isinstance(error, Missing):
            return replace(self._absent(action, here.link, error), case=here.case)
        unknown = Outcome(action=action, result=Result.UNKNOWN, detail=str(error), case=here.case, link=here.link)
        try:
            here = here.seeing(case=self.cases.get_case(action.case_id))
        except (RemoteError, Malformed):  # nothing is known but how far the verbs before this one came
            return unknown
        if _reached(here, verb):
            return here
        if isinstance(error, Ambiguous):
            return replace(unknown, case=here.case)
        return self._hold(action, here, str(error))

    # -- both --------------------------------------------------------------------------------------------------

    def _still(self, action: Action, here: Standing, kinds: frozenset[ActionKind]) -> Action | None:
        """Decide again from what was just read; None when nothing of the action is left to do."""
        again = decide_standing(here).actions
        return next((now for now in again if now.kind in kinds and now.to_stage <= action.to_stage), None)

    def _hold(self, action: Action, here: Standing, words: str) -> Outcome:
        """Say that a service refused, and when that is worth another try."""
        hold = next_hold(here.link.hold, detail=words, fingerprint=here.fingerprint, now=self.clock())
        link = replace(here.link, hold=hold)
        return Outcome(
            action=action, result=Result.REJECTED, detail=words, case=here.case, incident=here.incident, link=link
        )

    def _absent(self, action: Action, link: Link, error: Missing) -> Outcome:
        """Note a 404; it takes a second one in a later cycle before it is believed."""
        absence = Absence(first_at=self.clock(), last_at=self.clock(), times=1)
        is_case = action.kind is ActionKind.ADVANCE_CASE
        link = replace(link, case_absence=absence) if is_case else replace(link, incident_absence=absence)
        if action.kind is ActionKind.ADOPT_INCIDENT:  # bound all the same, so that it is asked for again, by its id
            link = replace(link, sys_id=action.sys_id, number=action.number or "")
        return Outcome(action=action, result=Result.RETRY, detail=str(error), link=link)


def _once_more(before: Tries | None, action: Action, ended: Result, planned_at: str) -> Tries:
    """Count one more try, if it is one: of the same unchanged pair, with the same end, and by a later plan."""
    sent = before.sent if before else None
    now = Tries(fingerprint=action.fingerprint, times=1, ended=ended, planned_at=planned_at, sent=sent)
    if before is None or (before.fingerprint, before.ended) != (now.fingerprint, now.ended):
        return now
    return replace(now, times=before.times + (before.planned_at != planned_at))


def _reached(here: Standing, verb: Verb) -> bool:
    """Return whether a Case stands where a verb leads, or beyond."""
    return here.case_stage is not None and here.case_stage >= STEP_OF[verb].stage


def _arrived(action: Action, here: Standing, before: Incident) -> bool:
    """Return whether a write did what it was for: the stage is reached, or the record was changed at all."""
    after = here.incident
    if action.kind is ActionKind.ADVANCE_INCIDENT or after is None:
        return here.incident_stage is not None and here.incident_stage >= action.to_stage
    return after.mod_count > before.mod_count or not _differences(action, after)


def _given(link: Link, action: Action, here: Standing, *, is_base: bool) -> Link:
    """Remember what was sent and, where nobody else can have written in between, what the record kept of it."""
    incident = here.incident
    sent = fields_given(here.inbound) & action.fields.keys()
    kept = {name: value for name, value in link.kept.items() if name not in sent}
    if incident is not None and is_base:
        kept |= incident.values_of(sent)
    elif "assigned_to" in sent:
        kept["assigned_to"] = action.fields["assigned_to"]
    return replace(link, written=dict(action.written), kept=kept)


def _noted(link: Link, action: Action, mod_count: int, case: Case) -> Link:
    """Remember that the note of a step was sent, while the record stood at this ``sys_mod_count``.

    A record that is made for a Case that fired again says so by itself.
    """
    is_step = JOURNAL_FIELDS & action.fields.keys() and action.kind is not ActionKind.UPDATE_INCIDENT
    words = {action.to_stage.word} if is_step else set()
    if action.kind is ActionKind.ADD_WORK_NOTE:
        words = {told_by(case)}
    elif action.kind is ActionKind.CREATE_INCIDENT and case.reactivated_at:
        words.add(told_by(case))
    return replace(link, noted={**link.noted, **dict.fromkeys(words, mod_count)}) if words else link


def _risen(link: Link, stage: Stage) -> Link:
    """Remember how far a verb brought a Case, even if somebody moves it back before it is read again."""
    return replace(link, case_peak=max(link.case_peak or stage, stage))


def _differences(action: Action, incident: Incident) -> str:
    """Name the fields that the service keeps differently from what was sent."""
    sent = {name: value for name, value in action.fields.items() if name not in COMPUTED}
    names = sorted(name for name, value in sent.items() if incident.values.get(name, "").split() != value.split())
    return f"the service keeps other values in: {', '.join(names)}" if names else ""
