"""Evidence as files: each view whole or for a time, as CSV, JSON or JSON lines, streamed, with a manifest of hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO

from reconciler.audit.catalogue import View
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.store.database.connection import PRIVATE
from reconciler.store.store import Store

MANIFEST = "manifest.json"
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
"""The beginning of a text that a spreadsheet would run as a formula. https://owasp.org/www-community/attacks/CSV_Injection"""

Value = str | int | float | None
Rows = Iterable[Sequence[Value]]


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """Pick rows by their view's time: from ``since`` on, and before ``until``; None is no bound."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """What was written into one file."""

    view: str
    name: str
    rows: int
    columns: tuple[str, ...]
    sha256: str


def lines(view: View, rows: Rows, form: Format) -> Iterator[str]:
    """Write rows as text, piece by piece; every piece ends where a row ends. Holds one row at a time."""
    columns = tuple(view.columns)
    if form is Format.CSV:
        yield _csv_line(columns)
        yield from map(_csv_line, rows)
    elif form is Format.NDJSON:
        yield from (f"{_json(columns, row)}\n" for row in rows)
    else:
        yield from _json_array(columns, rows)


def _json(columns: Sequence[str], row: Sequence[Value]) -> str:
    return json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _json_array(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    before = "[\n"
    for row in rows:
        yield f"{before}{_json(columns, row)}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _csv_line(values: Sequence[Value]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_harmless(value) for value in values])
    return line.getvalue()


def _harmless(value: Value) -> Value:
    """Put an apostrophe before a text that a spreadsheet would run; the JSON formats have it as it is."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def read_view(store: Store, view: View, times: TimeRange) -> Rows:
    """Stream the rows of a view that lie in a time range."""
    return store.reports.view(view.name, view.columns, time=view.time, since=times.since, until=times.until)


def write_files(
    folder: Path, views: Sequence[View], store: Store, *, times: TimeRange, form: Format
) -> tuple[ExportedFile, ...]:
    """Write each view into a file of its own in a folder, which is made where there is none.

    Raises FileExistsError before anything is written where one of the files, or a manifest, is there already, and
    OSError where writing fails. Files may be read by owner and group at most.
    """
    names = {view.name: f"{view.name}.{form.value}" for view in views}
    for name in (*names.values(), MANIFEST):
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} is there already")
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return tuple(_write_file(folder / names[view.name], view, read_view(store, view, times), form) for view in views)


def _write_file(path: Path, view: View, rows: Rows, form: Format) -> ExportedFile:
    digest, counted = hashlib.sha256(), _Counted(rows)
    with closing(_new_file(path)) as file:
        for piece in lines(view, counted, form):
            data = piece.encode()
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return ExportedFile(
        view=view.name, name=path.name, rows=counted.rows, columns=tuple(view.columns), sha256=digest.hexdigest()
    )


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "wb")


class _Counted:
    """Count rows while they pass."""

    def __init__(self, rows: Rows) -> None:
        self._source = rows
        self.rows = 0

    def __iter__(self) -> Iterator[Sequence[Value]]:
        for row in self._source:
            self.rows += 1
            yield row


def manifest(files: Sequence[ExportedFile], *, times: TimeRange, about: Mapping[str, object]) -> JsonObject:
    """Describe the files of a folder, so that they can be checked later: rows, columns and SHA-256 of each."""
    return {
        **about,
        "since": times.since.isoformat() if times.since else None,
        "until": times.until.isoformat() if times.until else None,
        "files": [
            {
                "view": one.view,
                "file": one.name,
                "rows": one.rows,
                "columns": list(one.columns),
                "sha256": one.sha256,
            }
            for one in files
        ],
    }


def write_manifest(folder: Path, document: JsonObject) -> None:
    """Write the manifest last, so that a folder that has one is whole."""
    with closing(_new_file(folder / MANIFEST)) as file:
        file.write((json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
