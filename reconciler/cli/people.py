"""Record commands for the audit: who ran them, where, with which arguments."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys

from reconciler.cli.times import utc_now
from reconciler.store.store import Store
from reconciler.store.values import OperatorAction


def os_user() -> str:
    """Return the name of the operating system's user; a container may have none for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def note_cycles(store: Store, what: str, *, limits_on: bool) -> None:
    """Record a command that runs cycles, and whether it set the brakes aside."""
    note_command(store, what, "" if limits_on else "the brakes were set aside")


def note_command(store: Store, what: str, detail: str = "") -> None:
    """Record that this command was run, and its result. No command-line option takes a secret."""
    arguments = shlex.join(sys.argv[1:])
    deed = OperatorAction(what=what, os_user=os_user(), host=socket.gethostname(), arguments=arguments, detail=detail)
    store.journal.note_person(deed, utc_now())
