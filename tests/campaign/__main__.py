"""The campaign as a command: ``python -m tests.campaign --schedules N --seed S``; exit code 1 on any violation.

A failing schedule is named by its seed and number; ``--only NUMBER`` plays that one alone, shows what happened in it,
and ``--shrink`` cuts it down first.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Set as AbstractSet
from functools import partial

from tests.campaign.campaign import Tally, run, seed_of
from tests.campaign.generate import generate
from tests.campaign.more import ALWAYS, Kind
from tests.campaign.play import play
from tests.campaign.shrink import shrink
from tests.campaign.telling import story


def main() -> int:
    """Run the campaign that the command line asks for."""
    asked = _parser().parse_args()
    logging.disable()  # what the program says of all this trouble is not what is judged here
    if asked.only is not None:
        return _one(seed_of(asked.seed, asked.only), asked.kinds, is_shrunk=asked.shrink)
    started = time.perf_counter()
    heard = partial(_tell, asked)
    tally = run(asked.schedules, asked.seed, workers=asked.workers, kinds=asked.kinds, heard=heard)
    print(summary(tally, time.perf_counter() - started))
    return 1 if tally.failed else 0


def _tell(asked: argparse.Namespace, part: Tally, total: Tally) -> None:
    """Name each schedule that failed as soon as it did, and show a person at a terminal how far it has come."""
    for number, promises in sorted(part.failed.items()):
        print(f"schedule {number}: {'; '.join(sorted(set(promises)))}")
        kinds = "" if asked.kinds == ALWAYS else f" --kinds {','.join(sorted(asked.kinds))}"
        print(f"  again: python -m tests.campaign --seed {asked.seed} --only {number} --shrink{kinds}", flush=True)
    if sys.stderr.isatty():
        end = "\r" if total.schedules < asked.schedules else "\n"
        print(f"{total.schedules} of {asked.schedules} schedules, {len(total.failed)} failed", end=end, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many are played")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other schedules")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument("--only", type=int, help="play this schedule alone and tell its story")
    parser.add_argument("--shrink", action="store_true", help="with --only: cut the schedule down while it fails")
    parser.add_argument("--kinds", type=_kinds, default=ALWAYS, help=f"further trouble: all, none, or {','.join(Kind)}")
    return parser


def _kinds(words: str) -> AbstractSet[Kind]:
    if words in {"all", "none"}:
        return frozenset(Kind) if words == "all" else frozenset()
    return frozenset(Kind(word) for word in words.split(","))


def _one(seed: str, kinds: AbstractSet[Kind], *, is_shrunk: bool) -> int:
    schedule = generate(seed, kinds)
    played = play(schedule)
    if is_shrunk and played.violations:
        schedule = shrink(schedule, {violation.promise for violation in played.violations})
        played = play(schedule)
    print(story(schedule, played.events, played.violations))
    return 1 if played.violations else 0


def summary(tally: Tally, seconds: float) -> str:
    """Sum a campaign up."""
    lines = [
        f"{tally.schedules} schedules in {seconds:.1f} s, {tally.schedules / max(seconds, 1e-9):.0f} a second",
        f"{tally.cycles} cycles, {tally.requests} writes asked for, {tally.kills} kills",
        f"{sum(tally.struck.values())} faults struck:",
        *(f"  {count:7} {kind}" for kind, count in sorted(tally.struck.items())),
        "lost to somebody who acted between our read and our write:",
        *(f"  {count:7} {kind}" for kind, count in sorted(tally.races.items())),
        f"{len(tally.failed)} schedules with violations:",
        *(f"  {count:7} {promise}" for promise, count in tally.promises().most_common()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
