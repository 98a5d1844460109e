"""The shipped unit: systemd understands every line of it, and what it names is there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "coralogix-servicenow-reconciler.service"
README = ROOT / "systemd" / "README.md"


def directives() -> dict[str, dict[str, list[str]]]:
    """Read the unit: section, directive, its values in order; raise ValueError for any other line."""
    unit: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)]", line):
            section = unit.setdefault(match[1], {})
        elif match := re.fullmatch(r"(\w+)=(\S.*)", line):
            section.setdefault(match[1], []).append(match[2])
        elif line and not line.startswith("#"):
            raise ValueError(f"neither section, directive nor comment: {line}")
    return unit


def service(name: str) -> str:
    """Give the one value of a directive of the service."""
    [value] = directives()["Service"][name]
    return value


def credentials() -> dict[str, str]:
    """Give each credential's name and the file it is read from."""
    return dict(value.split(":", 1) for value in directives()["Service"]["LoadCredential"])


def test_the_unit_has_its_three_sections() -> None:
    assert list(directives()) == ["Unit", "Service", "Install"]


def test_systemd_knows_every_directive(tmp_path: Path) -> None:
    """The command is put in place first: systemd-analyze also checks that it can be executed."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    command = tmp_path / "reconciler"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(shlex.split(service("ExecStart"))[0], str(command)))
    verified = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in verified.stderr.splitlines() if UNIT.name in line] == []
    assert verified.returncode == 0, verified.stderr


def test_the_command_and_its_flags_are_real() -> None:
    program, *arguments = shlex.split(service("ExecStart"))
    assert Path(program).is_absolute()
    assert Path(program).name == "reconciler"
    assert arguments[-1] == "run"
    answered = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments, "--help"], capture_output=True, text=True, check=False
    )
    assert answered.returncode == 0, answered.stderr
    assert "run" in answered.stdout


def test_the_unit_keeps_to_what_the_daemon_does() -> None:
    assert service("Type") == "notify"
    assert service("KillSignal") == "SIGTERM"
    assert service("Restart") == "on-failure"
    assert int(service("WatchdogSec")) > 0
    assert service("StateDirectory") == "reconciler"


def test_a_wrong_config_is_not_tried_again_and_a_held_lock_is() -> None:
    assert service("RestartPreventExitStatus").split() == ["2"]


def test_the_readme_gives_the_same_paths_and_credentials() -> None:
    readme = README.read_text()
    program, _, config_path, _ = shlex.split(service("ExecStart"))
    assert program in readme
    assert config_path in readme
    for name, path in credentials().items():
        assert f"cat > {path})" in readme
        assert f"-p LoadCredential={name}:{path}" in readme
    for name in ("User", "Group", "UMask", "StateDirectory", "StateDirectoryMode"):
        assert f"-p {name}={service(name)} " in readme


def test_the_config_of_the_readme_names_the_credentials_of_the_unit() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    config = tomllib.loads(block)
    named = [config["coralogix"]["api_key"], config["servicenow"]["main"]["password"]]
    assert named == [{"credential": name} for name in credentials()]
