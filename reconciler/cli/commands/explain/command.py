"""The command ``explain``: the whole story of one link."""

from __future__ import annotations

from collections.abc import Mapping

import click

from reconciler.cli.commands.explain.codes import is_code, show_page
from reconciler.cli.commands.explain.document import story_document
from reconciler.cli.commands.explain.telling import story_lines
from reconciler.cli.commands.policy.test import remembered_knowledge
from reconciler.cli.options import Globals, json_option
from reconciler.cli.refs import REF, find_case
from reconciler.cli.start import glance, read_config, read_store, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject
from reconciler.core.planning.preview.outlook import Outlook, outlook
from reconciler.core.policies.policies import Policies
from reconciler.store.store import Store

NOT_KNOWN = Outlook(
    because=("the config is wrong, so what it makes of this is not known",),
    until=("the config is right; `reconciler check` tells what is wrong",),
)


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
    if is_code(ref):
        show_page(ref, as_json=as_json)
        return
    with read_store(glance(options).database) as store:
        told = tell(options, store, find_case(store, ref))
    if told is None:
        raise ConfigError([f"{ref}: its Case is not remembered"])
    document, names = told
    print_json(document) if as_json else print_lines(*story_lines(document, names=names, is_utc=is_utc))


def tell(options: Globals, store: Store, case_id: str) -> tuple[JsonObject, Mapping[str, str]] | None:
    """Return the story of a Case as a document, and the names of rows that are known; None where it is not known."""
    policies, story = _policies(options), store.reports.story(case_id)
    if story is None:
        return None
    ahead = outlook(story.pair, policies, remembered_knowledge(store, policies)) if policies else NOT_KNOWN
    return story_document(story, ahead, policies), store.facts.names_of_rows(story.pair.link.connector)


def _policies(options: Globals) -> Policies | None:
    """Read the policies in force; None where the config is wrong: the history can be shown without it."""
    try:
        return read_config(options, needs_secrets=False).policies
    except ConfigError:
        return None
