"""A Debian 12 that is booted for a test: made by debootstrap, run by systemd-nspawn, thrown away at the end.

What the machine writes goes into memory, over a tree that is kept for the next time. Its network is its own, with
nothing in it; the two services are put there by a process of this machine.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.system.support import Ran

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,pipx"
NEEDED = ("systemd-nspawn", "debootstrap", "nsenter", "openssl")
GIVEN = "/srv/given"
PATIENCE_SECONDS = 300.0
WORDS_SECONDS = 60.0
"""How long a journal may be silent about what must stand in it."""
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "UV_NO_CONFIG=1",
    "UV_NO_INDEX=1",
    "UV_OFFLINE=1",
    f"UV_FIND_LINKS={GIVEN}/wheels",
)


def why_not() -> str | None:
    """Say why no Debian can be booted here; None where it can."""
    if os.geteuid() != 0:
        return "systemd-nspawn and debootstrap need root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)} (Debian: systemd-container, debootstrap, openssl)" if missing else None


def tree(folder: Path) -> Path:
    """Give the Debian below a folder; where it is not there yet, debootstrap makes it, in some minutes."""
    made = folder / RELEASE
    if not made.exists():
        half = folder / f"{RELEASE}.half"
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(half)], check=True)
        half.rename(made)
    return made


class Machine:
    """Be one booted Debian, and the services in its network; a context manager.

    ``given`` is a folder that the machine sees, and cannot write, as ``GIVEN``; it holds ``tls.crt`` and ``tls.key``.
    """

    def __init__(self, tree: Path, given: Path) -> None:
        self._tree = tree
        self._given = given

    def __enter__(self) -> Self:
        """Boot until the machine itself says that it is up; raise TimeoutError with what it said instead."""
        log = self._given / "boot.log"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, log.open("wb") as out:
            address = str(self._given / "notify")
            listener.bind(address)
            listener.settimeout(PATIENCE_SECONDS)
            environment = os.environ | {"NOTIFY_SOCKET": address}
            self._process = subprocess.Popen(
                self._boot_command(), env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            try:
                self._leader = _leader(listener)
            except TimeoutError:
                self._process.kill()
                raise TimeoutError(f"it did not boot: {log.read_text(errors='replace')[-2000:]}") from None
        self._services = subprocess.Popen(
            ["nsenter", f"--target={self._leader}", "--net", sys.executable, "-m", "tests.system.booted_services"]
            + [str(self._given / name) for name in ("tls.crt", "tls.key")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._heard() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._services.communicate()
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def _boot_command(self) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--boot", "--notify-ready=yes", f"--directory={self._tree}"),
            # No service manager is asked of this machine, and none of its files is changed.
            *("--register=no", "--keep-unit", "--volatile=overlay"),
            *("--private-network", "--resolv-conf=off", f"--bind-ro={self._given}:{GIVEN}"),
        ]

    # -- what a person types -----------------------------------------------------------------------------------

    def run(self, typed: str, *, given: str = "") -> Ran:
        """Let root type something into a shell, in the folder of what was given."""
        done = subprocess.run(
            [*self._inside(), "bash", "-eu", "-c", f"cd {GIVEN}\n{typed}"],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def must(self, typed: str, *, given: str = "") -> str:
        """Let root type something that has to go well, and give its output."""
        ran = self.run(typed, given=given)
        assert ran.code == 0, f"{typed}\n{ran.out}{ran.err}"
        return ran.out

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine."""
        self.must(f"mkdir -p {Path(path).parent}; cat > {path}", given=text)

    def show(self, unit: str, name: str) -> str:
        """Give one property of a unit."""
        return self.must(f"systemctl show --value -p {name} {unit}").strip()

    def follow(self, unit: str) -> Journal:
        """Read the journal of a unit from its first line on."""
        return Journal([*self._inside(), "journalctl", "--follow", "--lines=all", "--output=cat", f"--unit={unit}"])

    def _inside(self) -> list[str]:
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wdns=/")
        return ["nsenter", f"--target={self._leader}", *spaces, "env", "-i", *ENVIRONMENT]

    # -- the services ------------------------------------------------------------------------------------------

    def services(self, **order: Any) -> Any:
        """Give the services one order, and their answer."""
        assert self._services.stdin is not None
        self._services.stdin.write(json.dumps(order) + "\n")
        self._services.stdin.flush()
        return self._heard()

    def _heard(self) -> Any:
        assert self._services.stdout is not None
        return json.loads(self._services.stdout.readline())


def _leader(listener: socket.socket) -> str:
    """Wait until the machine is up, and give the number of its first process."""
    leader, told = "", [""]
    while not (leader and "READY=1" in told):
        told = listener.recv(4096).decode().splitlines()
        leader = next((one.partition("=")[2] for one in told if one.startswith("X_NSPAWN_LEADER_PID=")), leader)
    return leader


class Journal:
    """Read what a unit says, line by line, and never the same line twice; a context manager."""

    def __init__(self, command: list[str]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # A group of its own: what is run inside is a child of what is started here, and has to end with it.
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def read_until(self, words: str) -> str:
        """Give the next line with these words; fail with what was said instead."""
        told: list[str] = []
        ends = time.monotonic() + WORDS_SECONDS
        try:
            while words not in (line := self._lines.get(timeout=max(0.0, ends - time.monotonic()))):
                told.append(line)
        except queue.Empty:
            raise AssertionError(f"{words!r} was never said:\n" + "\n".join(told)) from None
        return line
