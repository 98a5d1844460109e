"""The page of one finding of ``check``, by its code."""

from __future__ import annotations

import re

from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import ConfigError
from reconciler.core.findings import PAGES, Code
from reconciler.core.planning.plan import DOCUMENT_VERSION

_CODE = re.compile(r"RC\d+\Z", re.IGNORECASE)


def is_code(ref: str) -> bool:
    """Return whether a REF is the code of a finding."""
    return _CODE.match(ref.strip()) is not None


def show_page(code: str, *, as_json: bool) -> None:
    """Print what a finding means and what to do; raise ConfigError for a code that there is not."""
    typed = code.strip().upper()
    if typed not in PAGES:
        raise ConfigError([f"there is no finding {typed}; there are {', '.join(PAGES)}"])
    page = PAGES[Code(typed)]
    if as_json:
        facts = {"code": typed, "title": page.title, "cause": page.cause, "to_do": page.to_do}
        print_json({"version": DOCUMENT_VERSION, **facts})
    else:
        print_lines(f"{typed}  {page.title}", "", f"cause  {page.cause}", f"to do  {page.to_do}")
