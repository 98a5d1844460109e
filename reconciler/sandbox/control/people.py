"""What people can be told to do in a sandbox, by name: to a Case, or to a record.

A reference is a Case's key or UUID, or a record's number or sys_id. A Case may be named by its record and a record by
its Case, as long as one record bears the Case's id. What a service refuses is raised in its words and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from reconciler.core.model import Case
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.coralogix.api.requests import PRIORITIES
from reconciler.sandbox.coralogix.api.routes import ROUTES
from reconciler.sandbox.coralogix.lifecycle import Step
from reconciler.sandbox.coralogix.records import PERSON, SYSTEM, TITLE_LIMIT, NoSuchCaseError, StepRefusedError
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.servicenow.people import People as FormUsers
from reconciler.sandbox.servicenow.tables.schema import TableRow

CASE_ACTS: Mapping[str, Step] = {
    "acknowledge": Step.ACKNOWLEDGE,
    "unacknowledge": Step.UNACKNOWLEDGE,
    "resolve": Step.RESOLVE,
    "close": Step.CLOSE,
    "reactivate": Step.REACTIVATE,
}
RECORD_ACTS: Mapping[str, Callable[[FormUsers, str], None]] = {
    "assign": FormUsers.assign,
    "progress": FormUsers.progress,
    "hold": FormUsers.hold,
    "resolve": FormUsers.resolve,
    "close": FormUsers.close,
    "cancel": FormUsers.cancel,
    "reopen": FormUsers.reopen,
}
OPERATIONS = tuple(
    sorted(
        {route.operation for route in ROUTES}
        | {f"records.{word}" for word in ("list", "get", "create", "update", "delete", "event")}
        | {"oauth.token"}
    )
)
"""What a fault can strike."""


class UnknownRefError(LookupError):
    """A reference names nothing in the sandbox."""


class RefusedActError(Exception):
    """A service refuses what a person tried, in its own words."""


class People:
    """Act on both services as people do. Safe for several threads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def create_case(self, title: str, priority: str = "P2", labels: Mapping[str, str] | None = None) -> Case:
        """Open a Case; raise ValueError for a title or priority that the service would not take."""
        if not title.strip() or len(title) > TITLE_LIMIT:
            raise ValueError(f"a title has 1 to {TITLE_LIMIT} characters")
        if priority not in PRIORITIES:
            raise ValueError(f"the priority {priority!r} is none of {', '.join(PRIORITIES)}")
        world = self._sandbox.coralogix
        return world.ledger.case(world.create_case(title, priority, (labels or {}).items()))

    def act_on_case(self, ref: str, act: str) -> Case:
        """Do one of CASE_ACTS; the system does what no person can. Raises UnknownRefError, RefusedActError."""
        step = CASE_ACTS[act]
        case_id = self.find_case(ref)
        try:
            return self._sandbox.coralogix.step(case_id, step, SYSTEM if step is Step.REACTIVATE else PERSON)
        except StepRefusedError as refusal:
            raise RefusedActError(str(refusal)) from refusal

    def act_on_record(self, ref: str, act: str) -> TableRow:
        """Do one of RECORD_ACTS and return the record afterwards; raise UnknownRefError, RefusedActError."""
        world = self._sandbox.servicenow
        with world.lock:
            sys_id = self.find_record(ref)
            # People raise nothing when they are refused, as in a browser; the journal tells whether they were.
            seen = len(world.journal)
            RECORD_ACTS[act](world.people, sys_id)
            refusal = next((write.refusal for write in world.journal[seen:] if not write.accepted), "")
            if refusal:
                raise RefusedActError(refusal)
            return world.record(sys_id)

    def strike(self, fault: Fault) -> None:
        """Plan a fault; raise ValueError where its operation matches none."""
        if not any(fnmatchcase(operation, fault.operation) for operation in OPERATIONS):
            raise ValueError(f"no operation is called {fault.operation!r}; there are {', '.join(OPERATIONS)}")
        self._sandbox.faults.add(fault)

    def find_case(self, ref: str) -> str:
        """Return the id of the Case that a reference means; raise UnknownRefError."""
        try:
            return self._sandbox.coralogix.ledger.case(_as_key(ref)).id
        except NoSuchCaseError:
            pass
        row = self._row(ref)
        if row is None:
            raise UnknownRefError(f"{ref} is neither a Case nor an Incident of this sandbox")
        try:
            return self._sandbox.coralogix.ledger.case(row["correlation_id"]).id
        except NoSuchCaseError as missing:
            raise UnknownRefError(f"{row['number']} belongs to no Case") from missing

    def find_record(self, ref: str) -> str:
        """Return the sys_id of the record that a reference means; raise UnknownRefError."""
        row = self._row(ref)
        if row is not None:
            return row["sys_id"]
        case_id = self.find_case(ref)
        found = self._sandbox.servicenow.incidents_for(case_id)
        if len(found) != 1:
            raise UnknownRefError(f"{ref} has {len(found)} Incidents; name one by its number")
        return found[0]["sys_id"]

    def _row(self, ref: str) -> TableRow | None:
        rows = [row for place in self._sandbox.servicenow.tables.tasks() for row in place]
        return next((row for row in rows if ref.lower() in (row["number"].lower(), row["sys_id"].lower())), None)


def _as_key(ref: str) -> str:
    """Write a Case key in capitals and a UUID in small letters, as the service does."""
    return ref.upper() if ref.lower().startswith("case-") else ref.lower()
