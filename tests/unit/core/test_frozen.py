"""Our frozen values behave as those of the standard library do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler.core.frozen import cached_property, dataclass


class Plain:
    """The fields of a value, before it is a dataclass."""

    name: str
    size: int = 1
    parts: list[str] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="s", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checked", True)


def made(how: Callable[..., Any]) -> Any:
    body = {name: part for name, part in vars(Plain).items() if name not in {"__dict__", "__weakref__"}}
    return how(frozen=True, kw_only=True)(type("Value", (), body))


Ours, Theirs = made(dataclass), made(dataclasses.dataclass)
each = pytest.mark.parametrize("how", [pytest.param(Ours, id="ours"), pytest.param(Theirs, id="theirs")])


@pytest.mark.parametrize("given", [{"name": "a"}, {"name": "b", "size": 2, "parts": ["x"], "secret": "t"}])
def test_a_value_holds_shows_and_hashes_what_the_librarys_does(given: dict[str, Any]) -> None:
    ours, theirs = Ours(**given), Theirs(**given)
    assert vars(ours) == vars(theirs)
    assert repr(ours) == repr(theirs)
    assert hash(ours) == hash(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert dataclasses.replace(ours, size=9) == Ours(**given | {"size": 9})


def test_values_are_equal_by_the_fields_that_are_compared_and_by_their_class() -> None:
    assert Ours(name="a", parts=["x"]) == Ours(name="a", parts=["y"])
    assert Ours(name="a") != Ours(name="a", secret="t")
    assert Ours(name="a") != Theirs(name="a")
    assert Ours(name="a").parts is not Ours(name="a").parts


@each
def test_neither_can_be_changed(how: Any) -> None:
    value = how(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.other = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.name


@each
@pytest.mark.parametrize("given", [{}, {"name": "a", "colour": "red"}, {"size": 3, "colour": "red"}])
def test_a_field_that_is_missing_or_unknown_is_refused(how: Any, given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"name|colour"):
        how(**given)
    with pytest.raises(TypeError):
        how("a")


def test_what_a_class_defines_itself_is_kept() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Told:
        name: str

        def __repr__(self) -> str:
            return "told"

    assert repr(Told(name="a")) == "told"
    assert Told(name="a") == Told(name="a")


def test_what_is_derived_is_derived_once_for_each_value_and_is_no_field() -> None:
    asked: list[str] = []

    @dataclass(frozen=True, kw_only=True)
    class Named:
        name: str

        @cached_property
        def loud(self) -> str:
            """Shout the name."""
            asked.append(self.name)
            return self.name.upper()

    first, second = Named(name="a"), Named(name="b")
    assert [first.loud, first.loud, second.loud] == ["A", "A", "B"]
    assert asked == ["a", "b"]
    assert first == Named(name="a")
    assert Named.loud.__doc__ == "Shout the name."


def test_other_kinds_are_the_librarys() -> None:
    @dataclass(frozen=True, kw_only=True, order=True)
    class Ordered:
        size: int

    assert Ordered(size=1) < Ordered(size=2)


def test_every_room_makes_its_frozen_values_here() -> None:
    marked = re.compile(r"^@dataclass\(frozen=True, kw_only=True\)$", re.MULTILINE)
    theirs = re.compile(r"^from dataclasses import .*\bdataclass\b", re.MULTILINE)
    files = {path: path.read_text() for path in Path(reconciler.__file__).parent.rglob("*.py")}
    assert [str(path) for path, text in files.items() if marked.search(text) and theirs.search(text)] == []
