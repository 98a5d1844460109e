"""What a cycle logs for people: holds that began or ended, the outcome of each write, the chain's head.

Each message is constant, and its facts are fields. Rules of this file: a hold is logged once when it begins and once
when it ends; a write that failed is a warning with the service's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from reconciler.core.model import Outcome, Result
from reconciler.engine.report import ended_well
from reconciler.store.store import Store

log = logging.getLogger(__name__)

_ENDED_BADLY = {
    Result.REJECTED: "a write was rejected",
    Result.UNKNOWN: "the outcome of a write is not known",
    Result.RETRY: "a write failed and is tried again",
}


def tell_outcome(outcome: Outcome) -> None:
    """Log how one action ended, as a warning if it failed."""
    action = outcome.action
    facts = {
        "kind": action.kind.value,
        "case": action.case_key or action.case_id,
        "record": outcome.incident.number if outcome.incident else action.number or action.sys_id,
        "connector": action.connector,
        "stage": action.to_stage.word,
        "result": outcome.result.value,
        "detail": outcome.detail,
    }
    level = logging.INFO if ended_well(outcome) else logging.WARNING
    words = _ENDED_BADLY.get(outcome.result, "action ended")
    log.log(level, words, extra=_known(facts))


def tell_side_stopped(side: str, because: str) -> None:
    """Log that nothing more is sent to a side in this cycle; its actions are planned again."""
    log.warning("nothing more is sent to a side in this cycle", extra={"side": side, "because": because})


def tell_holds(store: Store, before: Mapping[str, str]) -> None:
    """Log which holds began and which ended since ``before``, the reason of each held Case."""
    now = store.links.held()
    began = [case_id for case_id, reason in now.items() if before.get(case_id) != reason]
    for row in store.reports.holds_of(began):
        facts = {"case": row["case_key"] or row["case_id"], "record": row["number"], "reason": row["reason"]}
        log.warning("a hold began", extra=_known(facts | {"detail": row["detail"]}))
    for case_id, reason in before.items():
        if now.get(case_id) != reason:
            pair = store.links.pair(case_id)
            facts = {"case": (pair.case.key if pair else None) or case_id, "record": pair.link.number if pair else None}
            log.info("a hold ended", extra=_known(facts | {"reason": reason}))


def tell_head(store: Store) -> None:
    """Log the chain's head, so that a later database can be checked against the log."""
    seq, head = store.ledger.head()
    log.info("head of the chain", extra={"seq": seq, "head": head.hex()})


def _known(facts: Mapping[str, object]) -> dict[str, object]:
    """Leave out empty facts: a Case may be held before it has a record."""
    return {name: value for name, value in facts.items() if value}


def tell_clock_ahead(now: datetime, said: datetime) -> None:
    """Warn that this machine's clock runs ahead of a service's, whose time counts for what is old."""
    facts = {"here": now.isoformat(timespec="seconds"), "coralogix": said.isoformat(timespec="seconds")}
    log.warning("the clock of this machine runs ahead: what is old is counted by that of Coralogix", extra=facts)
