"""A click group that imports a command's module only when the command is used.

The first line of each help text is given with the name, so that ``--help`` imports none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.options import JSON_ASKED, global_options
from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


PACKAGE = "reconciler.cli.commands"


def take_global_options(command: click.Command) -> None:
    """Add the global options to a command and its subcommands; an option of the same name is kept."""
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in global_options() if not taken & set(option.opts)]
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        take_global_options(inner)


class LazyGroup(click.Group):
    """A group of commands known by name: ``module:attribute`` below ``PACKAGE``, and one line of help."""

    def __init__(self, *args: object, lazy: dict[str, tuple[str, str]] | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._lazy = lazy or {}

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; with ``--json`` an error is also written as a document to standard output."""
        try:
            return super().invoke(ctx)
        except ReconcilerError as error:
            if ctx.meta.pop(JSON_ASKED, False):
                from reconciler.cli.terminal import print_json_line  # noqa: PLC0415 - only an error needs it
                from reconciler.core.planning.plan import DOCUMENT_VERSION  # noqa: PLC0415 - only an error needs it

                print_json_line({"version": DOCUMENT_VERSION, "error": str(error)})
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which they are documented."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return what was added to the group directly."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._lazy[cmd_name][0].split(":")
        command = getattr(importlib.import_module(f"{PACKAGE}.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        take_global_options(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands to a shell without importing them, and the options of this group."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a shell alone asks for this

        if not self._lazy:
            return super().shell_complete(ctx, incomplete)
        named = {name: words for name, (_, words) in self._lazy.items() if name.startswith(incomplete)}
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=words) for name, words in named.items()), *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        rows = [(name, help_line) for name, (_, help_line) in self._lazy.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
