"""The errors of the program, named for what the caller does next.

ReconcilerError
├─ ConfigError(problems)      wrong usage or config: exit 2
├─ StoreError                 the database is damaged, or newer than this program
│  └─ StoreBusy               it cannot be written for now: another writer, a full or read-only disk
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

A template that fails for one Case is a ValueError, ``TemplateFailed``: it is caught where templates are rendered.
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
    """The database cannot be used; the message says why."""


class StoreBusy(StoreError):
    """The database cannot be written for now: another process writes, the disk is full or read-only."""


class Refused(ReconcilerError):
    """A stop on purpose: the message has the numbers and the way out."""

    exit_code = 3


class Locked(Refused):
    """Another process works on this database; the message says which."""


class HeldBack(Refused):
    """A request that could have written was not sent: nothing may be written now."""


class CycleFailed(ReconcilerError):
    """A pull failed, so nothing was planned for that side."""


class Malformed(ReconcilerError):
    """One record of a service could not be understood.

    ``raw`` is the record as it came, ``record_id`` its id where one could be read.
    """

    def __init__(self, message: str, *, record_id: str | None = None, raw: object = None) -> None:
        super().__init__(message)
        self.record_id = record_id
        self.raw = raw


class RemoteError(ReconcilerError):
    """A failed call: what is known of it, and never a body, a header, a query or a secret.

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
    """Nothing was written, and trying again may help."""


class Paused(Transient):
    """The service asked for a pause, so nothing was sent."""


class Ambiguous(RemoteError):
    """A write may have landed: look before doing anything."""


class Rejected(RemoteError):
    """The service refused, and will refuse the same request again."""


class Missing(Rejected):
    """The record does not exist, or is hidden from this user."""


class AuthFailed(RemoteError):
    """The credentials were refused."""


class PartialTruth(RemoteError):
    """An answer is incomplete, so nothing may be concluded from what it lacks."""

    exit_code = 3


class ConditionDropped(PartialTruth):
    """An answer shows what was not asked for: the service dropped a condition of the query."""


class TemplateFailed(ValueError):
    """Why a template could not be rendered for one Case, in words for a person."""


class ValueMissing(TemplateFailed):
    """A template reads what this Case does not have, and says nothing of what to do then."""


class TooMuch(TemplateFailed):
    """A template does more, or makes something larger, than any template may."""
