"""What the pages say is so: every key, reason, view, filter and link exists, and their configs and queries work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.model import AUTH_KEYS, REGION_HOSTS
from reconciler.config.shape.tables import SECRET_KEYS, TABLES, SecretTable
from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.filters import FILTERS
from reconciler.core.lifecycle import ASSIGNED, WORD_STAGES
from reconciler.core.model import HOLD_REASONS, SkipReason
from reconciler.sandbox.faults import FaultKind
from reconciler.telemetry.metrics import METRICS
from tests.store_helpers import empty_store
from tests.unit.config.test_load import ENVIRON, read
from tests.unit.house.docs_pages import (
    CONFIG_PAGE,
    OPERATIONS_PAGE,
    PAGES,
    README,
    ROOT,
    SANDBOX_PAGE,
    Block,
    anchor,
    blocks,
    code,
    headings,
    rows,
    section,
    without_blocks,
)

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
CONFIG = CONFIG_PAGE.read_text(encoding="utf-8")
OPERATIONS = OPERATIONS_PAGE.read_text(encoding="utf-8")
MOST_WORDS_OF_THE_FIRST_PAGE = 3500
TITLES = {
    (): "top of the file",
    ("coralogix",): "`[coralogix]`",
    ("servicenow", "*"): "`[servicenow.NAME]`",
    ("state",): "`[state]`",
    ("audit",): "`[audit]`",
    ("retention",): "`[retention]`",
    ("metrics",): "`[metrics]`",
    ("notify",): "`[notify]`",
    ("schedule",): "`[schedule]`",
    ("limits",): "`[limits]`",
    ("route", "*"): "`[[route]]`",
    ("inbound", "*"): "`[inbound.NAME]`",
    ("inbound", "*", "references", "*"): "`[inbound.NAME.references]`",
    ("outbound", "*"): "`[outbound.NAME]`",
}
CORALOGIX = '[coralogix]\nregion = "eu2"\napi_key = { env = "CORALOGIX_API_KEY" }\n'
SERVICENOW = """
[servicenow.main]
instance_url = "https://acme.service-now.com"
username = "coralogix.sync"
password = { env = "SERVICENOW_PASSWORD" }
"""
CONFIGS = [
    pytest.param(block, id=f"{page}:{number}")
    for page, text in TEXTS.items()
    for number, block in enumerate(blocks(text, "toml"), start=1)
]
QUERIES = [
    pytest.param(query, id=f"{page}:{number}")
    for page, text in TEXTS.items()
    for number, query in enumerate(
        (one for block in blocks(text, "sql") for one in block.body.split(";") if one.strip()), start=1
    )
]
LINKS = {
    f"{page.relative_to(ROOT)}: {target}": (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    if not target.startswith(("http://", "https://"))
}
_UNITS = "seconds|minutes|hours|days|ms|bytes|total|per_cycle|per_second|per_day"
KEYS = sorted(
    {
        (page, table, key)
        for page, text in TEXTS.items()
        for table, key in re.findall(r"`\[+([a-z]+)(?:\.[A-Za-z]+)*\]+ ([a-z_]+)", without_blocks(text))
    }
)
NAMES = sorted(
    {
        (page, name)
        for page, text in TEXTS.items()
        if page != "state/README.md"
        for name in re.findall(rf"`((?:[a-z0-9]+_)+(?:{_UNITS})|reconciler_[a-z_]+)`", without_blocks(text))
    }
)
CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "reconciler").rglob("*.py"))
FILES = {
    f"{page}: {path}": path
    for page, text in TEXTS.items()
    for path in re.findall(r"`((?:reconciler|tests|state|systemd)/[\w./]+)`", text)
    if page != "CHANGELOG.md"
}


def test_the_first_page_stays_short() -> None:
    assert len(TEXTS["README.md"].split()) <= MOST_WORDS_OF_THE_FIRST_PAGE


def test_every_page_can_be_reached_from_the_first() -> None:
    targets = {target.partition("#")[0] for page, target in LINKS.values() if page == README}
    assert TEXTS.keys() - targets == {"README.md"}


# -- config ------------------------------------------------------------------------------------------------------------


def documented_keys(title: str) -> dict[str, str]:
    """Read one table of keys: each with the cell of its default."""
    table = section(CONFIG, title)
    return {key: row[1] for row in rows(table) for key in code(row[0])}


def test_every_table_of_the_file_has_a_section() -> None:
    assert TITLES.keys() == TABLES.keys()
    assert set(headings(section(CONFIG, "Every key"))) == set(TITLES.values())


@pytest.mark.parametrize("pattern", TABLES, ids=".".join)
def test_every_key_is_in_its_table_and_no_other(pattern: tuple[str, ...]) -> None:
    tables = {first for first, *_ in (table for table in TABLES if table)}
    known = set(TABLES[pattern].model_fields) - (tables if not pattern else set())
    assert set(documented_keys(TITLES[pattern])) == known


def defaults() -> Iterator[Any]:
    for pattern, table in TABLES.items():
        for key, field in table.model_fields.items():
            if isinstance(field.default, bool | int | float | str):
                yield pytest.param(TITLES[pattern], key, field.default, id=".".join((*pattern, key)))


@pytest.mark.parametrize(("title", "key", "default"), list(defaults()))
def test_a_default_is_the_documented_one(title: str, key: str, default: Any) -> None:
    shown = f'"{default}"' if isinstance(default, str) else str(default).lower()
    assert code(documented_keys(title)[key]) == [shown]


def test_every_key_that_is_a_secret_says_so() -> None:
    told = {
        key
        for title in TITLES.values()
        for row in rows(section(CONFIG, title))
        for key in code(row[0])
        if row[2].startswith("secret")
    }
    assert told == SECRET_KEYS
    assert all(f"`{{ {kind} = " in CONFIG for kind in SecretTable.model_fields)


@pytest.mark.parametrize("word", [*REGION_HOSTS, *AUTH_KEYS, *WORD_STAGES, ASSIGNED])
def test_every_word_of_the_config_is_named(word: str) -> None:
    assert f"`{word}`" in section(CONFIG, "Every key") or f'`"{word}"`' in section(CONFIG, "Every key")


def whole(text: str) -> str:
    """Put a fragment into the least config there can be."""
    needed = CORALOGIX if "[coralogix]" not in text else ""
    needed += SERVICENOW if not re.search(r"^\[servicenow\.\w+\]", text, re.MULTILINE) else ""
    return needed + text


@pytest.mark.parametrize("block", CONFIGS)
def test_every_config_is_valid(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_fragment = block.info == "toml fragment"
    text = whole(block.body) if is_fragment else block.body
    assert is_fragment == (text != block.body), "a fragment is marked as one, and nothing else is"
    environ = ENVIRON | dict.fromkeys(re.findall(r'env = "(\w+)"', text), "dummy")
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    for name in re.findall(r'credential = "([\w-]+)"', text):
        (tmp_path / name).write_text("dummy", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    read(text, **environ)


def test_a_config_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(Exception, match="schedule"):
        read(CORALOGIX + SERVICENOW + "\n[shedule]\n")


def conditions() -> list[str]:
    cells = [part for row in rows(section(CONFIG, "Conditions")) for part in code(row[1])]
    return [cell for cell in cells if cell.startswith(("case.", "_context."))]


@pytest.mark.parametrize("condition", conditions())
def test_every_condition_compiles(condition: str) -> None:
    Condition.compile(condition)


def test_every_filter_is_in_the_table_of_templates() -> None:
    named = [part.partition("(")[0] for row in rows(section(CONFIG, "Templates")) for part in code(row[0])]
    assert set(named) == set(FILTERS)


def keys_of(table: str) -> set[str]:
    """List the keys of the tables of the file that begin with one word, and of the tables inside them."""
    return {key for pattern, model in TABLES.items() if pattern[:1] == (table,) for key in model.model_fields}


@pytest.mark.parametrize(("page", "table", "key"), KEYS)
def test_a_key_that_is_named_with_its_table_exists(page: str, table: str, key: str) -> None:
    assert key in keys_of(table), page


def is_said_by_the_program(name: str) -> bool:
    """Say whether a name stands in the code as a text: a key of JSON, a metric with or without what all begin with."""
    bare = re.sub(r"^reconciler_|_(?:bucket|count|sum)$", "", name)
    return any(f'"{one}"' in CODE for one in (name, bare, f"reconciler_{bare}"))


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_a_name_with_a_unit_and_a_metric_is_a_key_or_is_said_by_the_program(page: str, name: str) -> None:
    assert name in {key for model in TABLES.values() for key in model.model_fields} or is_said_by_the_program(name), (
        page
    )


@pytest.mark.parametrize("name", ["pol_seconds", "reconciler_no_such_thing"])
def test_a_name_that_does_not_exist_would_be_noticed(name: str) -> None:
    assert not is_said_by_the_program(name)
    assert is_said_by_the_program("cycle_id")


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_reason_is_explained_where_it_belongs() -> None:
    named = [part for row in rows(section(OPERATIONS, "Holds, and what to do")) for part in code(row[0])]
    assert set(named[: len(HOLD_REASONS)]) == {reason.value for reason in HOLD_REASONS}
    assert sorted(named) == sorted(reason.value for reason in SkipReason)


def test_every_metric_is_in_the_table_of_metrics_with_its_labels() -> None:
    told = {row[0].strip("`"): code(row[1]) for row in rows(section(OPERATIONS, "Metrics"))}
    assert told == {f"reconciler_{metric.name}": list(metric.labels) for metric in METRICS}


def test_every_fault_is_in_the_table_of_faults() -> None:
    text = section(SANDBOX_PAGE.read_text(encoding="utf-8"), "Faults")
    assert sorted(part for row in rows(text) for part in code(row[0])) == sorted(kind.value for kind in FaultKind)


@pytest.mark.parametrize("page", TEXTS)
def test_every_view_that_is_named_is_one_of_the_database(page: str) -> None:
    with empty_store() as store:
        views = {name for (name,) in store.database.read("SELECT name FROM sqlite_master WHERE type = 'view'")}
    named = set(re.findall(r"\baudit_[a-z]+\b", TEXTS[page]))
    assert named <= views
    assert page != "state/README.md" or named == views


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs(query: str) -> None:
    with empty_store() as store:
        store.database.connection.execute("PRAGMA query_only = ON")
        store.database.read(query, {"case_key": "CASE-1"})


def test_each_view_has_a_query() -> None:
    queries = " ".join(block.body for block in blocks(TEXTS["state/README.md"], "sql"))
    assert set(re.findall(r"\b(?:FROM|JOIN) (audit_[a-z]+)", queries)) == set(
        re.findall(r"\baudit_[a-z]+\b", TEXTS["state/README.md"])
    )


# -- links -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "target"), LINKS.values(), ids=LINKS)
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, place = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    assert found.exists()
    if place:
        assert place in {anchor(title) for title in headings(found.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_named_file_exists(path: str) -> None:
    is_made_later = path == "state/reconciler.db"
    assert is_made_later or (ROOT / path).exists()


def test_the_changelog_knows_the_version() -> None:
    import reconciler  # noqa: PLC0415 - only its version

    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {reconciler.__version__}\n" in changes
