"""What a decision may use without asking a service."""

from __future__ import annotations

from datetime import timedelta

from reconciler.core.policies.policies import Reference
from reconciler.engine.acting.lookups import NAMES_BELIEVED_FOR, remembered_knowledge
from reconciler.store.values import Learned
from tests.builders import NOW, SYS_ID, an_inbound, policies
from tests.store_helpers import empty_store


def test_what_was_learned_of_an_instance_is_used_where_nothing_is_asked() -> None:
    with empty_store() as store:
        for what in Learned:
            store.facts.put(what.of("main"), SYS_ID)
        knowledge = remembered_knowledge(store, policies(), NOW)
    assert (knowledge.notes_counted, knowledge.ids_not_honoured) == (frozenset({"main"}), frozenset({"main"}))


def test_it_is_used_of_an_instance_too_that_no_route_leads_to_any_more() -> None:
    with empty_store() as store:
        store.facts.put(Learned.NOTES_COUNTED.of("old"), SYS_ID)
        knowledge = remembered_knowledge(store, policies(connectors=frozenset({"main", "old"})), NOW)
    assert knowledge.notes_counted == {"old"}


def test_a_name_that_may_be_asked_for_again_is_believed_for_a_time_and_its_absence_too() -> None:
    groups = "sys_user_group"
    rules = policies(inbound=an_inbound(references={"assignment_group": Reference(table=groups)}))
    with empty_store() as store:
        store.facts.remember_references("main", groups, {"old": SYS_ID}, NOW - timedelta(days=2))
        store.facts.remember_references("main", groups, {"new": SYS_ID, "none": ""}, NOW)
        whole = remembered_knowledge(store, rules, NOW).references
        fresh = remembered_knowledge(store, rules, NOW, believed_for=NAMES_BELIEVED_FOR).references
    assert {name for _, _, name in whole} == {"old", "new"}
    assert {name for _, _, name in fresh} == {"new", "none"}
