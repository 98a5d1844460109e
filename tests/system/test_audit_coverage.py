"""``audit coverage`` in earnest: exit codes, the document, the page, and the page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.sandbox.faults import FaultKind
from tests.system.support import PATIENCE_SECONDS, Bench

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<script>document.title='ran'</script>"


def two_cases(bench: Bench) -> str:
    """Link two Cases; give the first."""
    bench.run_until_quiet()
    first = bench.new_case("one")
    bench.new_case("two")
    bench.run_until_quiet()
    return first


def test_a_whole_window_ends_with_0_and_changes_nothing(bench: Bench) -> None:
    two_cases(bench)
    before, writes = bench.bytes_of_folder(), len(bench.traffic.mutations)
    ran = bench.run("audit", "coverage", "--since", "1h", "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["complete"], ran.document["clean"], ran.document["exceptions"]) == (True, True, [])
    assert [line["case_key"] for line in ran.document["cases"]] == ["CASE-1", "CASE-2"]
    assert {line["case_key"] for line in ran.document["records"]} == {"CASE-1", "CASE-2"}
    assert ran.document["chain"]["seq"] > 0
    assert (bench.bytes_of_folder(), len(bench.traffic.mutations)) == (before, writes)
    told = bench.run("audit", "coverage", "--since", "1h")
    assert told.code == 0
    assert "Cases    2: 2 with a record, 0 by other means, 0 without one" in told.out
    assert "both sides were read whole" in told.out


def test_an_exception_and_a_truncated_read_end_with_3(bench: Bench) -> None:
    two_cases(bench)
    bench.new_case("that no cycle saw")
    ran = bench.run("audit", "coverage", "--since", "1h", "--json")
    assert (ran.code, ran.document["complete"], ran.document["clean"]) == (3, True, False)
    assert [one["kind"] for one in ran.document["exceptions"]] == ["never_seen"]
    bench.run_until_quiet()
    bench.strike(FaultKind.HIDDEN_ROWS, "cases.list")
    ran = bench.run("audit", "coverage", "--since", "1h", "--json")
    assert (ran.code, ran.document["complete"]) == (3, False)
    assert ran.document["not_shown"] == ["Coralogix hides Cases from this key (pbacTruncated)"]
    assert "not complete" in ran.err


def test_what_cannot_be_asked_is_said(bench: Bench) -> None:
    ran = bench.run("audit", "coverage", "--since", "1h")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no database" in ran.err
    two_cases(bench)
    assert bench.run("audit", "coverage").code == 2
    assert bench.run("audit", "coverage", "--since", "1h", "--until", "2h").code == 2
    ran = bench.run("audit", "coverage", "--since", "1h", "--html", "no/such/folder/page.html")
    assert ran.code == 2
    assert "cannot be written" in ran.err
    bench.strike(FaultKind.UNAUTHORIZED_401, "cases.list", times=None)
    assert bench.run("audit", "coverage", "--since", "1h").code == 1


def page_of(bench: Bench) -> Path:
    """Write a page with an exception whose words are somebody else's."""
    bench.run_until_quiet()
    bench.world.servicenow.people.open_incident(HOSTILE, correlation_id=HOSTILE, correlation_display="Coralogix")
    two_cases(bench)
    page = bench.folder / "page.html"
    assert bench.run("audit", "coverage", "--since", "1h", "--html", str(page)).code == 3
    return page


def test_the_page_escapes_what_others_wrote_and_asks_no_network(bench: Bench) -> None:
    text = page_of(bench).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"""(src|href)=|url\(|@import""", text)
    for words in (
        "Complete: neither side left anything out.",
        "1 exceptions.",
        "CASE-1",
        "chain head",
        "coralogix.sync",
    ):
        assert words in text, words


@pytest.mark.gate
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_a_browser_shows_the_page_and_prints_it(bench: Bench, tmp_path: Path) -> None:
    page = page_of(bench)
    shared = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]

    def asked(*what: str) -> str:
        command = [*shared, *what, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False).stdout

    shown = asked("--dump-dom")
    assert "<title>Coverage" in shown, "nothing of what others wrote ran"
    rows = {
        name: len(re.findall("<tr>", part)) - 1
        for name, part in re.findall(r'(?s)<table id="(\w+)">(.*?)</table>', shown)
    }
    assert rows == {"exceptions": 1, "cases": 2, "records": 3}
    printed = tmp_path / "page.pdf"
    asked(f"--print-to-pdf={printed}")
    assert printed.read_bytes().startswith(b"%PDF")
