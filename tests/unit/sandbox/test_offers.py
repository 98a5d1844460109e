"""What a sandbox offers for a config to name, beside what every one holds."""

from __future__ import annotations

import pytest

from reconciler.sandbox.both import Offers, Sandbox
from reconciler.sandbox.clock import SandboxClock
from tests.builders import NOW


@pytest.mark.parametrize(
    ("offers", "table", "name"),
    [
        (Offers(groups=("Service Desk", "SRE", "SRE")), "sys_user_group", "Service Desk"),
        (Offers(groups=("Service Desk", "SRE", "SRE")), "sys_user_group", "SRE"),
        (Offers(users=("Beth Anglin", "Ada Lovelace")), "sys_user", "Beth Anglin"),
        (Offers(users=("Beth Anglin", "Ada Lovelace")), "sys_user", "Ada Lovelace"),
        (Offers(items=("checkout",)), "cmdb_ci_service", "checkout"),
        (Offers(items=("checkout",)), "cmdb_ci", "checkout"),
    ],
)
def test_a_name_that_is_offered_is_there_once(offers: Offers, table: str, name: str) -> None:
    """Two rows of one name would be found by nothing that looks a name up."""
    sandbox = Sandbox(SandboxClock(NOW), offers=offers)
    assert [row["name"] for row in sandbox.servicenow.tables.named(table)].count(name) == 1
