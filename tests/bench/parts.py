"""What is measured, part by part: each gives the lines of the table that are its own."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.cli.build import build_context
from reconciler.cli.times import utc_now
from reconciler.config.load import parse_config
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.store.store import Store
from tests.bench.database import build
from tests.bench.measure import Cost, least, run
from tests.bench.script import KEY, PASSWORD, USER
from tests.bench.stage import Services, services
from tests.bench.table import Row

ENVIRON = {"KEY": KEY, "PASSWORD": PASSWORD}
CONFIG = """
[coralogix]
base_url = "{cases}"
api_key = {{ env = "KEY" }}
{more}
[servicenow.main]
instance_url = "{records}"
username = "{user}"
password = {{ env = "PASSWORD" }}
{more}
[state]
path = "{database}"
[limits]
max_creates_per_cycle = 100000
max_case_resolves_per_cycle = 100000
max_incident_resolves_per_cycle = 100000
[audit]
case_events = {events}
"""
FEW = 10
"""links of the small database that the large one is held against"""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Say how much of everything there is."""

    links: int = 100_000
    burst: int = 500
    back: int = 300
    pairs: int = 10_000
    """open pairs for the drift check, and records that are taken in"""
    delay_seconds: float = 0.05
    """how long the services take for each answer in the parts about speed"""
    times: int = 3
    """what is short is run so often, and the best counts"""
    folder: Path | None = None
    """where databases are kept from run to run; None: made anew"""


@contextmanager
def folder_of(sizes: Sizes) -> Iterator[Path]:
    """Give the folder for databases."""
    if sizes.folder is not None:
        sizes.folder.mkdir(parents=True, exist_ok=True)
        yield sizes.folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def configure(
    folder: Path, at: Services, database: str = "links.db", *, more: str = "", reads_events: bool = True
) -> str:
    """Write a config, and give its text."""
    places = {"cases": at.cases, "records": at.records, "user": USER, "database": database}
    text = CONFIG.format(**places, more=more, events=str(reads_events).lower())
    (folder / "reconciler.toml").write_text(text)
    return text


def ours(folder: Path, *words: str, codes: Sequence[int] = (0,)) -> Cost:
    """Run the program as a process of its own."""
    return run(["reconciler", *words], folder=folder, environ=ENVIRON, codes=codes)


def script(deed: str, at: Services, folder: Path) -> Cost:
    """Run the script as a process of its own."""
    return run(["tests.bench.script", deed, at.cases, at.records], folder=folder, environ={})


def counted(at: Services, call: Callable[[], Cost]) -> Cost:
    """Count the requests of one run, too."""
    at.order("count")
    cost = call()
    return replace(cost, requests=at.order("count"))


def databases(folder: Path, sizes: Sizes) -> Iterator[tuple[int, str]]:
    """Make a small and a large database, and name them."""
    for links in (FEW, sizes.links):
        name = f"{links}.db"
        if not (folder / name).exists():
            build(folder / name, links)
        with Store.open(folder / name, now=utc_now()) as store:
            for check in ("last_drift_check", "last_full_check"):  # these are a part of their own
                store.facts.put(check, utc_now().isoformat())
        yield links, name


# -- the parts ---------------------------------------------------------------------------------------------------------


def quiet(sizes: Sizes) -> Iterator[Row]:
    """Measure a cycle in which nothing happened: as a process, and inside the daemon."""
    with folder_of(sizes) as folder, services() as at:
        for links, name in databases(folder, sizes):
            text = configure(folder, at, name)
            ours(folder, "once")
            costs = [counted(at, lambda: ours(folder, "once")) for _ in range(sizes.times)]
            naive = least([script("quiet", at, folder) for _ in range(sizes.times)])
            yield Row(name=f"quiet `once`, {links:,} links", ours=least(costs), script=naive)
            yield Row(name=f"idle cycle in `run`, {links:,} links", ours=_idle(folder, text))


def _idle(folder: Path, text: str) -> Cost:
    """Run cycles in this process, as the daemon does, and give what one costs."""
    with _context(folder, text) as context:
        costs = []
        for _ in range(20):
            wall, cpu = time.perf_counter(), time.process_time()
            run_cycle(context, CycleRequest(lists_skips=False), cycle_id=uuid.uuid4().hex)
            costs.append(Cost(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu))
    return least(costs)


@contextmanager
def _context(folder: Path, text: str) -> Iterator[Context]:
    config = parse_config(text, environ=ENVIRON, folder=folder)
    with Store.open(config.state.path, now=utc_now()) as store:
        yield build_context(config, store)


def read_only(sizes: Sizes) -> Iterator[Row]:
    """Measure the commands that only look, and a plan."""
    asked: Mapping[str, Sequence[str]] = {
        "`status`": ("status",),
        "`explain`": ("explain", "CASE-0"),
        "`holds list`": ("holds", "list"),
        "`plan`": ("plan",),
        "`state prune --dry-run`": ("state", "prune", "--older-than", "300d", "--dry-run"),
    }
    with folder_of(sizes) as folder, services() as at:
        for links, name in databases(folder, sizes):
            configure(folder, at, name)
            ours(folder, "once")  # so that a cycle has met the config, as in every database that is looked into
            for shown, words in asked.items():
                costs = [ours(folder, *words) for _ in range(sizes.times)]
                yield Row(name=f"{shown}, {links:,} links", ours=least(costs))


def burst(sizes: Sizes) -> Iterator[Row]:
    """Measure many Cases at once, each of which gets a record."""

    def fresh(deed: Callable[[Path, Services], Cost]) -> Cost:
        with tempfile.TemporaryDirectory() as folder, services() as at:
            at.order("cases", sizes.burst)
            at.order("delay", sizes.delay_seconds)
            return counted(at, lambda: deed(Path(folder), at))

    def program(more: str) -> Callable[[Path, Services], Cost]:
        def deed(folder: Path, at: Services) -> Cost:
            configure(folder, at, more=more)
            return ours(folder, "once")

        return deed

    naive = fresh(lambda folder, at: script("create", at, folder))
    floor = fresh(lambda folder, at: script("create-bare", at, folder))
    for shown, more in (("", ""), (", `workers = 16`", "workers = 16\nrequests_per_second = 1000")):
        cost = fresh(program(more))
        yield Row(name=f"{sizes.burst} creates{shown}", ours=cost, script=naive, floor=floor)


def back(sizes: Sizes) -> Iterator[Row]:
    """Measure many records that are resolved at once, whose Cases follow."""

    def fresh(deed: Callable[[Path, Services], Cost]) -> Cost:
        with tempfile.TemporaryDirectory() as name, services() as at:
            folder = Path(name)
            at.order("cases", sizes.back)
            configure(folder, at)
            ours(folder, "once")
            at.order("advance", 60)
            at.order("resolve")
            at.order("delay", sizes.delay_seconds)
            return counted(at, lambda: deed(folder, at))

    naive = fresh(lambda folder, at: script("back", at, folder))
    floor = fresh(lambda folder, at: script("back-bare", at, folder))
    cost = fresh(lambda folder, _: ours(folder, "once"))
    yield Row(name=f"{sizes.back} Cases resolved", ours=cost, script=naive, floor=floor)


def adopt(sizes: Sizes) -> Iterator[Row]:
    """Measure how records that are there already are taken in by a database that knows nothing."""
    with tempfile.TemporaryDirectory() as name, services() as at:
        yield _taken_in(Path(name), at, sizes)


def _taken_in(folder: Path, at: Services, sizes: Sizes) -> Row:
    at.order("cases", sizes.pairs)
    at.order("records")
    at.order("advance", 3600)
    configure(folder, at, reads_events=False)
    cost = counted(at, lambda: ours(folder, "once"))
    return Row(name=f"{sizes.pairs:,} records taken in", ours=cost)


def drift(sizes: Sizes) -> Iterator[Row]:
    """Measure everything open compared in full, with nothing to be found."""
    with tempfile.TemporaryDirectory() as name, services() as at:
        folder = Path(name)
        _taken_in(folder, at, sizes)
        ours(folder, "once")
        quiet_cycle = counted(at, lambda: ours(folder, "once"))
        _make_due(folder)
        cost = counted(at, lambda: ours(folder, "once"))
        own = replace(
            cost,
            cpu_seconds=cost.cpu_seconds - quiet_cycle.cpu_seconds,
            requests=cost.requests - quiet_cycle.requests,
        )
        yield Row(name=f"drift check, {sizes.pairs:,} open links", ours=own, note=" (beside a quiet cycle)")


def _make_due(folder: Path) -> None:
    with Store.open(folder / "links.db", now=utc_now()) as store:
        last = store.facts.get("last_drift_check")
        assert last is not None
        store.facts.put("last_drift_check", f"2020{last[4:]}")


def disk(sizes: Sizes) -> Iterator[Row]:
    """Measure what a quiet cycle leaves on disk, and what it writes there."""
    cycles = 50
    with folder_of(sizes) as folder, services() as at:
        [(_, name), *_] = databases(folder, replace(sizes, links=FEW))
        text = configure(folder, at, name)
        file, log = folder / name, folder / f"{name}-wal"
        with _context(folder, text) as context:
            connection = context.store.database.connection
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            for _ in range(3):
                run_cycle(context, CycleRequest(), cycle_id=uuid.uuid4().hex)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = file.stat().st_size
            at.order("count")
            for _ in range(cycles):
                run_cycle(context, CycleRequest(), cycle_id=uuid.uuid4().hex)
            requests, wrote = at.order("count"), log.stat().st_size
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            grew = file.stat().st_size - before
        note = f" ({grew / cycles:.0f} bytes stay, {wrote / cycles / 1000:.1f} kB written)"
        cost = Cost(seconds=0, cpu_seconds=0, requests=round(requests / cycles))
        yield Row(name="quiet cycle on disk", ours=cost, note=note)


PARTS: Mapping[str, Callable[[Sizes], Iterator[Row]]] = {
    "quiet": quiet,
    "read-only": read_only,
    "burst": burst,
    "back": back,
    "drift": drift,
    "adopt": adopt,
    "disk": disk,
}
