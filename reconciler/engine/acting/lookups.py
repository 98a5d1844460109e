"""The look-ups that a plan asks for, in batches: which records bear a Case's key, which row has a name."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from reconciler.core.batches import batches
from reconciler.core.copies import replace
from reconciler.core.errors import ConditionDropped, PartialTruth, Rejected, RemoteError
from reconciler.core.model import Case, Incident, Pair, System
from reconciler.core.planning.decide import decide
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan, Question, until_answered
from reconciler.core.policies.existing import Terms
from reconciler.core.policies.policies import Policies
from reconciler.engine.context import Context
from reconciler.remotes.ports import IDS_A_REQUEST, NAMES_A_REQUEST
from reconciler.store.store import Store
from reconciler.store.values import Learned, Pulled

log = logging.getLogger(__name__)

NAMES_BELIEVED_FOR = timedelta(days=1)
"""Groups and people are renamed, replaced and retired; a name that was looked up longer ago is looked up again."""
MOST_SINGLED_OUT = 10
"""If more look-ups of a cycle than this are incomplete, the connector counts as failed."""


@dataclass
class Lookups:
    """Answer a plan's questions; collect which connectors did not answer and which look-ups were refused."""

    context: Context
    knowledge: Knowledge
    failed: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer"""
    partial: dict[tuple[str, str, str], PartialTruth] = field(default_factory=dict)
    """(connector, table, Case id or name) -> why its look-up was incomplete"""
    not_understood: set[tuple[str, str]] = field(default_factory=set)
    """(connector, table) where the instance dropped a condition of ``existing``"""

    def complete(self, plan: Plan, pairs: dict[str, Pair]) -> Plan:
        """Answer the plan's questions and decide again, until there are none.

        A link whose connector does not answer, or whose look-up is incomplete, keeps its questions and so has no
        actions; one whose look-up is refused is held. ``pairs`` is updated with what was learned about its Cases.
        """

        def open_questions(plan: Plan) -> list[Question]:
            return [question for question in plan.questions if self._may_ask(question)]

        def again(plan: Plan, questions: Sequence[Question]) -> Plan:
            self._answer(questions)
            return replace(plan, decisions=tuple(self._again(decision, pairs) for decision in plan.decisions))

        plan = until_answered(plan, open_questions, again)
        if not self.context.settings.ask_deep_links:
            return plan
        return until_answered(self._with_addresses(plan, pairs), open_questions, again)

    def _with_addresses(self, plan: Plan, pairs: dict[str, Pair]) -> Plan:
        """Read the console address of each Case that gets a record now, or would with it, and decide again with it."""
        decisions = []
        for decision in plan.decisions:
            case_id = decision.link.case_id
            may_lack_it = decision.is_rejected and not decision.link.sys_id
            is_first = may_lack_it or any(action.from_stage is None for action in decision.actions)
            if is_first and not pairs[case_id].case.url and (url := self._address(case_id)):
                case = replace(pairs[case_id].case, url=url)
                pairs[case_id] = replace(pairs[case_id], case=case)
                self._remember_address(case)
                decision = decide(pairs[case_id], self.context.policies, self.knowledge)  # noqa: PLW2901
            decisions.append(decision)
        return replace(plan, decisions=tuple(decisions))

    def _address(self, case_id: str) -> str:
        try:
            return self.context.cases.deep_link(case_id)
        except RemoteError:
            return ""  # a record without the address is better than none

    def _remember_address(self, case: Case) -> None:
        self.context.remember(Pulled(system=System.CORALOGIX, cases=(case,), read_now=True))

    def _again(self, decision: Decision, pairs: Mapping[str, Pair]) -> Decision:
        if not decision.questions:
            return decision
        return decide(pairs[decision.link.case_id], self.context.policies, self.knowledge)

    def _answer(self, questions: Sequence[Question]) -> None:
        self._answer_existing([question for question in questions if question.terms])
        grouped: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for question in (question for question in questions if not question.terms):
            grouped[question.connector, question.table, question.name_field].add(question.name)
        for (connector, table, name_field), names in sorted(grouped.items()):
            if name_field:
                names |= self._stale(connector, table)  # noqa: PLW2901 - looked up again together
                ask = partial(self._look_up_names, connector, table, name_field)
            else:
                ask = partial(self._look_up_records, connector, table)
            size = NAMES_A_REQUEST if name_field else IDS_A_REQUEST
            for number, batch in enumerate(batches(sorted(names), size)):
                self.context.step(f"looking into {table}", number * size, len(names))
                self._in_halves(connector, table, batch, ask)

    def _answer_existing(self, questions: Sequence[Question]) -> None:
        grouped: dict[tuple[str, str], dict[str, Terms]] = defaultdict(dict)
        for question in questions:
            grouped[question.connector, question.table][question.name] = question.terms
        for (connector, table), asked in sorted(grouped.items(), key=lambda item: item[0]):
            self.context.step(f"looking for other records in {table}", 0, len(asked))
            try:
                self._in_halves(
                    connector, table, list(asked), partial(self._look_for_existing, connector, table, asked)
                )
            except ConditionDropped as error:
                # The instance would not understand it for fewer Cases either, so it is not asked again in this cycle.
                self.not_understood |= {(connector, table)}
                self.partial[connector, table, "existing"] = error

    def _in_halves(
        self, connector: str, table: str, names: Sequence[str], ask: Callable[[Sequence[str]], None]
    ) -> None:
        """Ask about many names at once; when that is refused, in halves, until a refused name stands alone."""
        if connector in self.failed:
            return
        try:
            ask(names)
        except ConditionDropped:
            raise
        except (Rejected, PartialTruth) as error:
            if len(names) == 1:
                self._single_out(error, (connector, table, names[0]))
                return
            for half in batches(names, (len(names) + 1) // 2):
                self._in_halves(connector, table, half, ask)
        except RemoteError as error:
            self.failed[connector] = error

    def _look_for_existing(
        self, connector: str, table: str, asked: Mapping[str, Terms], case_ids: Sequence[str]
    ) -> None:
        terms = {case_id: asked[case_id] for case_id in case_ids}
        found = self.context.connectors[connector].find_existing(table, terms)
        by_case = {(connector, case_id): records for case_id, records in found.items()}
        self.knowledge = replace(self.knowledge, existing={**self.knowledge.existing, **by_case})

    def _single_out(self, error: Rejected | PartialTruth, where: tuple[str, str, str]) -> None:
        """Record one refused or incomplete look-up; if there are many, the connector counts as failed."""
        if isinstance(error, Rejected):
            refused = {**self.knowledge.refused, where: str(error)}
            self.knowledge = replace(self.knowledge, refused=refused)
            return
        self.partial[where] = error
        if len(self.partial) > MOST_SINGLED_OUT:
            self.failed[where[0]] = error

    def _may_ask(self, question: Question) -> bool:
        where = (question.connector, question.table, question.name)
        is_understood = not question.terms or where[:2] not in self.not_understood
        return question.connector not in self.failed and where not in self.partial and is_understood

    def _look_up_records(self, connector: str, table: str, case_ids: Sequence[str]) -> None:
        found: dict[tuple[str, str], tuple[Incident, ...]] = {(connector, case_id): () for case_id in case_ids}
        for record in self.context.connectors[connector].find(table, case_ids):
            found[connector, record.correlation_id] += (record,)
        self.knowledge = replace(self.knowledge, records={**self.knowledge.records, **found})

    def _stale(self, connector: str, table: str) -> set[str]:
        """Return the names of a table that were looked up too long ago, to look them up again together."""
        facts = self.context.store.facts
        fresh = facts.references(connector, table, since=self.context.clock() - NAMES_BELIEVED_FOR)
        return set(facts.references(connector, table)) - set(fresh)

    def _look_up_names(self, connector: str, table: str, name_field: str, names: Sequence[str]) -> None:
        facts = self.context.store.facts
        before = facts.references(connector, table)
        found = dict(self.context.connectors[connector].reference(table, name_field, names))
        facts.remember_references(connector, table, found, now=self.context.clock())
        gone = [name for name in names if name in before and name not in found]
        if gone:
            facts.forget_references(connector, table, gone)
        for name in sorted(name for name in names if before.get(name) not in (None, "", found.get(name))):
            told = {"connector": connector, "table": table, "named": name, "was": before[name]}
            log.warning("a name leads to another row than before, or to none", extra=told | {"now": found.get(name)})
        answers = {(connector, table, name): found.get(name, "") for name in names}
        self.knowledge = replace(self.knowledge, references={**self.knowledge.references, **answers})


def remembered_knowledge(
    store: Store, policies: Policies, now: datetime, *, believed_for: timedelta | None = None
) -> Knowledge:
    """Collect what a decision may use without a request: the time of the first start, what was learned, and names.

    ``believed_for`` is for who may ask again: names that were looked up earlier, or in vain earlier, are left out then.
    Without it a name counts however old it is, and one that was not found is open.
    """
    connectors = policies.all_connectors
    since = None if believed_for is None else now - believed_for
    known = _remembered_references(store, policies, connectors, since)
    return Knowledge(
        now=now,
        origin=store.facts.origin() or now,
        references={name: sys_id for name, sys_id in known.items() if sys_id or since},
        notes_counted=_learned(store, connectors, Learned.NOTES_COUNTED),
        ids_not_honoured=_learned(store, connectors, Learned.IDS_NOT_HONOURED),
    )


def _remembered_references(
    store: Store, policies: Policies, connectors: Iterable[str], since: datetime | None
) -> Mapping[tuple[str, str, str], str]:
    """Return (connector, table, name) -> ``sys_id`` of the names that were looked up, ``since`` a time if given."""
    tables = {rule.table for inbound in policies.inbound.values() for rule in inbound.references.values()}
    return {
        (connector, table, name): sys_id
        for connector in connectors
        for table in tables
        for name, sys_id in store.facts.references(connector, table, since=since).items()
    }


def _learned(store: Store, connectors: Iterable[str], what: Learned) -> frozenset[str]:
    """Name the connectors of whose instances this was learned."""
    return frozenset(name for name in connectors if store.facts.get(what.of(name)))
