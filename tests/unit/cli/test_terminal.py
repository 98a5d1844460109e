"""What people are told to type is the program as it was called."""

from __future__ import annotations

import pytest

from reconciler.cli import terminal


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("/opt/reconciler/bin/reconciler", "`reconciler init` writes one"),
        ("/site-packages/reconciler/__main__.py", "`python -m reconciler init` writes one"),
    ],
)
def test_the_program_is_named_as_it_was_called(
    called: str, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [called, "check"])
    terminal.say("`reconciler init` writes one")
    assert capfd.readouterr() == ("", f"{told}\n")
