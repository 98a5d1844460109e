"""The database as Datasette reads it: in place, beside a daemon, without changing a byte of its folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from datasette.database import Database

from reconciler.store.opening.in_place import open_in_place

if TYPE_CHECKING:
    from datasette.app import Datasette

T = TypeVar("T")


class EvidenceDatabase(Database):  # type: ignore[misc]
    """Open the file again for each query.

    How a file may be opened depends on whether a process works on it at that moment, and a daemon may start or stop
    while the site runs: a connection that was kept would show an old state of the file. Opening takes a millisecond at
    any size.
    """

    def __init__(self, site: Datasette, path: Path) -> None:
        super().__init__(site, path=str(path), is_mutable=True)
        self._file = path

    async def execute_fn(self, fn: Callable[[Any], T]) -> T:
        """Run a function on a connection that can only read."""

        def on_a_connection_of_its_own() -> T:
            with closing(open_in_place(self._file)) as connection:
                self.ds._prepare_connection(connection, self.name)  # noqa: SLF001 - as the class above does
                return fn(connection)

        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, on_a_connection_of_its_own)
