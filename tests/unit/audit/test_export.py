"""Evidence as files: streamed, safe in a spreadsheet, never over what is there, and told exactly in the manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.audit.catalogue import View, views
from reconciler.audit.export import Format, TimeRange, Value, lines, read_view, write_files
from tests.pages.database import example
from tests.world import START

PAIR = View(name="audit_pair", title="", words="", time="a", columns={"a": "one", "b": "two"})
ROWS: tuple[tuple[Value, Value], ...] = (("plain", 1), ('with "quotes",\nlines', None), ("grün", 0.5))


def written(form: Format, rows: Sequence[Sequence[Value]] = ROWS) -> str:
    return "".join(lines(PAIR, rows, form))


@pytest.mark.parametrize("form", [Format.JSON, Format.NDJSON])
def test_json_has_every_value_as_it_is(form: Format) -> None:
    text = written(form)
    found = json.loads(text) if form is Format.JSON else [json.loads(line) for line in text.splitlines()]
    assert found == [{"a": a, "b": b} for a, b in ROWS]


def test_csv_reads_back() -> None:
    assert list(csv.reader(io.StringIO(written(Format.CSV), newline=""))) == [
        ["a", "b"],
        *([str(a), "" if b is None else str(b)] for a, b in ROWS),
    ]


@pytest.mark.parametrize("form", Format)
def test_no_rows_are_a_document_too(form: Format) -> None:
    assert written(form, ()) == {Format.CSV: "a,b\r\n", Format.JSON: "[]\n", Format.NDJSON: ""}[form]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_text_in_csv_and_itself_in_json(start: str) -> None:
    formula = f"{start}cmd|' /C calc'!A0"
    [_, [cell, number]] = csv.reader(io.StringIO(written(Format.CSV, [(formula, -5)]), newline=""))
    assert (cell, number) == (f"'{formula}", "-5")
    assert json.loads(written(Format.NDJSON, [(formula, -5)])) == {"a": formula, "b": -5}


def test_rows_are_not_held() -> None:
    taken = []

    def rows() -> Iterator[tuple[Value, Value]]:
        for number in range(3):
            taken.append(number)
            yield number, None

    pieces = lines(PAIR, rows(), Format.NDJSON)
    next(pieces)
    assert taken == [0]


def test_files_are_as_told_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    with example() as store:
        files = write_files(folder, tuple(views().values()), store, times=TimeRange(), form=Format.NDJSON)
        counts = {name: store.database.value(f"SELECT count(*) FROM {name}") for name in views()}  # noqa: S608
    assert {one.view: one.rows for one in files} == counts
    for one in files:
        data = (folder / one.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one.sha256
        assert data.count(b"\n") == one.rows
        assert stat.S_IMODE((folder / one.name).stat().st_mode) & ~0o640 == 0
    assert sum(counts.values()) > 40


@pytest.mark.parametrize("view", views().values(), ids=views())
def test_a_time_range_takes_each_row_once(view: View) -> None:
    middle = START + timedelta(minutes=14)
    with example() as store:
        before, after = (read_view(store, view, each) for each in (TimeRange(until=middle), TimeRange(since=middle)))
        assert sorted([*before, *after], key=repr) == sorted(read_view(store, view, TimeRange()), key=repr)


@pytest.mark.parametrize("there", ["audit_people.csv", "manifest.json"])
def test_what_is_there_stays(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("older")
    with example() as store, pytest.raises(FileExistsError, match=there):
        write_files(tmp_path, tuple(views().values()), store, times=TimeRange(), form=Format.CSV)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "older")]


def test_rows_that_nobody_reads_to_their_end_say_nothing() -> None:
    """An export whose disk is full leaves them behind the end of the database."""
    with example() as store:
        rows = iter(read_view(store, views()["audit_notifications"], TimeRange()))
        assert next(rows)
    assert isinstance(rows, Generator)
    rows.close()
