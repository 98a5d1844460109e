"""Faults in what keeps time, and in how a call or the daemon is stopped and told to read its config anew."""

from __future__ import annotations

from tests.mutants.fault import fault

SIGNALS = "tests/system/test_signals.py"
RELOAD = "tests/unit/daemon/test_reload.py"

KEEPING = (
    fault(
        "a damaged snapshot is taken for one that is missing",
        "store.links:_pair",
        "incident_text is not None and incident is None",
        "False",
        "tests/unit/store/test_links.py::"
        "test_a_damaged_snapshot_is_told_leaves_out_its_own_case_and_is_replaced_by_the_next_reading",
    ),
    fault(
        "a damaged snapshot is named in the log alone",
        "engine/cycle:_Cycle._plan",
        "store.links.quarantine_damaged(now)",
        "pass",
        "tests/scenario/test_one_bad_link.py::"
        "test_a_damaged_snapshot_stops_its_own_case_and_is_in_the_quarantine_until_it_is_read_again",
    ),
    fault(
        "a database is migrated without a copy of it",
        "store:Store.open",
        "is_older(connection)",
        "False",
        "tests/unit/store/opening/test_opening.py::test_a_database_of_an_older_version_is_copied_before_it_is_changed",
    ),
    fault(
        "a full disk ends the daemon",
        "connection:store_error",
        "kind in _PASSES",
        "kind == 'SQLITE_BUSY'",
        "tests/system/test_disk.py::test_a_full_disk_stops_cycles_and_nothing_else",
    ),
    fault(
        "a secret that changed on disk is not taken up",
        "live:LiveContext._take_up_secrets",
        "secret_values(self._config) == self._secrets",
        "self._secrets",
        f"{SIGNALS}::test_a_secret_that_changes_on_disk_is_taken_up_without_a_signal",
    ),
    fault(
        "a daemon may be led to another database",
        "live:LiveContext.reload",
        "mine != named",
        "False",
        f"{SIGNALS}::test_a_running_daemon_stays_with_its_database",
    ),
    fault(
        "a wrong config is forgotten in the status line",
        "reload:Reloader.add_to",
        "f'{status} | the config on disk is not in force: {self._refused}' if self._refused else status",
        "f'{status} | the config on disk is not in force: {self._refused}' if not status else status",
        f"{RELOAD}::test_a_config_that_cannot_be_used_leaves_the_old_one_and_says_why",
    ),
    fault(
        "the manager is left waiting after a reload",
        "reload:Reloader.take_up",
        "self._notifier.ready()",
        "",
        f"{RELOAD}::test_a_good_config_is_taken_up_and_the_next_cycle_comes_at_once",
    ),
    fault(
        "nohup is not honoured",
        "signals:signals_into",
        "not (each is signal.SIGHUP and before[each] is signal.SIG_IGN)",
        "each",
        f"{RELOAD}::test_a_hang_up_that_is_ignored_stays_ignored",
    ),
    fault(
        "a call that is stopped counts as done",
        "cycle:_Cycle._result",
        "CycleResult.STOPPED if may_be_cut and is_cut else result",
        "result",
        f"{SIGNALS}::test_a_call_that_is_stopped_finishes_the_action_in_hand",
    ),
    fault(
        "a log that may not be read goes unsaid",
        "database.access:why_unreadable",
        "(path, *companions(path))",
        "(path,)",
        "tests/unit/store/database/test_access.py::test_who_may_not_read_the_log_beside_it_is_told_of_that",
    ),
    fault(
        "a folder that may not be entered is one without a database",
        "database.access:is_there",
        "PermissionError",
        "BlockingIOError",
        "tests/unit/store/database/test_access.py::test_who_may_not_enter_the_folder_is_told_of_that",
    ),
    fault(
        "what is old is counted by a clock that runs ahead",
        "engine.cycle:_Cycle._sure_time",
        "min(now, newest) if newest else None",
        "now",
        "tests/scenario/test_retention.py::test_a_clock_that_jumps_ahead_prunes_nothing_and_is_told_once",
    ),
    fault(
        "nothing goes while the clock runs ahead",
        "engine.cycle:_Cycle._sure_time",
        "min(now, newest) if newest else None",
        "min(now, newest) if newest and now - newest < CLOCK_AHEAD else None",
        "tests/scenario/test_retention.py::test_what_is_old_goes_also_while_the_clock_runs_ahead",
    ),
)
