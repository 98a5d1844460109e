"""The tour typed anew: what each line prints now replaces what the pages show, ids and times of this run included.

Where a page cuts an output, the cut is for a person to make, so such a step is left as it is; so is the first one,
whose words and config stand apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.system.forks import Forks
from tests.system.test_tour import CUT, PARTS, SERVE, environment_in, walked

SHOWN_FOLDER = "/home/you/clone"


def write_tour() -> None:
    """Take the tour once, and write what it printed into its pages."""
    with TemporaryDirectory() as folder, Forks() as forks:
        steps = list(walked(forks, Path(folder), environment_in(Path(folder))))
    printed = {step: _printed(real, folder) for step, real in steps if not step.command.startswith(SERVE)}
    for page in PARTS:
        text = page.read_text(encoding="utf-8")
        for step, real in printed.items():
            if CUT not in step.shown.split("\n"):
                text = text.replace(f"$ {step.command}\n{step.shown}", f"$ {step.command}\n{real}", 1)
        page.write_text(text, encoding="utf-8")


def _printed(real: str, folder: str) -> str:
    return re.sub(r"[ \t]+$", "", real.replace(folder, SHOWN_FOLDER), flags=re.MULTILINE)
