"""The reads that a plan asks for: which records bear a Case's key, which row has a name. In batches."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.core.errors import ConditionDropped, PartialTruth, Rejected, RemoteError
from reconciler.core.model import Case, Incident, Pair, System
from reconciler.core.planning.decide import decide
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan, Question, until_answered
from reconciler.core.policies.existing import Terms
from reconciler.engine.context import Context
from reconciler.store.values import Pulled

log = logging.getLogger(__name__)

NAMES_BELIEVED_FOR = timedelta(days=1)
"""Groups and people are renamed, replaced and retired; a name that was looked up longer ago is looked up again."""
NAMES_AT_ONCE = 50
CASES_AT_ONCE = 200
"""So many are asked for in one request."""
MOST_SINGLED_OUT = 10
"""More look-ups of a cycle than these that do not show everything are no matter of single records."""


@dataclass
class Lookups:
    """Complete a plan; remember which connectors did not answer, and which look-ups were refused."""

    context: Context
    knowledge: Knowledge
    failed: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer"""
    partial: dict[tuple[str, str, str], PartialTruth] = field(default_factory=dict)
    """(connector, table, Case id or name) -> why what is there for it was not shown whole"""
    not_understood: set[tuple[str, str]] = field(default_factory=set)
    """(connector, table) of which an instance did not understand what ``existing`` asks"""

    def complete(self, plan: Plan, pairs: dict[str, Pair]) -> Plan:
        """Answer the plan's questions and decide again, until there are none.

        A link whose connector does not answer, or whose own look-up does not show everything, keeps its questions,
        and so has no actions; one whose own look-up is refused is held. ``pairs`` gains what was learned about its
        Cases.
        """

        def open_questions(plan: Plan) -> list[Question]:
            return [question for question in plan.questions if self._may_ask(question)]

        def again(plan: Plan, questions: Sequence[Question]) -> Plan:
            self._answer(questions)
            return replace(plan, decisions=tuple(self._again(decision, pairs) for decision in plan.decisions))

        plan = until_answered(plan, open_questions, again)
        return self._with_addresses(plan, pairs) if self.context.settings.ask_deep_links else plan

    def _with_addresses(self, plan: Plan, pairs: dict[str, Pair]) -> Plan:
        """Ask once for the console address of each Case that gets a record now, and decide again with it."""
        decisions = []
        for decision in plan.decisions:
            case_id = decision.link.case_id
            is_first = any(action.from_stage is None for action in decision.actions)
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
            listed = sorted(names | (self._stale(connector, table) if name_field else set()))
            at_once = NAMES_AT_ONCE if name_field else CASES_AT_ONCE
            for start in range(0, len(listed), at_once):
                self.context.step(f"looking into {table}", start, len(listed))
                self._look_up(connector, table, name_field, listed[start : start + at_once])

    def _answer_existing(self, questions: Sequence[Question]) -> None:
        grouped: dict[tuple[str, str], dict[str, Terms]] = defaultdict(dict)
        for question in questions:
            grouped[question.connector, question.table][question.name] = question.terms
        for (connector, table), asked in sorted(grouped.items(), key=lambda item: item[0]):
            self.context.step(f"looking for other records in {table}", 0, len(asked))
            try:
                self._look_for_existing(connector, table, asked)
            except ConditionDropped as error:
                # No fewer Cases would make the instance understand it, so nobody's is asked again in this cycle.
                self.not_understood |= {(connector, table)}
                self.partial[connector, table, "existing"] = error

    def _look_for_existing(self, connector: str, table: str, asked: Mapping[str, Terms]) -> None:
        """Look for many Cases at once; where that is refused, in halves, until the one that is refused stands alone."""
        if connector in self.failed:
            return
        try:
            found = self.context.connectors[connector].find_existing(table, asked)
        except ConditionDropped:
            raise
        except (Rejected, PartialTruth) as error:
            if len(asked) == 1:
                self._single_out(error, (connector, table, next(iter(asked))))
                return
            for half in _halves(asked):
                self._look_for_existing(connector, table, half)
        except RemoteError as error:
            self.failed[connector] = error
        else:
            by_case = {(connector, case_id): records for case_id, records in found.items()}
            self.knowledge = replace(self.knowledge, existing={**self.knowledge.existing, **by_case})

    def _look_up(self, connector: str, table: str, name_field: str, names: Sequence[str]) -> None:
        """Look names up at once; where that is refused, in halves, until the one that is refused stands alone."""
        if connector in self.failed:
            return
        try:
            if name_field:
                self._look_up_names(connector, table, name_field, names)
            else:
                self._look_up_records(connector, table, names)
        except (Rejected, PartialTruth) as error:
            if len(names) == 1:
                self._single_out(error, (connector, table, names[0]))
                return
            middle = len(names) // 2
            for half in (names[:middle], names[middle:]):
                self._look_up(connector, table, name_field, half)
        except RemoteError as error:
            self.failed[connector] = error

    def _single_out(self, error: Rejected | PartialTruth, where: tuple[str, str, str]) -> None:
        """Keep one refused look-up from stopping others; where there are many, it is no matter of one."""
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
        """Name what was looked up in a table too long ago, so that it is looked up again together."""
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


def _halves(asked: Mapping[str, Terms]) -> tuple[dict[str, Terms], dict[str, Terms]]:
    case_ids = list(asked)
    first = set(case_ids[: len(case_ids) // 2])
    return (
        {case_id: terms for case_id, terms in asked.items() if case_id in first},
        {case_id: terms for case_id, terms in asked.items() if case_id not in first},
    )
