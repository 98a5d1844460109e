"""The command ``policy replay``: what another config would have done with what is remembered."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import read_config, read_store, start
from reconciler.cli.terminal import print_first_rows, print_json, print_lines
from reconciler.cli.times import WHEN, utc_now
from reconciler.config.load import load_config
from reconciler.core.model import JsonObject, Pair
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.core.planning.preview.backtest import DifferenceKind, Replayed
from reconciler.core.planning.preview.backtest import replay as replay_over
from reconciler.core.words import counted
from reconciler.engine.acting.lookups import remembered_knowledge
from reconciler.store.store import Store

WORDS = {
    DifferenceKind.RECORD_MORE: "records more",
    DifferenceKind.RECORD_FEWER: "records fewer",
    DifferenceKind.ROUTE: "Cases on another route",
    DifferenceKind.TARGET: "records in another place",
    DifferenceKind.FIELD: "fields with another value",
    DifferenceKind.ASKS: "records that ask something else of their Case",
    DifferenceKind.UPDATES: "records that follow their Case or no longer do",
}


@click.command()
@click.option("--since", type=WHEN, default="30d", show_default=True, help="Cases that changed since then.")
@click.option(
    "--config",
    "other",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The proposed config. Without it, the present config is compared with what was done.",
)
@json_option
@click.pass_obj
def replay(options: Globals, since: datetime, other: Path | None, as_json: bool) -> None:
    """Show what a config would have done differently with the Cases and records that are remembered.

    Each Case is looked at as it is now, as if it had no record yet. Links that exist stay where their record is,
    whatever is shown here. Nothing is sent and nothing is written.

    \b
    Examples:
      reconciler policy replay --config proposed.toml
      reconciler policy replay --since 7d --json
    """
    start(options, quiet=True)
    present = read_config(options, needs_secrets=False)
    proposed = load_config(other, os.environ, needs_secrets=False) if other else present
    with read_store(present.state.path) as store:
        replayed = replay_over(
            _changed_since(store, since),
            present.policies if other else None,
            proposed.policies,
            remembered_knowledge(store, proposed.policies, utc_now()),
            {skip.case_id: skip for skip in store.links.standing_skips()},
        )
    print_json(replayed_document(replayed, since)) if as_json else print_replayed(replayed)


def _changed_since(store: Store, since: datetime) -> Iterator[Pair]:
    pairs = store.links.all_pairs(open_only=False)
    return (pair for pair in pairs if (pair.case.updated_at or pair.case.created_at) >= since)


def replayed_document(replayed: Replayed, since: datetime) -> JsonObject:
    """Write a replay as the document of ``policy replay --json``."""
    counts = Counter(one.kind for one in replayed.differences)
    return {
        "version": DOCUMENT_VERSION,
        "since": since.isoformat(),
        "cases": replayed.cases,
        "records": {"before": replayed.records_before, "after": replayed.records_after},
        "counts": {kind.value: counts[kind] for kind in DifferenceKind},
        "differences": [asdict(one) for one in replayed.differences],
    }


def print_replayed(replayed: Replayed) -> None:
    """Show a replay to a person, its first rows."""
    counts = Counter(one.kind for one in replayed.differences)
    rows = [
        (one.case_key or one.case_id, one.kind.value, one.name, one.before, one.after) for one in replayed.differences
    ]
    if rows:
        print_first_rows(("case", "difference", "field", "before", "after"), rows)
    listed = [f"{counts[kind]} {words}" for kind, words in WORDS.items() if counts[kind]]
    print_lines(
        f"{counted(replayed.cases, 'Case')}, {counted(replayed.records_before, 'record')} before and "
        f"{replayed.records_after} after: " + (", ".join(listed) or "no difference")
    )
