"""ASKS. The only user of click, and the one place where objects are built.

Rules of this room: results on standard output, words for people on standard error; every error becomes one
clear message and the exit code of the public contract; heavy imports stay inside the commands that need them.
"""

from reconciler.cli.app import main

__all__ = ["main"]
