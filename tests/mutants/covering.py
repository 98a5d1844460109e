"""Faults in the account of a window."""

from __future__ import annotations

from tests.mutants.fault import fault

COVERED = "tests/scenario/test_coverage.py"

COVERING = (
    fault(
        "a Case that the database does not know needs no word",
        "reconciler/audit/coverage:_findings",
        "not found and seen.remembered is None and decided.skip is None",
        "False",
        f"{COVERED}::test_a_case_that_was_hidden_from_the_daemon_is_found",
    ),
    fault(
        "a record without a link is passed over",
        "reconciler/audit/coverage:_findings",
        "strays and not link.sys_id",
        "False",
        f"{COVERED}::test_a_link_row_that_was_deleted_is_found",
    ),
    fault(
        "an access policy that hides Cases is passed over",
        "audit/fresh:FreshReading._sweep",
        "page.truncated",
        "False",
        f"{COVERED}::test_a_page_that_is_truncated_is_never_called_complete",
    ),
    fault(
        "rows that are counted and not shown are passed over",
        "remotes/ports:IncidentPage.not_shown",
        "self.hidden + sum(not one.raw for one in self.malformed)",
        "0",
        f"{COVERED}::test_rows_that_an_acl_hides_are_found_and_the_account_is_not_complete",
    ),
    fault(
        "one listing of Cases is believed alone",
        "reconciler/audit/coverage:left_out",
        "sorted({*by_creation, *by_change})",
        "[]",
        f"{COVERED}::test_a_case_that_one_listing_leaves_out_is_never_called_complete",
    ),
    fault(
        "a linked record that is gone is passed over",
        "reconciler/audit/coverage:_findings",
        "link.sys_id and linked is None and link.table != EVENT_TABLE",
        "False",
        f"{COVERED}::test_a_record_is_named_that_is_gone_doubled_or_nobodys",
    ),
    fault(
        "what the next cycle would do is in step",
        "reconciler/audit/coverage:_undone",
        "one.kind in STEPS",
        "False",
        f"{COVERED}::test_pairs_that_are_out_of_step_are_named_with_since_when",
    ),
)
