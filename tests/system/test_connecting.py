"""Connecting one's own services, as the first page tells it, done with the simulated ones: look first, then act."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reconciler.sandbox.both import API_USER
from tests.system.forks import Forks
from tests.system.test_sandbox_serve import Running, serving
from tests.system.test_tour import agrees, environment, steps_of, typed
from tests.unit.house.docs_pages import README, rows, section

PAGE = section(README.read_text(encoding="utf-8"), "Connect your own in ten minutes")
STEPS = list(steps_of(PAGE))
__all__ = ["environment"]


def fill_in(config: Path, sandbox: Running) -> None:
    """Change the lines that the page names; the sandbox has an address where a tenant has a region."""
    addresses = re.findall(r'"(http://[^"]+)"', sandbox.config)
    text = config.read_text(encoding="utf-8")
    for key, line in (
        ("region", f'base_url = "{addresses[0]}"'),
        ("instance_url", f'instance_url = "{addresses[1]}"'),
        ("username", f'username = "{API_USER}"'),
        ("mode", 'mode = "observe"'),
    ):
        text, changed = re.subn(rf"^{key} = .*$", line, text, count=1, flags=re.MULTILINE)
        assert changed, key
    config.write_text(text, encoding="utf-8")


def test_a_config_from_init_with_a_few_lines_changed_is_enough(
    forks: Forks, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    with serving(forks, tmp_path) as sandbox:
        assert sandbox.run("sandbox", "case", "create", "Checkout is slow").code == 0
        assert sandbox.run("init").code == 0
        fill_in(tmp_path / "reconciler.toml", sandbox)
        assert [step.command for step in STEPS] == [
            "reconciler check --live",
            "reconciler once --brief",
            """sed -i 's/^mode = .*/mode = "act"/' reconciler.toml""",
            "reconciler once --brief",
        ]
        for step in STEPS:
            real = typed(forks, step.command, tmp_path, {**environment, **sandbox.exports})
            assert agrees(step.shown, real), f"$ {step.command}\n{real}\nis shown as\n{step.shown}"


def test_the_permissions_and_roles_are_those_that_the_template_names() -> None:
    named = {cell for row in rows(PAGE) for cell in re.findall(r"`([^`]+)`", row[0])}
    assert {"case:Read", "case:Acknowledge", "case:Close", "itil"} <= named
