"""The shipped units and the word for commands by hand: what systemd says of them, and that what they name is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "systemd"
UNIT = FOLDER / "coralogix-servicenow-reconciler.service"
TENANT_UNIT = FOLDER / "coralogix-servicenow-reconciler@.service"
BY_HAND = FOLDER / "reconciler-by-hand"
README = FOLDER / "README.md"
MOST_EXPOSURE = 1.5

both = pytest.mark.parametrize("unit", [UNIT, TENANT_UNIT], ids=["one", "tenant"])


def directives(unit: Path = UNIT) -> dict[str, dict[str, list[str]]]:
    """Read a unit: section, directive, its values in order; raise ValueError for any other line."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)]", line):
            section = sections.setdefault(match[1], {})
        elif match := re.fullmatch(r"(\w+)=(.*)", line):
            section.setdefault(match[1], []).append(match[2])
        elif line and not line.startswith("#"):
            raise ValueError(f"neither section, directive nor comment: {line}")
    return sections


def service(name: str) -> str:
    """Give the one value of a directive of the service."""
    [value] = directives()["Service"][name]
    return value


def credentials() -> dict[str, str]:
    """Give each credential's name and the file it is read from."""
    return dict(value.split(":", 1) for value in directives()["Service"]["LoadCredential"])


def analyzer() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not on this machine")
    return found


def runnable(unit: Path, folder: Path) -> Path:
    """Copy a unit with a program that is there: systemd-analyze also checks that it can be executed."""
    command = folder / "reconciler"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    copy = folder / unit.name.replace("@", "@acme")
    programs = "|".join((shlex.split(service("ExecStart"))[0], "/usr/local/sbin/reconciler-by-hand"))
    copy.write_text(re.sub(programs, str(command), unit.read_text()))
    return copy


# --- what systemd says of them ----------------------------------------------------------------------------------------


@both
def test_systemd_has_nothing_to_say_against_any_line(unit: Path, tmp_path: Path) -> None:
    copy = runnable(unit, tmp_path)
    verified = subprocess.run(
        [analyzer(), "verify", "--recursive-errors=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert [line for line in verified.stderr.splitlines() if copy.name in line] == []
    assert verified.returncode == 0, verified.stderr


@both
def test_it_is_as_little_exposed_as_can_be(unit: Path, tmp_path: Path) -> None:
    rated = subprocess.run(
        [analyzer(), "security", "--offline=yes", "--no-pager", str(runnable(unit, tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )
    if "--offline" in rated.stderr:
        pytest.skip("this systemd-analyze is older than 250 and rates no file")
    found = re.search(r"Overall exposure level for .*?: ([\d.]+)", rated.stdout)
    assert found, rated.stderr
    assert float(found[1]) <= MOST_EXPOSURE


# --- what stands in them ----------------------------------------------------------------------------------------------


@both
def test_every_line_has_its_reason(unit: Path) -> None:
    """A reason is a comment just above; a directive that is given twice in a row shares one."""
    lines = unit.read_text().splitlines()
    begin = lines.index("[Service]")
    bare = [
        line
        for before, line in zip(lines[begin:], lines[begin + 1 : lines.index("[Install]")], strict=False)
        if "=" in line and not line.startswith("#") and not before.startswith("#")
        if before.partition("=")[0] != line.partition("=")[0]
    ]
    assert bare == ["ExecStart=" + directives(unit)["Service"]["ExecStart"][0]]


def test_the_unit_of_a_tenant_is_the_other_one_with_the_tenant_s_names() -> None:
    expected = {
        section: {
            name: [
                re.sub(r"^reconciler$", "reconciler-%i", value.replace("by-hand ", "by-hand @%i "))
                .replace("/etc/reconciler/", "/etc/reconciler/%i/")
                .replace("%S/reconciler", "%S/reconciler-%i")
                for value in values
            ]
            for name, values in given.items()
        }
        for section, given in directives().items()
    }
    expected["Unit"]["Description"] = [f"{directives()['Unit']['Description'][0]} of %i"]
    assert directives(TENANT_UNIT) == expected


def test_the_command_and_its_flags_are_real() -> None:
    program, *arguments = shlex.split(service("ExecStart"))
    check, signal = directives()["Service"]["ExecReload"]
    assert Path(program).is_absolute()
    assert arguments[-1] == "run"
    assert shlex.split(check) == ["+/usr/local/sbin/reconciler-by-hand", "check"]
    assert 'reconciler-by-hand" /usr/local/sbin/' in README.read_text()
    assert signal == '/bin/sh -c "kill -HUP ${MAINPID}"'
    for command in ("run", "check"):
        answered = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments[:-1], command, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert answered.returncode == 0, answered.stderr
        assert command in answered.stdout


def test_the_unit_keeps_to_what_the_daemon_does() -> None:
    assert service("Type") == "notify"
    assert service("KillSignal") == "SIGTERM"
    assert service("Restart") == "always"
    assert int(service("WatchdogSec")) > 0
    assert service("StateDirectory") == "reconciler"


def test_a_wrong_config_is_not_tried_again_and_a_held_lock_is() -> None:
    assert service("RestartPreventExitStatus").split() == ["2"]


# --- what the page says of them ---------------------------------------------------------------------------------------


def test_the_page_gives_the_same_paths_and_credentials() -> None:
    page = README.read_text()
    program, _, config_path, _ = shlex.split(service("ExecStart"))
    assert program in page
    assert config_path in page
    for path in credentials().values():
        assert f"cat > {path})" in page
        assert f"cat > {path.replace('/etc/reconciler/', '/etc/reconciler/acme/')})" in page


def test_the_config_of_the_page_names_the_credentials_of_the_unit() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    config = tomllib.loads(block)
    named = [config["coralogix"]["api_key"], config["servicenow"]["main"]["password"]]
    assert named == [{"credential": name} for name in credentials()]


def test_what_it_says_of_completion_works() -> None:
    [block] = re.findall(r"^```sh\n(.*?_source reconciler.*?)```", README.read_text(), re.DOTALL | re.MULTILINE)
    for shell in ("bash", "zsh", "fish"):
        assert f"_RECONCILER_COMPLETE={shell}_source reconciler" in block
        program = "from reconciler.cli import main; import sys; sys.argv[0] = 'reconciler'; main()"
        asked = os.environ | {"_RECONCILER_COMPLETE": f"{shell}_source"}
        shown = subprocess.run([sys.executable, "-c", program], env=asked, capture_output=True, text=True, check=False)
        assert "_RECONCILER_COMPLETE" in shown.stdout, shown.stderr


# --- commands by hand -------------------------------------------------------------------------------------------------


def by_hand(folder: Path, *arguments: str, unit: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the word for commands by hand where systemctl shows a unit and systemd-run prints how it was called."""
    shown = folder / "unit"
    shown.write_text(unit or "")
    cat = f'echo "$*" > {folder}/asked; cat {shown}; test -s {shown}'
    for name, does in (("systemctl", cat), ("systemd-run", 'for each; do printf "%s\\n" "$each"; done')):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run([str(BY_HAND), *arguments], env=environment, capture_output=True, text=True, check=False)


def properties(called: str) -> list[str]:
    words = called.splitlines()
    return [value for flag, value in pairwise(words) if flag == "-p"]


def test_a_command_by_hand_has_everything_of_the_unit_but_what_makes_it_a_daemon(tmp_path: Path) -> None:
    called = by_hand(tmp_path, "plan", "--out", "a plan.json", unit=UNIT.read_text()).stdout
    program, *options = shlex.split(service("ExecStart"))[:-1]
    assert called.splitlines()[-6:] == [program, *options, "plan", "--out", "a plan.json"]
    daemon = {"Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec"}
    daemon |= {"TimeoutStartSec", "TimeoutStopSec"}
    expected = [
        f"{name}={value.replace('%S', '/var/lib')}"
        for name, values in directives()["Service"].items()
        if name not in daemon
        for value in values
    ]
    assert sorted(properties(called)) == sorted(expected)


def test_what_was_edited_counts_and_comes_in_its_order(tmp_path: Path) -> None:
    edited = UNIT.read_text() + "\n[Service]\nLoadCredential=\nLoadCredential=key:/etc/reconciler/secrets/key\n"
    called = by_hand(tmp_path, "status", unit=edited).stdout
    loaded = [value for value in properties(called) if value.startswith("LoadCredential=")]
    assert loaded[-2:] == ["LoadCredential=", "LoadCredential=key:/etc/reconciler/secrets/key"]
    assert len(loaded) == 4


def test_a_tenant_is_named_in_front(tmp_path: Path) -> None:
    called = by_hand(tmp_path, "@acme", "status", unit=TENANT_UNIT.read_text()).stdout
    assert (tmp_path / "asked").read_text().strip() == "cat coralogix-servicenow-reconciler@acme"
    assert called.splitlines()[-4:-1] == [
        "/opt/reconciler/bin/reconciler",
        "--config",
        "/etc/reconciler/acme/reconciler.toml",
    ]
    assert "User=reconciler-acme" in properties(called)
    assert "%" not in called


def test_without_a_command_or_a_unit_it_says_so(tmp_path: Path) -> None:
    alone = by_hand(tmp_path, unit=UNIT.read_text())
    assert alone.returncode == 2
    assert "reconciler-by-hand @acme explain" in alone.stderr
    unknown = by_hand(tmp_path, "status")
    assert unknown.returncode == 2
    assert "is not installed" in unknown.stderr


def test_the_shell_has_nothing_to_say_against_it() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    assert subprocess.run(["shellcheck", str(BY_HAND)], capture_output=True, text=True, check=False).stdout == ""
