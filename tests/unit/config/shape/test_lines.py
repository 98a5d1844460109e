"""The scan that tells on which line a key stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.shape.lines import KeyPath, key_lines, line_of

TRICKY = '''\
# [not.a.table]
top = 1 # "
"quoted key" = "a # b"
'literal.key' = 'c = d'
a.b . "c.d" = 2
text = """
[inside]
key = "not a key"
a \\""" b"""
raw = \'\'\'
]]}}
x = 1\'\'\'\'
empty = []
list = [
  1, # one
  "two",
  { three = 3, "f\\u006fur" = [4] },
  [5, [6]],
]
inline = { a = { b = "}" }, c = [ "]", 7 ], d.e = 2026-01-01 10:00:00 }

[[route]]
name = "one"
  [route.labels]
  "routing.team" = "sre"
[[route]]
labels = { x = ["y",
  "z"] }
[[route.deep]]
k = 1
[[route.deep]]
k = 2

[ spaced . "table" ]
k=""
after = 3
'''


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Walk through parsed TOML: what the scan must find, no more and no less."""
    parts: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        parts = iter(value.items())
    elif isinstance(value, list):
        parts = iter(enumerate(value))
    for key, part in parts:
        yield (*path, key)
        yield from paths(part, (*path, key))


def test_every_place_is_found_and_nothing_else() -> None:
    assert set(key_lines(TRICKY)) == set(paths(tomllib.loads(TRICKY)))


@pytest.mark.parametrize(
    ("path", "starts"),
    [
        (("top",), "top"),
        (("quoted key",), '"quoted key"'),
        (("a", "b", "c.d"), "a.b"),
        (("raw",), "raw"),
        (("list", 1), '  "two"'),
        (("list", 2, "four", 0), "  { three"),
        (("inline", "d", "e"), "inline"),
        (("route", 0, "labels", "routing.team"), '  "routing.team"'),
        (("route", 1, "labels", "x", 1), '  "z"'),
        (("route", 1, "deep", 1, "k"), "k = 2"),
        (("spaced", "table", "k"), 'k=""'),
        (("after",), "after"),
    ],
)
def test_the_line_is_the_one_where_it_is_written(path: KeyPath, starts: str) -> None:
    lines = key_lines(TRICKY)
    path = ("spaced", "table", "after") if path == ("after",) else path
    assert TRICKY.splitlines()[lines[path] - 1].startswith(starts)


def test_what_is_missing_has_the_line_of_its_table() -> None:
    lines = key_lines("a = 1\n[b]\nc = 2\n")
    assert line_of(lines, ("b", "missing")) == 2
    assert line_of(lines, ("missing", "c")) == 1


def test_line_ends_of_windows() -> None:
    assert key_lines('a = """\r\nx"""\r\nb = 1\r\n')[("b",)] == 3


NAMES = st.sampled_from(["a", "b", '"c d"', "'e.f'", "g.h"])
ATOMS = st.sampled_from(
    ["1", '"x # ]"', "'}'", "true", '"""\n[t]\n"""', "'''\nk = 1\n'''", "1979-05-27 07:32:00", '"\\""']
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # c\n" + ",\n".join(items) + "]"),
        st.dictionaries(NAMES, inner, max_size=2).map(
            lambda pairs: "{" + ", ".join(f"{name} = {value}" for name, value in pairs.items()) + "}"
        ),
    ),
    max_leaves=6,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=3).map(
    lambda pairs: "".join(f"{name} = {value} # end\n" for name, value in pairs.items())
)


@given(BODIES, st.lists(BODIES, max_size=3), BODIES)
def test_any_document(top: str, listed: list[str], table: str) -> None:
    text = top + "".join(f"[[r]]\n{body}[r.sub]\n{body}" for body in listed) + f'[t."u v"]\n{table}'
    assert set(key_lines(text)) == set(paths(tomllib.loads(text)))
