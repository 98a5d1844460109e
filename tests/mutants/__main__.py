"""Put each fault in, run the test that has to notice, and say whether it did: ``python -m tests.mutants [NAME…]``.

``--since REVISION`` keeps to the faults whose module or test differs from that revision of git. The checkout itself is
never changed: every fault is put into a copy, whose other files are links to those of the checkout. Exit code 1 when a
fault was not noticed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.fault import ROOT

COPIED = ("reconciler", "tests", "pyproject.toml")


def main() -> int:
    """Run the faults that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to put in; all when none is named")
    parser.add_argument("--since", metavar="REVISION", help="only those whose module or test differs from it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only list the faults")
    asked = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not asked.names or mutant.name in asked.names]
    if asked.since:
        changed = changed_since(asked.since)
        chosen = [mutant for mutant in chosen if {mutant.file(), ROOT / mutant.test.partition("::")[0]} & changed]
    if asked.list:
        for mutant in chosen:
            print(f"{mutant.name:44} {mutant.test}")
        return 0
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=asked.workers) as pool:
        noticed = list(pool.map(run, chosen))
    print(f"{sum(noticed)} of {len(chosen)} faults noticed in {time.monotonic() - began:.0f} s")
    return 0 if all(noticed) else 1


def changed_since(revision: str) -> set[Path]:
    """List the files that differ from a revision; raise CalledProcessError where git knows no such revision."""
    command = ["git", "diff", "--name-only", revision, "--"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {ROOT / name for name in listed.splitlines()}


def run(mutant: Mutant) -> bool:
    """Put one fault into a copy, run its test there, and say whether it failed as it should."""
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        place = mutant.file(Path(folder))
        faulty = mutant.put_in(place.read_text(encoding="utf-8"))
        place.unlink()  # it may be a link
        place.write_text(faulty, encoding="utf-8")
        for compiled in place.parent.glob(f"__pycache__/{place.stem}.*"):
            compiled.unlink()
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "", mutant.test]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    noticed = ended.returncode == 1
    print(f"{'noticed' if noticed else 'MISSED '}  {mutant.name:44} {mutant.test}", flush=True)
    if not noticed and ended.returncode:
        print(ended.stdout[-2000:], ended.stderr[-2000:])
    return noticed


def copy(folder: Path) -> None:
    """Copy what the tests need, compiled as it is; what lies beside the checkout is not copied, so those tests skip."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns(".*"), copy_function=link)
        else:
            link(source, folder / name)


def link(source: str | Path, target: str | Path) -> None:
    """Link a file, which takes a tenth of the time of copying it; copy it where it lies on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
