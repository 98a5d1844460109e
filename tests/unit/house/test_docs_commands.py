"""Every command line of the documentation exists, and every command of the program is documented."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache

import click
import pytest

from reconciler.cli.app import cli
from reconciler.core.errors import ReconcilerError
from tests.pages.commands import leaves
from tests.unit.house.docs_pages import (
    PAGES,
    README,
    ROOT,
    code,
    complete_commands,
    mentioned_commands,
    rows,
    section,
    typed_lines,
    without_blocks,
)

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
COMPLETE = {f"{page}: {line}": line for page, text in TEXTS.items() for line in complete_commands(text)}
MENTIONED = {f"{page}: {line}": line for page, text in TEXTS.items() for line in mentioned_commands(text)}
OPTIONS = sorted(
    {
        (page, part.split()[0])
        for page, text in TEXTS.items()
        for part in code(without_blocks(text))
        if part.startswith("--")
    }
)
PLACEHOLDER = re.compile(r"[A-Z|]+|REF…|…|\.\.\.")
TEST_TOOLS = sorted(
    {
        match
        for text in TEXTS.values()
        for line in typed_lines(text)
        for match in re.findall(r"python -m (tests\.\S+.*?)(?: +#|$)", line)
    }
)


class Unknown(Exception):
    """Say that a command line of the documentation is none."""


def parse(arguments: Sequence[str], *, complete: bool) -> click.Command:
    """Follow a command line through the tree of commands; raise Unknown where it leaves it.

    Nothing is run. A complete line must have all that its command asks for; one that is only mentioned need not.
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="reconciler")
    rest = list(arguments)
    while True:
        rest = _check_parameters(command, context, rest, complete=complete)
        if not isinstance(command, click.Group):
            return command
        if not rest:
            if complete and command is not cli:
                raise Unknown(f"{command.name} is a group")
            return command
        if not complete and PLACEHOLDER.fullmatch(rest[0]):
            return command
        name, *rest = rest
        inner = command.get_command(context, name)
        if inner is None:
            raise Unknown(f"no command {name!r}")
        context = click.Context(inner, info_name=name, parent=context)
        command = inner


def _check_parameters(
    command: click.Command, context: click.Context, arguments: list[str], *, complete: bool
) -> list[str]:
    """Check options, their values and the number of arguments; give what is left for a subcommand."""
    try:
        given, rest, _ = command.make_parser(context).parse_args(args=list(arguments))
        for param in command.get_params(context):
            value = given.get(param.name or "")
            if isinstance(value, str) and not _is_free(param, value, complete=complete):
                param.type.convert(value, param, context)
            if complete and param.required and param.value_is_missing(value):
                raise Unknown(f"{param.name} is missing")
    except click.UsageError as error:
        raise Unknown(error.format_message()) from error
    if rest and not isinstance(command, click.Group) and not PLACEHOLDER.fullmatch(rest[0]):
        raise Unknown(f"{rest} is too much")
    return rest


def _is_free(param: click.Parameter, value: str, *, complete: bool) -> bool:
    """Say whether a value cannot be checked: a path, or a word that stands for a value."""
    stands_for = not complete and (PLACEHOLDER.fullmatch(value) is not None or "|" in value)
    return isinstance(param.type, click.Path) or stands_for


def test_there_are_command_lines_to_check() -> None:
    assert len(COMPLETE) > 25
    assert len(MENTIONED) > 30


@pytest.mark.parametrize("line", COMPLETE.values(), ids=COMPLETE)
def test_a_line_to_type_is_accepted(line: str) -> None:
    parse(_words(line), complete=True)


@pytest.mark.parametrize("line", MENTIONED.values(), ids=MENTIONED)
def test_a_line_in_the_text_names_what_exists(line: str) -> None:
    parse(_words(line.translate(str.maketrans("", "", "[]"))), complete=False)


def _words(line: str) -> list[str]:
    return ["x" if word == "$@" else word for word in shlex.split(line, comments=True)]


@pytest.mark.parametrize("line", ["onse", "once --sinse 3d", "once --since soon", "explain", "plan extra", "holds"])
def test_a_wrong_line_is_noticed(line: str) -> None:
    with pytest.raises(Unknown):
        parse(_words(line), complete=True)


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_every_command_is_on_the_first_page(name: str) -> None:
    assert re.search(rf"`reconciler {name}(?: [^`]*)?`", section(TEXTS["README.md"], "Commands"))


@pytest.mark.parametrize("path", [path for path, _ in leaves(cli)])
def test_every_command_has_its_place_in_the_reference(path: str) -> None:
    assert re.search(rf"^## `{re.escape(path)}(?: [^`]*)?`$", TEXTS["reconciler/cli/README.md"], re.MULTILINE)


@pytest.mark.parametrize(("page", "option"), OPTIONS)
def test_an_option_that_is_named_alone_exists(page: str, option: str) -> None:
    assert option in options_of_all() | {"--help"}


@cache
def options_of_all() -> frozenset[str]:
    return frozenset(
        name for _, command in leaves(cli) for param in (*command.params, *cli.params) for name in param.opts
    )


def test_the_exit_codes_are_those_of_the_errors() -> None:
    def kinds(root: type[ReconcilerError]) -> Iterator[type[ReconcilerError]]:
        yield root
        for kind in root.__subclasses__():
            yield from kinds(kind)

    documented = [int(code) for code, _ in rows(section(TEXTS["README.md"], "Exit codes"))]
    assert documented == sorted({0} | {kind.exit_code for kind in kinds(ReconcilerError)})


@pytest.mark.parametrize("line", TEST_TOOLS)
def test_a_tool_of_the_tests_has_the_options_that_are_shown(line: str) -> None:
    module, *arguments = shlex.split(line)
    helps = help_of(module)
    assert all(option in helps for option in arguments if option.startswith("--"))


@cache
def help_of(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_gate_finds_the_two_commands() -> None:
    for marker in ("the demo command", "the test command"):
        awk = (ROOT / ".ci" / "run").read_text(encoding="utf-8").split("awk -v marker=", 1)[1]
        script = awk.split("'", 1)[1].split("'", 1)[0]
        done = subprocess.run(
            ["awk", "-v", f"marker=<!-- {marker} -->", script, str(README)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip(), marker
        assert done.stdout.startswith("python3 -m venv .venv")
        subprocess.run(["bash", "-n", "-c", done.stdout], check=True)
        if marker == "the test command":
            assert "'.[test]'" in done.stdout
            assert "-n auto" in done.stdout


def test_the_two_commands_are_on_the_first_screen() -> None:
    first_screen = TEXTS["README.md"].splitlines()[:25]
    assert {"<!-- the demo command -->", "<!-- the test command -->"} <= set(first_screen)


@pytest.mark.parametrize(("path", "command"), list(leaves(cli)), ids=[path for path, _ in leaves(cli)])
def test_every_command_shows_examples_of_itself(path: str, command: click.Command) -> None:
    _, _, examples = (command.help or "").partition("Examples:")
    own = [line.strip() for line in examples.splitlines() if line.strip()]
    assert own
    name = path.removeprefix("reconciler ")
    assert all(line.startswith(("reconciler", "kill", "systemctl")) for line in own)
    assert any(f" {name}" in line for line in own)
