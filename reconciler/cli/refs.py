"""A REF on the command line: the one Case that a person means, and the completion of what was typed in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.core.errors import ConfigError, ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem

    from reconciler.store.store import Store
    from reconciler.store.values import FoundCase

MOST_COMPLETIONS = 50
"""How many names of each kind a shell is offered."""
KINDS_OF_REF = "a Case id, CASE-123, INC0010001, CONNECTOR/INC0010001, a sys_id, or six signs that begin an id"


def find_case(store: Store, ref: str) -> str:
    """Return the Case id that a person means; raise ConfigError when there is none, or more than one."""
    from reconciler.store.asked.finder import MOST_FOUND  # noqa: PLC0415 - completion needs this file before the store

    found = store.finder.find(ref)
    if not found:
        raise ConfigError([f"{ref!r} is not remembered here; a REF is {KINDS_OF_REF}"])
    if len(found) > 1:
        more = ["  and more"] if len(found) > MOST_FOUND else []
        listed = "\n".join([*map(_described, found[:MOST_FOUND]), *more])
        raise ConfigError([f"{ref!r} could be any of these Cases; name one by its id:\n{listed}"])
    return found[0].case_id


def _described(one: FoundCase) -> str:
    record = f"{one.connector}/{one.number}" if one.number else "no record"
    return f"  {one.case_key or 'no key yet'}  {record}  id {one.case_id}  {one.title}"


class Ref(click.ParamType[str]):
    """Take a REF as it is typed; offer the names of remembered Cases to a shell that completes."""

    name = "ref"

    def __init__(self, *, is_held: bool = False) -> None:
        self._is_held = is_held
        """only what waits for a person is meant"""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer names from the database, which is only read; nothing where it or the config cannot be read."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a shell alone asks for this

        try:
            names = self._names(ctx, incomplete)
        except (ReconcilerError, OSError):  # a completion must not print errors
            return []
        return [CompletionItem(name, help=title or None) for name, title in names.items()]

    def _names(self, ctx: click.Context, typed: str) -> Mapping[str, str]:
        from reconciler.cli.options import Globals  # noqa: PLC0415 - a shell alone asks for this
        from reconciler.cli.start import glance, read_store  # noqa: PLC0415

        with read_store(glance(ctx.obj or Globals()).database) as store:
            if typed and not self._is_held:
                return store.finder.completions(typed, most=MOST_COMPLETIONS)
            held = store.finder.described(str(row["case_id"]) for row in store.reports.holds())
            names = {one.case_key or one.case_id: one.title for one in held}
            names |= {one.number: one.title for one in held if one.number}
            return {name: title for name, title in names.items() if name.upper().startswith(typed.upper())}


REF = Ref()
HELD_REF = Ref(is_held=True)
