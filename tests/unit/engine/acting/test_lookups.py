"""What a decision may use without asking a service."""

from __future__ import annotations

from reconciler.engine.acting.lookups import remembered_knowledge
from reconciler.store.values import Learned
from tests.builders import NOW, SYS_ID, policies
from tests.store_helpers import empty_store


def test_what_was_learned_of_an_instance_is_used_where_nothing_is_asked() -> None:
    with empty_store() as store:
        for what in Learned:
            store.facts.put(what.of("main"), SYS_ID)
        knowledge = remembered_knowledge(store, policies(), NOW)
    assert (knowledge.notes_counted, knowledge.ids_not_honoured) == (frozenset({"main"}), frozenset({"main"}))
