"""What a backfill will cost, as it is told before it starts."""

from __future__ import annotations

from reconciler.core.policies.existing import Existing
from reconciler.engine.estimate import READS_A_PART, estimate
from reconciler.engine.parts import BackfillRequest
from reconciler.remotes.ports import IDS_A_REQUEST
from tests.builders import an_inbound, policies
from tests.world import World

MANY = BackfillRequest(refs=tuple(f"CASE-{number}" for number in range(IDS_A_REQUEST)))


def test_a_look_for_records_by_the_keys_of_cases_is_as_large_as_the_look_up_makes_it() -> None:
    cost = estimate(World().context, MANY, pause_seconds=0)
    assert cost.to_servicenow == len(MANY.refs) + 1 + READS_A_PART


def test_a_look_for_records_by_other_means_holds_fewer_cases() -> None:
    asking = policies(inbound=an_inbound(existing=Existing.compile("short_descriptionLIKE{{ case.key }}")))
    cost = estimate(World(rules=asking).context, MANY, pause_seconds=0)
    assert cost.to_servicenow == len(MANY.refs) + 1 + 4 + READS_A_PART
