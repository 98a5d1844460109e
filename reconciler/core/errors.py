"""The errors of the program, named for what the caller does next.

ReconcilerError
├─ ConfigError(problems)      wrong usage or config: exit 2
├─ StoreError                 the database is damaged, full, or newer than this program
│  └─ StoreBusy               it cannot be written for now (another writer, a full disk); trying again may help
├─ Refused                    on purpose; a person must look: exit 3
│  ├─ Locked                  another process works on this database
│  └─ HeldBack                a request that could write, while nothing may be written
├─ CycleFailed                a pull failed; the next cycle tries again
├─ Malformed                  one record could not be understood
└─ RemoteError(system, …)
   ├─ Transient               nothing was written -> the next cycle tries again
   │  └─ Paused               the service asked to be left alone, so nothing was sent
   ├─ Ambiguous               a write may have landed -> look before doing anything
   ├─ Rejected                they said no and will say it again -> hold
   │  └─ Missing              there is no such record, or it is hidden
   ├─ AuthFailed              stop this side for this cycle
   └─ PartialTruth            the answer does not show everything that was asked for
      └─ ConditionDropped     it shows what was not asked for
"""

from __future__ import annotations

from collections.abc import Sequence


class ReconcilerError(Exception):
    """The root of every error that this program raises on purpose."""

    exit_code = 1


class ConfigError(ReconcilerError):
    """Every problem of a config or of a call at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StoreError(ReconcilerError):
    """Say that the database cannot be used, and why."""


class StoreBusy(StoreError):
    """Say that the database cannot be written for now: another process writes, the disk is full or read-only."""


class Refused(ReconcilerError):
    """Stop on purpose: the message has the numbers and the way out."""

    exit_code = 3


class Locked(Refused):
    """Say that another process works on this database, and which one."""


class HeldBack(Refused):
    """Say that a request could have written something, and that nothing may be written now; it did not leave."""


class CycleFailed(ReconcilerError):
    """Say that a pull failed, so that nothing was planned for that side."""


class Malformed(ReconcilerError):
    """Say that one record of a service could not be understood.

    ``raw`` is the record as it came, ``record_id`` its id where one could be read.
    """

    def __init__(self, message: str, *, record_id: str | None = None, raw: object = None) -> None:
        super().__init__(message)
        self.record_id = record_id
        self.raw = raw


class RemoteError(ReconcilerError):
    """Carry what is known of a failed call, and never a body, a header, a query or a secret.

    ``path`` has no query. ``request_id`` is the service's own id of the request, where it gave one.
    ``words`` is the service's own explanation, cleaned and cut.
    """

    def __init__(
        self,
        words: str,
        *,
        system: str = "",
        method: str = "",
        path: str = "",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.words = words
        self.system = system
        self.method = method
        self.path = path
        self.status = status
        self.request_id = request_id
        where = " ".join(part for part in (system, method, path) if part)
        answered = f" answered {status}" if status is not None else ""
        super().__init__(f"{where}{answered}: {words}" if where else words)


class Transient(RemoteError):
    """Say that nothing was written and that trying again may help."""


class Paused(Transient):
    """Say that the service asked to be left alone, so that nothing was sent."""


class Ambiguous(RemoteError):
    """Say that a write may have landed: look before doing anything."""


class Rejected(RemoteError):
    """Say that the service refused and will refuse the same again."""


class Missing(Rejected):
    """Say that the record does not exist, or is hidden from this user."""


class AuthFailed(RemoteError):
    """Say that the credentials were refused."""


class PartialTruth(RemoteError):
    """Say that an answer does not show everything, so that nothing may be concluded from it."""

    exit_code = 3


class ConditionDropped(PartialTruth):
    """Say that an answer shows what was not asked for, so that a condition was not understood."""
