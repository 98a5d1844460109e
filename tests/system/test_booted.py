"""`systemd/README.md` typed word for word, on a Debian 12 that is booted for it.

It is slow, needs root and, the first time, a mirror of Debian; so it runs only where it is asked for:
``RECONCILER_BOOTED=FOLDER``, a folder in which the Debian is kept for the next time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from tests.system.booted_debian import ROOT, Journal, Machine, tree, why_not
from tests.system.booted_services import CASES_PORT, RECORDS_PORT

FOLDER = os.environ.get("RECONCILER_BOOTED")
UNIT = "coralogix-servicenow-reconciler"
CONFIG = "/etc/reconciler/reconciler.toml"
PAGE = (ROOT / "systemd" / "README.md").read_text(encoding="utf-8")
SECRETS = (API_KEY, API_PASSWORD)

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="boots a Debian: set RECONCILER_BOOTED to a folder for it (tests/README.md)"),
    pytest.mark.timeout(1800),
]


def section(heading: str) -> str:
    """Give one section of the page, to the next of the same kind."""
    return re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(heading: str, language: str = "sh") -> list[str]:
    """Give what a section says to type, block by block, without the indent of its list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", section(heading), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what an operator has in the folder: the wheel, the lock, and here every other wheel too."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("given")
    folder.chmod(0o755)  # the user of the service reads the authority there
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for what in (
        ["--requirement", str(ROOT / "requirements.lock"), "--require-hashes"],
        ["pip", "setuptools", "wheel", "uv"],
    ):
        subprocess.run(
            [*pip, "download", "--dest", str(wheels), "--only-binary=:all:", "--python-version=3.11", *what], check=True
        )
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (folder / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    make_certificate(folder, "cases.example.test", "records.example.test")
    return folder


def make_certificate(folder: Path, *names: str) -> None:
    """Make a certificate that is its own authority, and its key."""
    order = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.test")
    files = ("-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"))
    alternatives = ",".join(f"DNS:{name}" for name in names)
    subprocess.run([*order, "-addext", f"subjectAltName={alternatives}", *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def machine(given: Path) -> Iterator[Machine]:
    assert FOLDER is not None
    folder = Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(tree(folder), given) as booted:
        booted.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        booted.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/given/wheels\n")
        yield booted


def type_secrets(machine: Machine, block: str) -> None:
    """Type a block that asks for two secrets, one for each ``cat``."""
    values = iter(SECRETS)
    for line in block.splitlines():
        machine.must(line, given=f"{next(values)}\n" if "cat >" in line else "")


def config(rest: str = "") -> str:
    """Give the config of the page with the addresses of this test; nothing else is changed."""
    [text] = blocks("Install", "toml")
    authority = 'ca_bundle = "/srv/given/tls.crt"'
    text = text.replace('region = "eu2"', f'base_url = "https://cases.example.test:{CASES_PORT}"\n{authority}')
    text = text.replace('"https://acme.service-now.com"', f'"https://records.example.test:{RECORDS_PORT}"\n{authority}')
    return text.replace('"coralogix.sync"', f'"{API_USER}"') + f"\n[schedule]\npoll_seconds = 1\n{rest}"


def test_what_the_page_says_is_so(machine: Machine) -> None:
    """One machine from the first command to the last; each chapter goes on where the one before it ended."""
    install(machine)
    with machine.follow(UNIT) as journal:
        start(machine, journal)
        keep_secrets(machine)
        reload(machine, journal)
        be_killed(machine, journal)
        hang(machine, journal)
        upgrade(machine, journal)
        stop(machine)
        be_wrong(machine, journal)
    serve_a_tenant(machine)
    uninstall(machine)
    install_otherwise(machine)


def install(machine: Machine) -> None:
    user, program, _pipx, _uv, units, secrets, *_ = blocks("Install")
    for block in (user, program, units):
        machine.must(block)
    type_secrets(machine, secrets)
    machine.write(CONFIG, config())


def start(machine: Machine, journal: Journal) -> None:
    *_, look, service, _completion = blocks("Install")
    machine.services(do="open a case", title="Payments are slow")
    assert "create_incident" in machine.must(look)
    assert machine.services(do="count records") == 0
    shown = machine.must(service)
    assert "active (running)" in shown
    journal.read_until("daemon started")
    assert machine.services(do="wait for writes", count=1) == 1
    journal.read_until("cycle done")
    assert machine.services(do="count records") == 1
    assert machine.services(do="count questions") > 0
    assert "/var/lib/reconciler/reconciler.db" in machine.must("reconciler-by-hand status")
    assert machine.run("reconciler-by-hand once").code == 3


def keep_secrets(machine: Machine) -> None:
    """Neither secret is in what any process shows of itself, nor in what systemd tells; nobody else reads the files."""
    shown = machine.must(
        f"cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; systemctl show {UNIT};"
        f"journalctl -o export; systemctl cat {UNIT}; cat {CONFIG}"
    )
    assert "reconciler.toml" in shown
    assert [secret for secret in SECRETS if secret in shown] == []
    names = "/etc/reconciler/secrets/* /run/credentials/*/* /var/lib/reconciler/*"
    assert machine.must("cat /etc/reconciler/secrets/coralogix_api_key").strip() == API_KEY
    as_nobody = machine.run(f"setpriv --reuid=nobody --clear-groups sh -c 'cat {names}'")
    assert as_nobody.code != 0
    assert as_nobody.out == ""


def reload(machine: Machine, journal: Journal) -> None:
    [typed] = blocks("Change the config or a secret")
    pid = machine.show(UNIT, "MainPID")
    machine.write(CONFIG, config("drift_check_minutes = 20\n"))
    machine.must(typed)
    journal.read_until("config taken up")
    machine.write(CONFIG, config("drift_check_minutes = 'often'\n"))
    assert machine.run(typed).code != 0
    assert "drift_check_minutes" in journal.read_until("drift_check_minutes")
    assert machine.show(UNIT, "ActiveState") == "active"
    machine.must(f"systemctl kill --kill-who=main --signal=HUP {UNIT}")
    assert "drift_check_minutes" in journal.read_until("config not taken up, the one before stays in force")
    machine.write(CONFIG, config())
    machine.must(typed)
    journal.read_until("config taken up")
    assert machine.show(UNIT, "MainPID") == pid


def be_killed(machine: Machine, journal: Journal) -> None:
    pid = machine.show(UNIT, "MainPID")
    machine.must(f"systemctl kill --kill-who=main --signal=KILL {UNIT}")
    machine.services(do="open a case", title="While nobody looked")
    journal.read_until("daemon started")
    assert machine.show(UNIT, "MainPID") != pid
    assert machine.services(do="wait for writes", count=2) == 2


def hang(machine: Machine, journal: Journal) -> None:
    """Stand still: no ping comes, and the manager ends it with its stacks in the journal and starts it anew."""
    machine.write(f"/etc/systemd/system/{UNIT}.service.d/test.conf", "[Service]\nWatchdogSec=3\n")
    machine.must(f"systemctl daemon-reload; systemctl restart {UNIT}")
    journal.read_until("daemon started")
    machine.must(f"kill -STOP {machine.show(UNIT, 'MainPID')}")
    journal.read_until("Watchdog timeout")
    journal.read_until("Fatal Python error: Aborted")
    journal.read_until("daemon started")
    machine.must(f"rm -r /etc/systemd/system/{UNIT}.service.d; systemctl daemon-reload")


def upgrade(machine: Machine, journal: Journal) -> None:
    [typed] = blocks("Upgrade")
    machine.must(typed)
    journal.read_until("daemon started")
    journal.read_until("cycle done")
    assert machine.services(do="count records") == 2


def stop(machine: Machine) -> None:
    [typed] = blocks("Stop")
    machine.must(typed)
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert machine.show(UNIT, "Result") == "success"
    assert "0 planned" in machine.must("reconciler-by-hand once")


def be_wrong(machine: Machine, journal: Journal) -> None:
    """Be given a wrong config: exit 2, which is not tried again."""
    machine.write(CONFIG, config("drift_check_minutes = 'often'\n"))
    assert machine.run(f"systemctl start {UNIT}").code != 0
    journal.read_until("drift_check_minutes")
    journal.read_until("Failed with result 'exit-code'")
    assert machine.show(UNIT, "ExecMainStatus") == "2"
    assert machine.show(UNIT, "ActiveState") == "failed"
    machine.write(CONFIG, config())


def serve_a_tenant(machine: Machine) -> None:
    make, begin = blocks("Several tenants")
    type_secrets(machine, make)
    machine.write(
        "/etc/reconciler/acme/reconciler.toml", config().replace("[coralogix]", 'owner = "Acme"\n[coralogix]', 1)
    )
    machine.must(begin)
    with machine.follow(f"{UNIT}@acme") as journal:
        journal.read_until("cycle done")
    assert machine.must("stat -c '%U %a' /var/lib/reconciler-acme") == "reconciler-acme 750\n"
    assert "/var/lib/reconciler-acme/reconciler.db" in machine.must("reconciler-by-hand @acme status")
    machine.must(f"systemctl disable --now {UNIT}@acme")


def uninstall(machine: Machine) -> None:
    [typed] = blocks("Uninstall")
    machine.must(typed)
    assert machine.run(f"systemctl cat {UNIT}").code != 0
    assert machine.run("ls /opt/reconciler /etc/reconciler /var/lib/reconciler").out == ""
    assert machine.run("id reconciler").code != 0


def install_otherwise(machine: Machine) -> None:
    """Both other ways put the command and the units where the unit and the page have them."""
    _user, _program, pipx, uv, units, *_ = blocks("Install")
    machine.must("python3 -m venv /opt/uv; /opt/uv/bin/pip install uv; ln -s /opt/uv/bin/uv /usr/local/bin/uv")
    for way in (pipx, uv):
        machine.must(way)
        machine.must(units)
        assert "version" in machine.must("/opt/reconciler/bin/reconciler --version")
        machine.must(f"systemctl cat {UNIT}.service {UNIT}@.service; test -x /usr/local/sbin/reconciler-by-hand")
        machine.must("rm -r /opt/reconciler /usr/local/sbin/reconciler-by-hand /etc/systemd/system/coralogix-*")
