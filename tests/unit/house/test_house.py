"""The walls of the house: who may import whom, which library lives where, how long things may grow.

Every file is read as a syntax tree; nothing is imported. The rules are those of the design: each room is one verb, and
what the program does to the outside world stands in few files.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "reconciler"

LONGEST_FILE = 500
MOST_FILES_IN_A_FOLDER = 14
LONGEST_FUNCTION = 45
MOST_LONG_FUNCTIONS = 3
MEDIAN_FUNCTION = 9

EVERYTHING = frozenset({""})
ROOMS: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "remotes": frozenset({"core"}),
    "store": frozenset({"core"}),
    "config": frozenset({"core"}),
    "engine": frozenset({"core", "remotes.ports", "store"}),
    "rebuild": frozenset({"core", "remotes.ports", "store", "engine"}),
    "preflight": frozenset({"core", "remotes.ports"}),
    "sandbox": frozenset({"core", "remotes.ports"}),
    "simulate": frozenset({"core", "remotes", "store", "engine", "sandbox"}),
    "audit": frozenset({"core", "store", "remotes.ports"}),
    "daemon": frozenset({"core.errors", "core.frozen", "telemetry"}),
    "telemetry": frozenset({"core"}),
    "cli": EVERYTHING,
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
"""room -> what it may import of ours beside itself"""

INNER_WALLS: dict[str, frozenset[str]] = {
    "core.expressions": frozenset({"core.policies", "core.planning"}),
    "core.policies": frozenset({"core.planning"}),
    "remotes.http": frozenset({"remotes.coralogix", "remotes.servicenow"}),
    "remotes.coralogix": frozenset({"remotes.servicenow"}),
    "remotes.servicenow": frozenset({"remotes.coralogix"}),
    "engine.reading": frozenset({"engine.acting", "engine.cycle"}),
    "engine.acting": frozenset({"engine.cycle"}),
    "sandbox.coralogix": frozenset({"sandbox.servicenow", "sandbox.control", "sandbox.demo", "sandbox.both"}),
    "sandbox.servicenow": frozenset({"sandbox.coralogix", "sandbox.control", "sandbox.demo", "sandbox.both"}),
    "sandbox.http": frozenset({"sandbox.control", "sandbox.demo", "sandbox.both"}),
    "sandbox.control": frozenset({"sandbox.demo"}),
    "cli.commands": frozenset({"cli.app"}),
}
"""room inside a room -> what of the same room stands above it, and is not imported by it"""
GROUND_FLOOR = {"core": frozenset({"core.expressions", "core.policies", "core.planning"})}
"""room -> its inner rooms, which the files beside them do not import"""

LIBRARIES: dict[str, frozenset[str]] = {
    "requests": frozenset(
        {"remotes.http.client", "remotes.http.watch", "remotes.http.failures", "sandbox.http.in_process"}
    ),
    "urllib3": frozenset(
        {"remotes.http.client", "remotes.http.watch", "remotes.http.failures", "sandbox.http.in_process"}
    ),
    "tenacity": frozenset({"remotes.http.client"}),
    "sqlite_utils": frozenset({"store"}),
    "sqlite3": frozenset({"store"}),
    "apscheduler": frozenset({"daemon"}),
    "click": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
    "jinja2": frozenset({"core.expressions", "audit.page"}),
    "re2": frozenset({"core.expressions.patterns"}),
    "pydantic": frozenset({"config", "remotes", "store.database.codec"}),
    "pydantic_core": frozenset({"config", "store.database.triggers"}),
    "datasette": frozenset({"audit.site"}),
    "markupsafe": frozenset({"audit.site"}),
    "uvicorn": frozenset({"audit.site"}),
    "apprise": frozenset({"telemetry.notifications"}),
    "prometheus_client": frozenset({"telemetry.metrics", "telemetry.metrics_server"}),
}
"""library -> the rooms or files that may use it; every other library from outside is a stranger"""

CLOCKS = frozenset(
    {"cli", "daemon", "telemetry", "remotes.http.pacing", "sandbox.clock", "sandbox.http.server", "store.opening.lock"}
)
"""who may ask this machine for the time; everybody else is told"""
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")))
PRETENDERS = frozenset({"unittest.mock", "mock", "pytest_mock"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Module:
    """Hold one file of the program or of its tests."""

    path: Path

    @property
    def name(self) -> str:
        """Give the dotted name below the package: ``remotes.http``; a package is named as its folder."""
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        return parsed(self.path)

    @property
    def nodes(self) -> tuple[ast.AST, ...]:
        return walked(self.tree)

    def imports(self) -> Iterator[str]:
        """List what is imported, as dotted names; of ``from a import b`` both ``a`` and ``a.b``."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno} imports by a relative name"
                assert node.module is not None
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def walked(tree: ast.Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


def modules(folder: Path) -> list[Module]:
    return [Module(path=path) for path in sorted(folder.rglob("*.py"))]


OURS = modules(PACKAGE)
TESTS = modules(ROOT / "tests")


def size(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def within(name: str, places: frozenset[str]) -> bool:
    """Say whether a dotted name is one of some places or stands in one of them."""
    return any(place in {"", name} or name.startswith(f"{place}.") for place in places)


def forbidden_imports(module: Module) -> list[str]:
    """List what a module of ours imports and may not."""
    room = module.name.split(".")[0]
    allowed = ROOMS[room] | {room}
    found = []
    for target in module.imports():
        top, _, rest = target.partition(".")
        if top == "reconciler":
            is_symbol = not is_module(rest)
            place = rest.rpartition(".")[0] if is_symbol else rest
            is_outside = place and not within(place, allowed) and not is_package_of(place, allowed)
            if is_outside or within(place, above(module.name)):
                found.append(target)
        elif top in LIBRARIES:
            if not within(module.name, LIBRARIES[top]):
                found.append(target)
        elif top not in sys.stdlib_module_names:
            found.append(target)
    return found


def above(name: str) -> frozenset[str]:
    """Give the places inside a module's own room that stand above it."""
    room, *rest = name.split(".")
    if len(rest) == 1 and f"{room}.{rest[0]}" not in INNER_WALLS:
        return GROUND_FLOOR.get(room, frozenset())
    return INNER_WALLS.get(".".join([room, *rest[:1]]), frozenset())


def is_module(rest: str) -> bool:
    path = PACKAGE.joinpath(*rest.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_package_of(place: str, allowed: frozenset[str]) -> bool:
    """Say whether a place is only named on the way to an allowed one: ``remotes`` of ``remotes.ports``."""
    return any(one.startswith(f"{place}.") for one in allowed)


PRINTING = frozenset({"cli.terminal", "cli.commands.demo.screen"})
"""The one way to a terminal, and the demo's screen, which draws in colours and shows nothing that a service said."""


def test_nothing_reaches_a_terminal_but_through_one_place() -> None:
    calls = {
        f"{module.name}:{node.lineno}"
        for module in OURS
        if module.name not in PRINTING
        for node in module.nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}
    }
    assert calls == set()


# --- imports -------------------------------------------------------------------------------------------------


def test_every_room_is_known() -> None:
    assert {module.name.split(".")[0] for module in OURS} <= ROOMS.keys()
    assert len(OURS) > 50


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    here = [module for module in OURS if module.name.split(".")[0] == room]
    assert {module.name: found for module in here if (found := forbidden_imports(module))} == {}


def test_the_unit_tests_have_the_rooms_of_the_program() -> None:
    folder = ROOT / "tests" / "unit"
    rooms = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert rooms <= ROOMS.keys() | {"house"}
    homeless = [path.name for path in folder.glob("test_*.py")]
    assert homeless == [], "a unit test stands in the folder of its room; what is about all of them, in house"


def test_modules_are_named_by_strings_in_the_command_line_alone() -> None:
    loaders = {module.name for module in OURS if {"importlib", "importlib.import_module"} & set(module.imports())}
    assert all(within(name, frozenset({"cli"})) for name in loaders)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("core/a.py", "from reconciler.remotes import ports"),
        ("core/a.py", "import reconciler.store.store"),
        ("core/a.py", "import click"),
        ("remotes/coralogix/client.py", "import requests"),
        ("sandbox/http/server.py", "import requests"),
        ("remotes/coralogix/client.py", "def f():\n    from tenacity import retry"),
        ("engine/a.py", "from reconciler.remotes.http.client import HttpService"),
        ("engine/a.py", "from reconciler.remotes import http"),
        ("sandbox/a.py", "from reconciler.remotes.servicenow.client import ServiceNowClient"),
        ("sandbox/a.py", "from reconciler.store import store"),
        ("daemon/a.py", "from reconciler.core.model import Case"),
        ("store/a.py", "from reconciler.engine.cycle import run_cycle"),
        ("cli/a.py", "import sqlite3"),
        ("config/a.py", "import numpy"),
        ("core/a.py", "from reconciler.core.planning.plan import Plan"),
        ("core/expressions/a.py", "from reconciler.core.policies.policies import Policies"),
        ("core/policies/a.py", "from reconciler.core.planning import plan"),
        ("remotes/http/a.py", "from reconciler.remotes.coralogix.client import CoralogixClient"),
        ("engine/reading/a.py", "from reconciler.engine.acting.apply import Applier"),
        ("engine/acting/a.py", "from reconciler.engine.cycle import run_cycle"),
        ("sandbox/coralogix/a.py", "from reconciler.sandbox.both import Sandbox"),
    ],
)
def test_a_wall_that_is_crossed_is_seen(name: str, line: str) -> None:
    assert forbidden_imports(imagined(name, line)) != []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("core/a.py", "from reconciler.core.model import Case"),
        ("core/planning/a.py", "from reconciler.core.policies.policies import Policies"),
        ("engine/acting/a.py", "from reconciler.engine.reading.pull import SidePull"),
        ("remotes/http/client.py", "import requests.adapters"),
        ("engine/a.py", "from reconciler.remotes.ports import CaseClient"),
        ("engine/a.py", "from reconciler.remotes import ports"),
        ("daemon/a.py", "from reconciler.core.errors import Refused"),
        ("daemon/a.py", "from reconciler import telemetry"),
        ("cli/a.py", "from reconciler.sandbox.both import serve"),
    ],
)
def test_a_door_is_no_wall(name: str, line: str) -> None:
    assert forbidden_imports(imagined(name, line)) == []


@dataclass(frozen=True, kw_only=True)
class Imagined(Module):
    """Hold a file that is not there."""

    source: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)


def imagined(name: str, source: str) -> Module:
    return Imagined(path=PACKAGE / name, source=source)


# --- sizes ---------------------------------------------------------------------------------------------------


def test_files_stay_short() -> None:
    lengths = {str(module.path.relative_to(ROOT)): module.text.count("\n") for module in (*OURS, *TESTS)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_folders_stay_small() -> None:
    names = (module.path for module in OURS if module.path.name != "__init__.py")
    heaps = Counter(str(path.parent.relative_to(PACKAGE)) for path in names)
    assert {folder: files for folder, files in heaps.items() if files > MOST_FILES_IN_A_FOLDER} == {}


def test_functions_stay_short() -> None:
    sizes = {f"{module.name}.{one.name}": size(one) for module in OURS for one in module.functions()}
    long = {name: lines for name, lines in sizes.items() if lines > LONGEST_FUNCTION}
    assert len(long) <= MOST_LONG_FUNCTIONS, long
    assert statistics.median(sizes.values()) <= MEDIAN_FUNCTION


# --- words ---------------------------------------------------------------------------------------------------


def test_every_module_says_what_it_is_for() -> None:
    told = [*OURS, *(module for module in TESTS if module.path.name != "__init__.py")]
    assert [str(module.path) for module in told if not ast.get_docstring(module.tree)] == []


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """List the public functions, classes and methods of a module or class, but not what a function holds."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_everything_public_says_what_it_does() -> None:
    found = ((module, node) for module in OURS for node in public(module.tree.body))
    assert [f"{module.name}.{node.name}" for module, node in found if not ast.get_docstring(node)] == []


def test_nothing_is_left_for_later() -> None:
    rest = [module for module in (*OURS, *TESTS) if module.path != Path(__file__)]
    marks = {str(module.path.relative_to(ROOT)): UNFINISHED.findall(module.text) for module in rest}
    assert {name: found for name, found in marks.items() if found} == {}


def test_no_sql_numbers_its_parameters() -> None:
    """Python 3.12 warns of ``?1`` with a sequence of values, and Python 3.14 refuses it; a name does the same."""
    numbered = {module.name: found for module in OURS if (found := re.findall(r"[( =]\?\d", module.text))}
    assert numbered == {}


# --- time ----------------------------------------------------------------------------------------------------


def clock_calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    """List the calls that ask this machine for the date, with the name of what is called."""
    for node in module.nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            called = f"{node.func.value.id}.{node.func.attr}"
            if called in CLOCK_NAMES:
                yield called, node


CLOCK_NAMES = frozenset(
    {
        *(".".join(pair) for pair in product(("datetime", "date"), ("now", "utcnow", "today"))),
        "time.time",
        "time.time_ns",
        "time.localtime",
        "time.gmtime",
        "datetime.utcfromtimestamp",
    }
)


def test_only_the_edges_ask_for_the_time() -> None:
    asking = {module.name for module in OURS for _ in clock_calls(module)}
    assert {name for name in asking if not within(name, CLOCKS)} == set()
    assert "sandbox.clock" in asking


def test_every_time_has_its_zone() -> None:
    naive = [
        f"{module.path}:{node.lineno} {called}"
        for module in (*OURS, *TESTS)
        for called, node in clock_calls(module)
        if called not in {"datetime.now", "time.time"} or (called == "datetime.now" and not node.args)
    ]
    assert naive == []


@pytest.mark.parametrize("line", ["datetime.now(UTC)", "datetime.utcnow()", "time.time()", "date.today()"])
def test_a_look_at_the_clock_is_seen(line: str) -> None:
    assert list(clock_calls(imagined("core/a.py", f"x = {line}")))
    assert not list(clock_calls(imagined("core/a.py", "x = self.clock.now()")))


# --- tests ---------------------------------------------------------------------------------------------------


def test_the_unit_tests_stand_in_the_rooms_that_they_are_about() -> None:
    units = ROOT / "tests" / "unit"
    folders = {str(path.parent.relative_to(units)) for path in units.rglob("test_*.py")}
    assert {folder for folder in folders if not (PACKAGE / folder).is_dir()} == {"house"}


def test_no_test_pretends_to_be_one_of_our_classes() -> None:
    used = {str(module.path.relative_to(ROOT)): set(module.imports()) & PRETENDERS for module in TESTS}
    assert {name: found for name, found in used.items() if found} == {}
    assert [str(module.path) for module in TESTS if any(takes_mocker(one) for one in module.functions())] == []


def takes_mocker(function: Function) -> bool:
    return any(argument.arg == "mocker" for argument in function.args.args)


def test_no_test_sleeps() -> None:
    sleeping = [
        f"{module.path}:{node.lineno}"
        for module in TESTS
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert sleeping == []
