"""ASKS. The only user of click, and the one place where objects are built.

Rules of this room: results on standard output, words for people on standard error; every error becomes one
clear message and the exit code of the public contract; heavy imports stay inside the commands that need them.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

__all__ = ["main"]

DAEMON = "run"


def main() -> None:
    """Set the interpreter up for a program that lives for a moment or for months, and run the command line."""
    # Hardly anything here refers to itself in a circle, and what is read stays until its cycle ends: to look through it
    # all again and again took a sixth of a short call, and a fifth of one that takes 10,000 records in.
    gc.set_threshold(100_000, 20, 20)
    # Memory goes with the process: Python would look through all of it for circles three times before it ends.
    atexit.register(gc.freeze)
    # Pydantic would look through all that is installed for plugins, of which this program has none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if DAEMON in sys.argv[1:]:  # to tell whether it is the command, what reads a command line has to be loaded first
        from reconciler.daemon.early import EARLY  # noqa: PLC0415 - of no use to other commands

        EARLY.hold()
    from reconciler.cli.app import run  # noqa: PLC0415 - what it loads is made under the settings above

    run()
