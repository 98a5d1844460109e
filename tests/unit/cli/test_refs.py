"""What a REF that means nothing, or several things, is answered; what a shell that completes is offered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli.app import cli
from reconciler.cli.refs import find_case
from reconciler.core.errors import ConfigError
from reconciler.core.model import Skip, SkipReason
from reconciler.store.store import Store
from reconciler.store.values import Decided
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_config, a_link, an_incident
from tests.store_helpers import case_id, decide_on, remember

HELD = case_id(7)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Write a config, and a database with a Case at rest and one that waits for a person."""
    file = tmp_path / "reconciler.toml"
    file.write_text(a_config("PATH"))
    with Store.open(tmp_path / "reconciler.db", now=NOW) as store:
        remember(store, a_case(), an_incident(), a_case(id=HELD, key="CASE-77", title="It waits"))
        store.links.update_links([a_link()], NOW)
        held = replace(a_link(case_id=HELD), connector="us", sys_id="f" * 32)
        skip = Skip(case_id=HELD, case_key="CASE-77", reason=SkipReason.INCIDENT_REOPENED, detail="reopened")
        store.links.update_links([held], NOW)
        decide_on(store, Decided(link=held, needs_plan=False, skip=skip))
    return str(file)


def offered(*words: str, incomplete: str) -> dict[str, str | None]:
    shell = ShellComplete(cli, {}, "reconciler", "_RECONCILER_COMPLETE")
    return {item.value: item.help for item in shell.get_completions(list(words), incomplete)}


def test_one_that_means_several_cases_names_them(config: str) -> None:
    with Store.reading(Path(config).with_name("reconciler.db")) as store:
        with pytest.raises(ConfigError) as raised:
            find_case(store, "INC0010001")
        assert find_case(store, "us/INC0010001") == HELD
    assert str(raised.value).splitlines()[1:] == [
        f"  CASE-123  main/INC0010001  id {CASE_ID}  {a_case().title}",
        f"  CASE-77  us/INC0010001  id {HELD}  It waits",
    ]


def test_one_that_means_nothing_says_what_a_ref_is(config: str) -> None:
    with (
        Store.reading(Path(config).with_name("reconciler.db")) as store,
        pytest.raises(ConfigError, match=r"'CASE-9' is not remembered here; a REF is .* CONNECTOR/INC0010001"),
    ):
        find_case(store, "CASE-9")


@pytest.mark.parametrize("before", [True, False])
def test_a_shell_is_offered_what_begins_so(config: str, before: bool) -> None:
    words = ["--config", config, "explain"] if before else ["explain", "--config", config]
    assert offered(*words, incomplete="CASE-12") == {"CASE-123": a_case().title}
    assert set(offered(*words, incomplete=SYS_ID[:7])) == {SYS_ID}


def test_where_nothing_is_typed_what_waits_for_a_person_is_offered(config: str) -> None:
    assert offered("--config", config, "explain", incomplete="") == {"CASE-77": "It waits", "INC0010001": "It waits"}


def test_only_what_waits_for_a_person_is_offered_to_holds(config: str) -> None:
    assert set(offered("--config", config, "holds", "retry", incomplete="CASE-")) == {"CASE-77"}


def test_a_case_that_waits_and_has_no_key_is_offered_by_its_id(config: str) -> None:
    waits = "abcdef00-0000-4000-8000-000000000008"
    with Store.open(Path(config).with_name("reconciler.db"), now=NOW) as store:
        remember(store, a_case(id=waits, key=None))
        skip = Skip(case_id=waits, case_key=None, reason=SkipReason.REJECTED, detail="refused")
        decide_on(store, Decided(link=a_link(case_id=waits, sys_id="", number=""), needs_plan=False, skip=skip))
    assert set(offered("--config", config, "holds", "retry", incomplete=waits[:8])) == {waits}


def test_nothing_is_offered_and_nothing_said_where_nothing_can_be_read(
    tmp_path: Path, config: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert offered("--config", str(tmp_path / "none.toml"), "explain", incomplete="CASE-") == {}
    (tmp_path / "reconciler.db").write_bytes(b"no database at all" * 100)
    assert offered("--config", config, "explain", incomplete="CASE-") == {}
    (tmp_path / "reconciler.db").unlink()
    assert offered("--config", config, "explain", incomplete="CASE-") == {}
    assert capfd.readouterr() == ("", "")


def test_completion_leaves_the_database_and_its_folder_as_they_are(tmp_path: Path, config: str) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert offered("--config", config, "policy", "test", incomplete="CASE-1")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_commands_are_offered_with_their_line_of_help() -> None:
    assert offered(incomplete="exp") == {"explain": "Tell the whole story of one link."}
    assert "retry" in offered("holds", incomplete="re")
