"""The reference of the commands, made from the commands themselves: every argument, every option, no more.

It is built from names and words, not from click's help screens, which differ between click's versions.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.cli.app import cli

EXAMPLES = re.compile(r"\x08\nExamples:\n((?:  .*(?:\n|$))+)")
COMMANDS_PAGE = Path(__file__).parents[2] / "reconciler" / "cli" / "README.md"
BEGINNING = """\
# Every command, with every option

Made by `make docs` from the commands themselves; a test fails where it is not what they say. `--help` shows the same.
What belongs to which command, and the exit codes, are on the [first page](../../README.md#commands).
"""


def commands_page() -> str:
    """Write the whole page."""
    parts = [BEGINNING, f"## `reconciler`\n\n{_words(cli)}\n\n{_options(cli)}"]
    parts += [_section(path, command) for path, command in leaves(cli)]
    return "\n".join(parts)


def leaves(command: click.Command, path: tuple[str, ...] = ("reconciler",)) -> Iterator[tuple[str, click.Command]]:
    """List every command that does something, in the order of the help."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, (*path, name))


def _section(path: str, command: click.Command) -> str:
    arguments = "".join(f" {_argument(one)}" for one in command.params if isinstance(one, click.Argument))
    options = _options(command)
    return f"## `{path}{arguments}`\n\n{_words(command)}\n" + (f"\n{options}" if options else "")


def _words(command: click.Command) -> str:
    """Give what a command says of itself; its examples become a block, the mark that keeps lines apart is taken out."""
    words = inspect.cleandoc(command.help or "")
    return EXAMPLES.sub(_block, words).replace("\b\n", "").strip()


def _block(examples: re.Match[str]) -> str:
    return f"```sh\n{textwrap.dedent(examples[1]).strip()}\n```"


def _argument(argument: click.Argument) -> str:
    name = (argument.metavar or argument.name or "").rstrip(".…").upper()
    shown = name if argument.nargs == 1 else f"{name}…"
    return shown if argument.required else f"[{shown}]"


def _options(command: click.Command) -> str:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    rows = [f"| `{_spelled(one)}` | {_meaning(one)} |\n" for one in options]
    return "| option | meaning |\n|---|---|\n" + "".join(rows) if rows else ""


def _spelled(option: click.Option) -> str:
    name = max(option.opts, key=len)
    if option.is_flag:
        return name
    if isinstance(option.type, click.Choice):
        return f"{name} " + "\\|".join(str(one).lower() for one in option.type.choices)
    return f"{name} {option.metavar or option.type.name.split(' ')[0].upper()}"


def _meaning(option: click.Option) -> str:
    """Give an option's help, its default where one is shown, and the variable that stands in for it."""
    notes = [f"`${option.envvar}`"] if isinstance(option.envvar, str) else []
    if option.show_default and option.default is not None:
        notes.append(f"default `{option.default}`")
    words = (option.help or "").replace("|", "\\|")
    return f"{words} ({', '.join(notes)})" if notes else words
