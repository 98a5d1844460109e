"""ServiceNow's own client for Python, with its own tests, against the sandbox over HTTPS.

The suite is that of ``ServiceNow/PySNC``. A checkout of it is looked for where ``$PYSNC_SUITE`` says, else beside this
one; it is not part of this project. It wants a developer instance with demo data: the tables and rows that its tests
name are given here. What it asks for beyond that is not offered: batches, attachments, a join, rules as rows.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.api.login import ApiUser
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.tables.schema import plain_schema, task_schema
from reconciler.sandbox.servicenow.tables.seed import ADMIN_ID
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.stage import START

SUITE = Path(os.environ.get("PYSNC_SUITE") or Path(__file__).resolve().parents[3] / "PySNC")
NEEDED = ("trustme", "httpx", "dotenv")
MISSING = [name for name in NEEDED if find_spec(name) is None]
TESTS, PASSED = 199, 176
"""how many tests the suite has at version 1.2.1, and how many of them pass at the least"""
SCRIPT = Actor(user_name="admin", roles=frozenset({"admin"}), script=True)
HEAD_ID, DEPARTMENT_ID = "46c5bf6ca9fe1981010713e3ac7d3384", "a581ab703710200044e0bfc8bcbe5de8"
PROBLEM_ADMIN_ID = "26fbff173b331300ad3cc9bb34efc4bd"

pytestmark = [
    pytest.mark.skipif(not (SUITE / "test").is_dir(), reason=f"no checkout of ServiceNow/PySNC at {SUITE}"),
    pytest.mark.skipif(bool(MISSING), reason=f"the suite of PySNC needs {', '.join(MISSING)}"),
]


def demo_instance() -> ServiceNowWorld:
    """Make an instance that holds what the suite looks for."""
    world = ServiceNowWorld(SandboxClock(START, follow_real_time=True), FaultPlan())
    world.tables.register(task_schema("problem", "PRB"))
    heads = {"dept_head": "sys_user"}
    world.tables.register(plain_schema("cmn_department", "name description dept_head", references=heads))
    for name in ("syslog", "sys_metadata", "sys_db_object"):
        world.tables.register(plain_schema(name, "name"))
    for name in ["row"] * 700:
        world.writes.insert("syslog", {"name": name}, SCRIPT)
        world.writes.insert("sys_metadata", {"name": name}, SCRIPT)
    for name in ("alm_asset", "bsm_chart"):
        world.writes.insert("sys_db_object", {"name": name}, SCRIPT)
    for number in range(12):
        world.writes.insert("problem", {"short_description": f"number {number}"}, SCRIPT)
    add_people(world)
    return world


def add_people(world: ServiceNowWorld) -> None:
    head = {"sys_id": HEAD_ID, "user_name": "natasha.ingram", "email": "natasha.ingram@example.com", "active": "true"}
    other = {"sys_id": PROBLEM_ADMIN_ID, "user_name": "problem.admin", "name": "Problem Admin", "active": "true"}
    for person in (head, other):
        world.writes.insert("sys_user", person, SCRIPT)
    world.writes.insert("cmn_department", {"sys_id": DEPARTMENT_ID, "name": "Finance", "dept_head": HEAD_ID}, SCRIPT)
    world.writes.update("sys_user", ADMIN_ID, {"department": DEPARTMENT_ID}, SCRIPT)


def run_suite(url: str, authority: Path) -> str:
    """Run the suite in a process of its own and give what it says."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(SUITE),
        "PYSNC_SERVER": url,
        "PYSNC_USERNAME": "admin",
        "PYSNC_PASSWORD": "demo",
        "REQUESTS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-m", "pytest", "test", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=SUITE, env=environment, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout[-4000:] + done.stderr[-1000:]


def counted(told: str, word: str) -> int:
    found = re.search(rf"(\d+) {word}", told)
    return int(found[1]) if found else 0


def test_servicenows_own_client_works_on_the_sandbox(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    face = ServiceNowFace(demo_instance(), (ApiUser(user_name="admin", password="demo", roles=frozenset({"admin"})),))
    with SandboxServer(face, host="localhost", tls=context) as server:
        told = run_suite(server.url, tmp_path / "authority.pem")
    assert sum(counted(told, word) for word in ("passed", "failed", "skipped")) >= TESTS, told
    assert counted(told, "passed") >= PASSED, told
