"""A Case is found by whatever people call it, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.store.store import Store
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident
from tests.store_helpers import case_id, empty_store, remember

OTHER_SYS_ID = SYS_ID[:8] + "f" * 24


@pytest.fixture
def store() -> Iterator[Store]:
    """Remember one Case with its record, and one that has the same number at another connector."""
    with empty_store() as store:
        remember(store, a_case(), an_incident())
        store.links.update_links([a_link()], NOW)
        yield store


def a_twin(store: Store) -> str:
    """Remember another Case, whose record at another connector has the same number."""
    twin = case_id(7)
    remember(store, a_case(id=twin, key="CASE-7", title="The other one"))
    store.links.update_links([replace(a_link(case_id=twin), connector="us", sys_id=OTHER_SYS_ID)], NOW)
    return twin


def found(store: Store, ref: str) -> list[str]:
    return [one.case_id for one in store.finder.find(ref)]


@pytest.mark.parametrize(
    "ref",
    [
        *(CASE_ID, CASE_ID.upper(), CASE_ID.replace("-", ""), CASE_ID[:6], CASE_ID[:12], CASE_ID.replace("-", "")[:14]),
        *("CASE-123", " case-123 ", "CASE123", "case123", "123"),
        *("INC0010001", "inc0010001", "main/INC0010001", f"main/{SYS_ID}"),
        *(SYS_ID, SYS_ID[:6], SYS_ID[:9].upper(), f"main/{SYS_ID[:7]}"),
    ],
)
def test_a_case_is_found_by_what_people_type(store: Store, ref: str) -> None:
    assert found(store, ref) == [CASE_ID]


@pytest.mark.parametrize(
    "ref",
    [
        *("", "/", "CASE-1", "INC1", "%", CASE_ID[:5], SYS_ID[:5], "zzzzzz"),
        *("us/INC0010001", "main/CASE-123", f"us/{SYS_ID}"),
    ],
)
def test_nothing_is_found_by_what_is_not_there(store: Store, ref: str) -> None:
    assert found(store, ref) == []


def test_what_could_be_several_names_them_all_and_its_connector_decides(store: Store) -> None:
    twin = a_twin(store)
    assert [(one.case_key, one.connector, one.title) for one in store.finder.find("INC0010001")] == [
        ("CASE-123", "main", a_case().title),
        ("CASE-7", "us", "The other one"),
    ]
    assert found(store, "us/INC0010001") == [twin]
    assert found(store, "main/INC0010001") == [CASE_ID]
    assert found(store, SYS_ID[:8]) == [CASE_ID, twin]
    assert found(store, SYS_ID[:12]) == [CASE_ID]


def test_the_whole_name_wins_over_what_begins_with_it(store: Store) -> None:
    remember(store, a_case(id=case_id(1), key=f"CASE-{'0' * 8}"), a_case(id=case_id(2), key="CASE-2"))
    assert found(store, "00000000") == [case_id(1)]


def test_what_could_be_hundreds_is_cut(store: Store) -> None:
    remember(store, *(a_case(id=case_id(number), key=f"CASE-{number}") for number in range(300)))
    assert len(store.finder.find("000000")) == 11


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("case-1", "CASE-123"),
        ("CASE-1", "CASE-123"),
        ("INC", "INC0010001"),
        ("main/INC", "main/INC0010001"),
        (CASE_ID[:4], CASE_ID),
        (SYS_ID[:4], SYS_ID),
        (f"main/{SYS_ID[:2]}", f"main/{SYS_ID}"),
    ],
)
def test_what_was_typed_in_part_is_completed(store: Store, typed: str, offered: str) -> None:
    assert offered in store.finder.completions(typed, most=5)


@pytest.mark.parametrize("typed", ["", "CASE-9", "us/INC", "x", "main/"])
def test_what_begins_nothing_is_not_completed(store: Store, typed: str) -> None:
    assert store.finder.completions(typed, most=5) == {}


def test_no_more_is_offered_than_asked_for(store: Store) -> None:
    remember(store, *(a_case(id=case_id(number), key=f"CASE-{number}") for number in range(300)))
    assert len(store.finder.completions("CASE", most=5)) == 5
