"""``audit export`` as typed: what goes where, of which moment, and what stands in its way."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from reconciler.audit.catalogue import views
from tests.system.support import Bench


@pytest.fixture
def linked(bench: Bench) -> Bench:
    bench.new_case("=HYPERLINK(1)")
    bench.run_until_quiet()
    return bench


def test_all_views_go_into_a_folder_with_a_manifest_that_holds(linked: Bench) -> None:
    assert linked.run("audit", "export", "all", "--format", "json", "--out", "evidence").code == 0
    folder = linked.folder / "evidence"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert [one["view"] for one in manifest["files"]] == list(views())
    for one in manifest["files"]:
        data = (folder / one["file"]).read_bytes()
        rows = json.loads(data)
        assert (hashlib.sha256(data).hexdigest(), len(rows)) == (one["sha256"], one["rows"])
        assert not rows or list(rows[0]) == one["columns"]
    verified = linked.run("audit", "verify", "--head", manifest["chain"]["head"], "--json").document
    assert (verified["head_found"], verified["head_seq"]) == (True, manifest["chain"]["seq"])


def test_one_view_goes_to_standard_output(linked: Bench) -> None:
    ran = linked.run("audit", "export", "audit_notifications", "--format", "ndjson")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert rows == linked.query("SELECT * FROM audit_notifications")
    assert "\"'=HYPERLINK(1)\n" in linked.run("audit", "export", "audit_values").out
    none = linked.run("audit", "export", "audit_notifications", "--until", "2026-01-01", "--format", "json")
    assert none.out == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit_link"], "there is no view 'audit_link'; there are audit_links, "),
        (["all"], "say --out FOLDER"),
        (["audit_links", "--since", "2026-02-02", "--until", "2026-02-01"], "no row lies there"),
        (["audit_links", "--out", "reconciler.toml"], "reconciler: reconciler.toml is a file; name another folder"),
        (["audit_links", "--out", "reconciler.toml/below"], "reconciler.toml/below cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_said_with_2(linked: Bench, arguments: list[str], words: str) -> None:
    ran = linked.run("audit", "export", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_an_export_that_is_there_stays(linked: Bench) -> None:
    assert linked.run("audit", "export", "audit_links", "--out", "evidence").code == 0
    before = (linked.folder / "evidence" / "audit_links.csv").read_bytes()
    again = linked.run("audit", "export", "audit_links", "--out", "evidence")
    assert (again.code, "audit_links.csv is there already; name another folder" in again.err) == (2, True)
    assert (linked.folder / "evidence" / "audit_links.csv").read_bytes() == before


def test_without_a_database_there_is_nothing_to_export(bench: Bench, tmp_path: Path) -> None:
    ran = bench.run("audit", "export", "all", "--out", str(tmp_path / "evidence"))
    assert (ran.code, "there is no database" in ran.err) == (2, True)
    assert not (tmp_path / "evidence").exists()
