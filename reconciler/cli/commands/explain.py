"""The command ``explain``: the whole story of one link, or the page of one finding of ``check``."""

from __future__ import annotations

import re

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.refs import REF, find_case
from reconciler.cli.showing.story import tell
from reconciler.cli.showing.story_lines import story_lines
from reconciler.cli.start import glance, read_store, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import ConfigError
from reconciler.core.findings import PAGES, Code
from reconciler.core.planning.plan import DOCUMENT_VERSION

_CODE = re.compile(r"RC\d+\Z", re.IGNORECASE)


@click.command()
@click.argument("ref", type=REF)
@json_option
@click.option("--utc", "is_utc", is_flag=True, help="Show times in UTC; else in the local time of this machine.")
@click.pass_obj
def explain(options: Globals, ref: str, as_json: bool, is_utc: bool) -> None:
    """Tell the whole story of one link: what happened, what was done about it, and why nothing is done now.

    REF is a Case id, CASE-123, INC0010001, CONNECTOR/INC0010001, a sys_id, or six signs or more from the beginning of
    an id. Instead of one, a code of `check`, such as RC012, prints what that finding means and what to do.

    In the story each step has the number (#) that it has in audit_notifications, an action of ours an `a` and the
    number that it has in audit_actions. JSON has every time in UTC.

    \b
    Examples:
      reconciler explain CASE-123
      reconciler explain main/INC0010001 --json
      reconciler explain RC012
    """
    start(options, quiet=True)
    if _is_code(ref):
        _show_page(ref, as_json=as_json)
        return
    with read_store(glance(options).database) as store:
        told = tell(options, store, find_case(store, ref))
    if told is None:
        raise ConfigError([f"{ref}: its Case is not remembered"])
    document, names = told
    print_json(document) if as_json else print_lines(*story_lines(document, names=names, is_utc=is_utc))


def _is_code(ref: str) -> bool:
    """Return whether a REF is the code of a finding."""
    return _CODE.match(ref.strip()) is not None


def _show_page(code: str, *, as_json: bool) -> None:
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
