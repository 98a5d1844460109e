"""The command ``audit verify``: what is remembered is as it was written."""

from __future__ import annotations

import re

import click

from reconciler.audit.chain import Verified
from reconciler.cli.options import Globals, json_option
from reconciler.cli.showing.evidence import (
    broken_line,
    broken_words,
    end_refused,
    read_evidence,
    verified,
    verified_document,
)
from reconciler.cli.start import glance, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import ConfigError

_HASH = re.compile(r"[0-9a-f]{64}")


@click.command("verify")
@click.option("--head", metavar="HASH", help="A head that was noted earlier: it must still lie in the chain.")
@json_option
@click.pass_obj
def verify_command(options: Globals, head: str | None, as_json: bool) -> None:
    """Check the chain that binds every row of evidence, and every row that it binds.

    Ends with 0 when all is as it was written, and with 3 when not; the first row that is not is named. The head that is
    printed proves this state later: note it where the database cannot be changed from.

    \b
    Examples:
      reconciler audit verify
      reconciler audit verify --head $HEAD
    """
    start(options, quiet=True)
    noted = None if head is None else head.strip().lower()
    if noted is not None and not _HASH.fullmatch(noted):
        raise ConfigError([f"--head {head!r} is no head: that is 64 characters of 0-9 and a-f"])
    with read_evidence(glance(options).database) as store:
        found = verified(store, head=noted)
    print_json(verified_document(found)) if as_json else print_verified(found)
    if not found.is_whole:
        end_refused(broken_words(found, store.path))


def print_verified(found: Verified) -> None:
    """Show what was found to a person."""
    print_lines(f"chain   {found.entries} entries since {found.since}")
    print_lines(f"rows    {found.rows}, and {found.pruned} that were pruned and sealed")
    print_lines(f"head    {found.head} (entry {found.head_seq})")
    for one in found.broken:
        print_lines(f"broken  {broken_line(one)}")
    if found.finds_head:
        print_lines("the head that was noted lies in the chain")
    if found.is_whole:
        print_lines("whole: every row is as it was written")
