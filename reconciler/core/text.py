"""Foreign text made harmless: the one list of signs that nobody sees, the one way to cut.

``clean`` is for text that is stored or sent, ``escape_controls`` for text that is shown, where it must be seen that
something was there. Everything here takes time linear in the text.
"""

from __future__ import annotations

import re

CUT_MARK = "…"
REDACTED = "[redacted]"
"""What stands where a secret was."""
GUARDED_NAME = (
    r"(?:api[_-]?key|x-sn-apikey|pass(?:word|wd|phrase)?|credentials?|authorization"
    r"|client[_-]?secret|secret|(?:access_|refresh_|id_)?token)"
)
"""What the name of a value holds, in any case, where the value is a secret: in a log, in a body that is kept."""
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed; DEL; C1
    r"\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # no width, or a direction
    r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # halves of characters, and what is none
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # controls of shorthand and music; tags
)
"""Every sign without a width of its own: Unicode's general categories Cc, Cf and Cs, and the noncharacters.

Joiners and variants (U+200C, U+200D, U+FE00 to U+FE0F, U+E0100 to U+E01EF) are not among them: scripts and emoji need
them, as Arabic, Syriac and Egyptian need their number signs.
"""
_UNWANTED = re.compile(f"[{_UNSEEN}]")
UNSAFE = re.compile(rf"[\t\n\u2028\u2029{_UNSEEN}]")
"""What a terminal or a log obeys, or what hides something in them."""

# The possessive ``*+`` keeps these linear: a bracket before 60,000 blanks would else be tried in every way.
_GAP = r"[\s\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]*+"
_CODE_BLOCK = re.compile(rf"\[({_GAP}(?:/{_GAP})?{_GAP.join('code')}{_GAP})\]", re.IGNORECASE)
_CODE_BEGUN = re.compile(rf"\[({_GAP}(?:/{_GAP})?(?:c{_GAP}(?:o{_GAP}(?:d{_GAP}(?:e{_GAP})?)?)?)?)\Z", re.IGNORECASE)

_BREAKING_TAGS = "address article blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre section table tr ul"
_OTHER_TAGS = (
    "a abbr b big body center cite code col colgroup del em figure font footer form head header html i iframe img "
    "input ins kbd label link main mark meta nav object q s samp small span strike strong sub sup svg tbody td tfoot "
    "th thead title tt u var video wbr"
)
_HTML = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?:script|style)\b[^<>]*>.*?(?:</(?:script|style)\s*>|\Z)"
    rf"|(?P<breaking></?(?:{'|'.join(_BREAKING_TAGS.split())})\b[^<>]*>)"
    rf"|</?(?:{'|'.join(_OTHER_TAGS.split())})\b[^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def clean(text: str) -> str:
    """Take out every sign that nobody sees; line ends become line feeds, and tabs stay."""
    return _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    """Clean a text and put it on one line, without blanks at its ends."""
    parts = (part.strip() for part in re.split(r"[\n\t]", clean(text)))
    return " ".join(part for part in parts if part)


def escape_controls(text: str) -> str:
    r"""Write what ``clean`` takes out, and line ends, as ``\n`` or ``\x1b``: the text stays on its line."""
    if text.isprintable():  # as nearly all are, and none of those signs is
        return text
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def without_code_blocks(text: str, *, more_follows: bool = False) -> str:
    """Write ``[code]`` as ``(code)``: a ServiceNow journal shows what stands between such marks as HTML.

    With ``more_follows`` a mark that is only begun at the end of the text counts as one too. Clean the text first: a
    sign that nobody sees hides a mark. Source: KB2337014, ``glide.ui.journal.use_html``.
    """
    harmless = _CODE_BLOCK.sub(r"(\1)", text)
    return _CODE_BEGUN.sub(r"(\1", harmless) if more_follows else harmless


def has_code_block(text: str) -> bool:
    """Return whether a text has a mark that a journal would show as HTML."""
    return _CODE_BLOCK.search(text) is not None


def without_html(text: str) -> str:
    """Take HTML out: tags become nothing, or a line end where one would be seen; entities become their characters.

    Only names of HTML elements count as tags, so that ``a < b`` and ``<host>`` stay.
    """
    plain = _HTML.sub(lambda tag: "\n" if tag["breaking"] else "", text)
    plain = _ENTITY.sub(_character, plain).replace("\xa0", " ")
    lines = "\n".join(line.rstrip() for line in plain.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def _character(entity: re.Match[str]) -> str:
    import html  # noqa: PLC0415 - most commands meet no HTML, and start sooner without its 2,231 names
    from html.entities import html5  # noqa: PLC0415

    named = entity[0][1:]
    return html.unescape(entity[0]) if named[0] == "#" else html5.get(named, entity[0])


def cut(text: str, length: int, mark: str = CUT_MARK) -> str:
    """Cut a text to ``length``, the mark at its end included; a shorter text stays as it is.

    A character beyond U+FFFF counts twice, as it does for whoever counts UTF-16 units: Java, and so ServiceNow.
    """
    if len(text) + _surrogate_pairs(text[:length]) <= length:
        return text
    room = max(length - len(mark) - _surrogate_pairs(mark), 0)
    kept = text[:room]
    while (excess := len(kept) + _surrogate_pairs(kept) - room) > 0:
        kept = kept[: -((excess + 1) // 2)]
    return kept.rstrip(" \t\n\u200d") + mark[:length]


def _surrogate_pairs(text: str) -> int:
    return 0 if text.isascii() else sum(character > "\uffff" for character in text)
