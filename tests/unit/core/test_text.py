"""Foreign text is made harmless in one place: signs that nobody sees, marks of journals, HTML, length."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.text import (
    clean,
    cut,
    escape_controls,
    has_code_block,
    one_line,
    without_code_blocks,
    without_html,
)

KEPT_BY_SCRIPTS_AND_PICTURES = set(map(chr, [0x200C, 0x200D, 0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F]))
KEPT_BY_SCRIPTS_AND_PICTURES |= set(map(chr, [0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)]))


def test_every_sign_that_nobody_sees_is_taken_out_and_nothing_else_is() -> None:
    for code in range(0x110000):
        sign = chr(code)
        unseen = unicodedata.category(sign) in {"Cc", "Cf", "Cs"} and sign not in "\t\n\r\x85"
        if unseen and sign not in KEPT_BY_SCRIPTS_AND_PICTURES:
            assert clean(sign) == "", hex(code)
            assert escape_controls(sign) == sign.encode("unicode_escape").decode(), hex(code)
        elif unicodedata.category(sign)[0] not in "CZ":
            assert clean(sign) == escape_controls(sign) == sign, hex(code)


def test_line_ends_become_one_kind_and_are_shown_as_signs() -> None:
    assert clean("a\r\nb\rc\u2028d\u2029e\x85f\tg") == "a\nb\nc\nd\ne\nf\tg"
    assert escape_controls("a\r\nb\u2028\tc") == "a\\r\\nb\\u2028\\tc"
    assert one_line(" a  b\t\r\n \n c ") == "a  b c"


def test_a_text_in_any_script_and_a_picture_of_several_signs_stay() -> None:
    for text in ("Größe 容量 ✓", "می‌خواهم", "👩‍💻 ❤️", "a < b && c > d"):
        assert clean(text) == escape_controls(text) == without_html(text) == text


@pytest.mark.parametrize("mark", ["[code]", "[/CODE]", "[ / code ]", "[c\u200do\ufe0fde]", "[\ncode]"])
def test_a_mark_is_found_however_it_is_written(mark: str) -> None:
    assert has_code_block(mark)
    assert without_code_blocks(f"a {mark} b") == f"a ({mark[1:-1]}) b"
    assert not has_code_block(without_code_blocks(mark * 2))


def test_a_mark_that_is_only_begun_counts_where_more_follows() -> None:
    for begun in ("[", "[ /", "[co", "[/code"):
        assert without_code_blocks(f"a {begun}", more_follows=True) == f"a ({begun[1:]}"
        assert without_code_blocks(f"a {begun}") == f"a {begun}"
    assert without_code_blocks("[EMEA", more_follows=True) == "[EMEA"


def test_html_is_taken_out() -> None:
    text = '<p class="x">Rolled&nbsp;back <b>release</b>&#32;41 &amp; 42</p><br/><ul><li>a</li><LI>b</LI></ul>'
    assert without_html(text) == "Rolled back release 41 & 42\n\na\n\nb"
    assert without_html("a<script>alert(1)</script>b<!-- x --><style>y</style>c") == "abc"
    assert without_html("&lt;b&gt; is a tag") == "<b> is a tag"
    assert without_html("if a < b and c > d: restart <host>, R&D &nothing; &#99999999999;") == (
        "if a < b and c > d: restart <host>, R&D &nothing; &#99999999999;"
    )
    assert without_html("a<script>never closed") == "a"


def test_no_text_takes_longer_than_its_length_is_worth() -> None:
    began = time.process_time()
    for piece in ("[", "[ ", " ", "[code", "<", "<b ", "<b", "<!--", "<script>", "&#", "&a", "\n ", "\t", "[/ "):
        text = piece * (40_000 // len(piece))
        for change in (clean, one_line, escape_controls, without_html, without_code_blocks):
            change(text)
            change(f"[{text}")
    assert time.process_time() - began < 8


@given(st.text(), st.integers(0, 30), st.sampled_from(["…", "...", "", "🔥"]))
def test_no_cut_text_is_longer_than_asked_in_code_points_or_in_utf_16(text: str, length: int, mark: str) -> None:
    made = cut(text, length, mark)
    assert len(made) <= length
    assert len(made.encode("utf-16-le", "surrogatepass")) // 2 <= max(length, 2 * (length > 0))


def test_a_cut_keeps_as_much_as_fits_and_no_half_of_a_character() -> None:
    assert cut("🔥🔥🔥🔥", 5) == "🔥🔥…"
    assert cut("🔥🔥🔥🔥", 4) == "🔥…"
    assert cut("🔥🔥", 4) == "🔥🔥"
    assert cut("ab🔥🔥", 5) == "ab🔥…"[:3] + "…"
    assert cut("one two", 5) == "one…"
    assert cut("👩‍💻👩‍💻", 4) == "👩…"
