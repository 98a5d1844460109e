"""The script for ServiceNow's administrators, run by Node.js on tables in memory; skipped where there is no Node.js."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.house.docs_pages import README, rows, section

SCRIPT = Path(__file__).parents[4] / "reconciler" / "remotes" / "servicenow" / "user.js"
NODE = shutil.which("node")
INSTANCE = """
const tables = {sys_user: [], sys_user_role: [{sys_id: 'r1', name: 'itil'}], sys_user_has_role: []};
const printed = [];
globalThis.gs = {print: (line) => printed.push(line)};
globalThis.GlideRecord = class {
    constructor(table) { this.rows = tables[table]; this.wanted = {}; this.row = null; this.isNew = false; }
    get(field, value) { this.row = this.rows.find((row) => row[field] === value) || null; return this.row !== null; }
    initialize() { this.row = {}; this.isNew = true; }
    isNewRecord() { return this.isNew; }
    setValue(field, value) { this.row[field] = value; }
    getUniqueValue() { return this.row.sys_id; }
    insert() { this.row.sys_id = 'id' + this.rows.length; this.rows.push(this.row); return this.row.sys_id; }
    update() { return this.row.sys_id; }
    addQuery(field, value) { this.wanted[field] = value; }
    query() { this.found = this.rows.filter((row) => Object.entries(this.wanted).every(([k, v]) => row[k] === v)); }
    next() { this.row = this.found.shift() || null; return this.row !== null; }
};
const script = require('fs').readFileSync(process.argv[1], 'utf8');
eval(script);
eval(script);
console.log(JSON.stringify({tables, printed}));
"""


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    """Run the script twice on an instance that has one of its roles."""
    if NODE is None:
        pytest.skip("there is no Node.js here")
    done = subprocess.run([NODE, "-e", INSTANCE, str(SCRIPT)], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_it_makes_one_user_as_the_first_page_says(played: dict[str, Any]) -> None:
    [user] = played["tables"]["sys_user"]
    assert (user["user_name"], user["web_service_access_only"], user["time_zone"]) == ("coralogix.sync", True, "GMT")
    assert user["password_needs_reset"] is False


def test_it_gives_each_role_once_and_passes_over_one_that_is_not_there(played: dict[str, Any]) -> None:
    assert [(row["user"], row["role"]) for row in played["tables"]["sys_user_has_role"]] == [("id0", "r1")]
    first, second = played["printed"][:3], played["printed"][3:]
    missing = "snc_basic_auth_api_access: this instance has no such role, and needs none"
    assert first == ["coralogix.sync: id0", "itil: given", missing]
    assert second == ["coralogix.sync: id0", "itil: was given before", missing]


def test_its_roles_are_those_of_the_first_page() -> None:
    page = section(README.read_text(encoding="utf-8"), "Connect your own in ten minutes")
    named = {cell for row in rows(page) for cell in re.findall(r"`([^`]+)`", row[0])}
    assert set(re.findall(r"'(itil\w*|snc_\w+)'", SCRIPT.read_text(encoding="utf-8"))) <= named
