"""The one SQLite of the program: the module that sqlite_utils chose.

It takes pysqlite3 where that is installed, and then the errors of the standard library's sqlite3 are other classes.
"""

from __future__ import annotations

from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]  # chosen there, not exported there

__all__ = ["sqlite3"]
