"""The findings of ``check``: each code has its page, is used, and stands in the page of operations as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.core.findings import PAGES, Code

ROOT = Path(__file__).parents[3]
OPERATIONS = ROOT / "systemd" / "README.md"


def test_every_code_has_a_page_with_words() -> None:
    assert list(PAGES) == list(Code)
    assert all(page.title and page.cause and page.to_do for page in PAGES.values())


def test_a_code_is_rc_and_a_number_of_its_own() -> None:
    assert all(re.fullmatch(r"RC\d{3}", code) for code in Code)
    assert len({code.value for code in Code}) == len(Code)


@pytest.mark.parametrize("code", Code)
def test_a_code_is_used(code: Code) -> None:
    used = f"Code.{code.name}\\b"
    places = [path for path in (ROOT / "reconciler").rglob("*.py") if path.name != "findings.py"]
    assert any(re.search(used, path.read_text(encoding="utf-8")) for path in places)


def test_the_page_of_operations_has_the_table_as_it_is() -> None:
    rows = [f"| `{code.value}` | {page.title} | {page.cause} | {page.to_do} |" for code, page in PAGES.items()]
    shown = [line for line in OPERATIONS.read_text(encoding="utf-8").splitlines() if line.startswith("| `RC")]
    assert shown == rows
