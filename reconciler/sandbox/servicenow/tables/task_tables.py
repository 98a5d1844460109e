"""The further task tables that a config may name as its target: their states, and which of them means what.

Each instance may change these; the values are those of the base system as the product documentation lists them, or as
integrations use them (assumed where they differ between versions, as for security incidents).
"""

from __future__ import annotations

from functools import lru_cache

from reconciler.sandbox.servicenow.tables.schema import Lifecycle, Schema, task_schema

PROBLEM_STATES = {
    "101": "New",
    "102": "Assess",
    "103": "Root Cause Analysis",
    "104": "Fix in Progress",
    "106": "Resolved",
    "107": "Closed",
}
CHANGE_STATES = {
    "-5": "New",
    "-4": "Assess",
    "-3": "Authorize",
    "-2": "Scheduled",
    "-1": "Implement",
    "0": "Review",
    "3": "Closed",
    "4": "Canceled",
}
TASK_STATES = {
    "-5": "Pending",
    "1": "Open",
    "2": "Work in Progress",
    "3": "Closed Complete",
    "4": "Closed Incomplete",
    "7": "Closed Skipped",
}
SECURITY_STATES = {
    "10": "Draft",
    "16": "Analysis",
    "18": "Contain",
    "19": "Eradicate",
    "20": "Recover",
    "21": "Review",
    "100": "Review",
    "3": "Closed",
    "7": "Cancelled",
}


@lru_cache(maxsize=1)
def further_task_tables() -> tuple[Schema, ...]:
    """Describe ``problem``, ``change_request``, ``sc_task`` and ``sn_si_incident``."""
    problem = Lifecycle(new="101", in_progress="104", on_hold="", resolved="106", closed="107", canceled="")
    change = Lifecycle(new="-5", in_progress="-1", on_hold="", resolved="0", closed="3", canceled="4")
    task = Lifecycle(
        new="1", in_progress="2", on_hold="-5", resolved="", closed="3", canceled="4", also_over=frozenset({"7"})
    )
    security = Lifecycle(new="10", in_progress="18", on_hold="", resolved="21", closed="3", canceled="7")
    return (
        task_schema("problem", "PRB", states=PROBLEM_STATES, lifecycle=problem),
        task_schema("change_request", "CHG", states=CHANGE_STATES, lifecycle=change),
        task_schema("sc_task", "SCTASK", states=TASK_STATES, lifecycle=task),
        task_schema("sn_si_incident", "SIR", states=SECURITY_STATES, lifecycle=security),
    )


def custom_table(name: str) -> Schema:
    """Describe a task table of somebody's own, with the states of ``incident``."""
    letters = "".join(letter for letter in name.removeprefix("x_").removeprefix("u_") if letter.isalpha())
    return task_schema(name, letters[:3].upper() or "TSK")
