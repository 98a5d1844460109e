"""What is generated in the documentation is as it would be generated now."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.pages.commands import COMMANDS_PAGE, commands_page
from tests.pages.database import DATABASE_PAGE, between, questions_section, views_section
from tests.pages.picture import PICTURE, SHOWN, demo_picture, words

AGAIN = "it is stale: make docs"


def test_the_page_of_the_commands_is_fresh() -> None:
    assert COMMANDS_PAGE.read_text(encoding="utf-8") == commands_page(), AGAIN


@pytest.mark.parametrize(("part", "made"), [("views", views_section), ("questions", questions_section)])
def test_the_page_of_the_database_says_what_the_catalogue_says(part: str, made: Callable[[], str]) -> None:
    [written] = between(part).findall(DATABASE_PAGE.read_text(encoding="utf-8"))
    assert written == made(), AGAIN


@pytest.fixture(scope="module")
def drawn() -> str:
    return demo_picture()


def test_the_picture_shows_what_the_demo_says(drawn: str) -> None:
    assert words(PICTURE.read_text(encoding="utf-8")) == words(drawn), AGAIN


def test_the_picture_shows_some_chapters_and_every_claim(drawn: str) -> None:
    shown = words(drawn)
    assert all(f"{number}." in shown for number in SHOWN)
    assert "Nothingislefttodo" not in shown
    assert "claimshold." in shown


def test_the_picture_asks_nobody_for_anything(drawn: str) -> None:
    assert "url(" not in drawn.replace("url(#", "")
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
