"""Regular expressions of conditions and templates: the syntax of Rust's regex crate, matched by RE2.

Tera matches with that crate, which takes time linear in the text whatever the pattern; RE2 promises the same, in
bounded memory. Where the two read a pattern differently, it is translated; where that cannot be done, it is refused.
Sources: https://docs.rs/regex/latest/regex/#syntax and https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

LONGEST_PATTERN = 500
MOST_REPEATS = 1000
"""RE2's own bound on ``{n}``; a larger number would be read as plain text."""

_TOKENS = re.compile(
    r"""(?P<set>\[\^?\]?(?:\\p\{\^?\w+\}|\\.|\[:\^?\w+:\]|[^\]\\])*\])
      | (?P<escape>\\[pP]\{\^?\w+\} | \\x\{[0-9A-Fa-f]+\} | \\.)
      | (?P<ahead>\(\?(?:[=!]|<[=!])) | (?P<other>\(\?(?:P=|\(|>))
      | (?P<count>\{(?P<numbers>\d+(?:,\d*)?)\}) | (?P<brace>\{)
      | (?P<possessive>[*+?]\+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_SET = re.compile(r"\\[pP]\{\^?\w+\}|\\x\{[0-9A-Fa-f]+\}|\\.|\[:\^?\w+:\]|&&|--|~~|\[", re.DOTALL)
_UNICODE: dict[str, str] = {
    "\\w": r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}",
    "\\W": r"\p{No}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\p{S}\p{Z}\p{C}",
    "\\d": r"\p{Nd}",
    "\\D": r"\P{Nd}",
    "\\s": r"\t-\r\x{85}\p{Z}",
    "\\S": r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\x{00}-\x{08}\x{0e}-\x{1f}\x{7f}-\x{84}\x{86}-\x{9f}",
}
"""What the crate's classes hold, which know all of Unicode; RE2's own know ASCII alone."""
_ONLY_RE2 = frozenset("CQEZ<>")
"""Letters after a backslash that mean something else, or nothing, to the crate."""


class Pattern:
    """One compiled pattern."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def found_in(self, text: str) -> bool:
        """Search a text, anywhere unless the pattern is anchored; takes time linear in the text."""
        # Half a character, as JSON can hold it, has no UTF-8 form.
        return self._compiled.search(text.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=256)
def rust_pattern(source: str) -> Pattern:
    r"""Compile a pattern of Rust's regex crate; raise ValueError with one sentence for what cannot be matched so.

    One difference is left: ``\b`` and ``\B`` count letters and digits of ASCII alone as parts of a word.
    """
    if len(source) > LONGEST_PATTERN:
        raise ValueError(f"the pattern has {len(source)} characters, more than {LONGEST_PATTERN}")
    translated = _TOKENS.sub(_translated, source)
    import re2  # noqa: PLC0415  # most commands match nothing, and start faster without it

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return Pattern(re2.compile(translated.encode(), options))
    except (re2.error, UnicodeEncodeError) as error:
        words = error.args[0] if isinstance(error, re2.error) else b"it holds half a character"
        raise ValueError(f"the pattern {source!r} is not understood: {words.decode('utf-8', 'replace')}") from error


def _translated(token: re.Match[str]) -> str:
    found = token.group()
    if token["set"]:
        return "[" + _IN_SET.sub(_in_set, found[1:-1]) + "]"
    if token["escape"]:
        return _escape(found)
    if token["count"]:
        return _count(found, token["numbers"])
    _refuse(token)
    return found


def _escape(found: str) -> str:
    if re.fullmatch(r"\\[0-9]", found):
        raise _is_reference(found)
    if found[1] in _ONLY_RE2:
        raise ValueError(f"the pattern is not understood: {found} has no meaning")
    return f"[{_UNICODE[found]}]" if found in _UNICODE else found


def _is_reference(found: str) -> ValueError:
    return ValueError(f"a pattern has no back-references or conditions here: {found}")


def _count(found: str, numbers: str) -> str:
    if any(len(number) > 4 or int(number) > MOST_REPEATS for number in numbers.split(",") if number):
        raise ValueError(f"a pattern repeats at most {MOST_REPEATS} times: {found}")
    return found


def _refuse(token: re.Match[str]) -> None:
    """Refuse what the crate has not, and what only looks like a repetition."""
    found = token.group()
    if token["other"]:
        raise _is_reference(found)
    if token["ahead"]:
        raise ValueError(f"a pattern has no look-around here: {found}…)")
    if token["possessive"]:
        raise ValueError(f"a pattern repeats a repetition: {found}")
    if token["brace"]:
        raise ValueError("the pattern is not understood: write \\{ for a brace, or a repetition such as {2,4}")


def _in_set(token: re.Match[str]) -> str:
    found = token.group()
    if found in {"&&", "--", "~~", "["}:
        raise ValueError(f"a pattern has no sets inside sets here: {found}; write \\{found[0]} for the character")
    if (found[0] == "\\" and found[1] in "bB") or found[1:2] in _ONLY_RE2:
        raise ValueError(f"the pattern is not understood: {found} has no meaning inside [ ]")
    return _UNICODE.get(found, found)
