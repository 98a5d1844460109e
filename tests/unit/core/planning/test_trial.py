"""What a config makes of one Case, and what another would have made of many."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.expressions.conditions import Condition
from reconciler.core.findings import Code
from reconciler.core.model import ActionKind, Skip, SkipReason, Stage
from reconciler.core.planning.preview.backtest import Difference, DifferenceKind, Replayed, replay
from reconciler.core.planning.preview.trial import try_out
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.lint import advice
from reconciler.core.policies.policies import Policies, Reference
from reconciler.core.policies.requirements import NamedRow, explained_states, named_rows, sent_values
from tests.builders import (
    CASE_ID,
    a_case,
    a_link,
    a_route,
    an_inbound,
    an_incident,
    an_outbound,
    an_unlinked,
    compiled,
    condition,
    known,
    policies,
    template,
)


def two_routes() -> Policies:
    urgent = a_route(name="urgent", when=condition('case.priority == "P1"'))
    return policies(routes=(urgent, a_route(name="rest", fallback=True)))


class TestTrial:
    def test_names_the_route_that_took_the_case_and_why_the_others_did_not(self) -> None:
        shown = try_out(a_case(priority="P3"), two_routes(), known())
        assert [(trace.route, trace.took, trace.words) for trace in shown.routes] == [
            ("urgent", False, "when: it is false"),
            ("rest", True, "takes the Case"),
        ]

    def test_gives_the_whole_request(self) -> None:
        shown = try_out(a_case(), policies(), known())
        assert shown.request is not None
        assert shown.request.kind is ActionKind.CREATE_INCIDENT
        assert shown.request.fields["correlation_id"] == CASE_ID
        assert shown.request.fields["correlation_display"] == "Coralogix"
        assert len(shown.request.fields["sys_id"]) == 32
        assert shown.request.fields["short_description"] == "CASE-123: Payments are slow"

    def test_renders_each_field_of_each_step_and_one_failure_hides_no_other(self) -> None:
        failing = an_inbound(fields=compiled({}, u_team='{{ case.labels["team"] }}', urgency="2"))
        shown = try_out(a_case(), policies(inbound=failing), known())
        by_place = {(one.part, one.field): one for one in shown.rendered}
        assert by_place["fields", "urgency"].value == "2"
        assert "team" in by_place["fields", "u_team"].problem
        assert by_place["on_resolve", "close_code"].value == "Solution provided"
        assert shown.request is None
        assert "u_team" in shown.problem

    def test_shows_a_row_that_would_be_looked_up_by_its_name(self) -> None:
        inbound = an_inbound(on_create=compiled({}, assignment_group="Network"))
        shown = try_out(a_case(), policies(inbound=inbound), known())
        assert shown.request is not None
        assert shown.request.fields["assignment_group"] == "<sys_user_group Network>"
        looked_up = known(references={("main", "sys_user_group", "Network"): "ab" * 16})
        shown = try_out(a_case(), policies(inbound=inbound), looked_up)
        assert shown.request is not None
        assert shown.request.fields["assignment_group"] == "ab" * 16

    def test_a_case_that_may_have_a_record_by_other_means_is_shown_as_one_that_has_none(self) -> None:
        inbound = an_inbound(existing=Existing.compile("short_descriptionLIKE{{ case.key }}"))
        shown = try_out(a_case(), policies(inbound=inbound), known())
        assert shown.request is not None
        assert shown.request.kind is ActionKind.CREATE_INCIDENT

    def test_says_why_there_is_no_record(self) -> None:
        narrow = policies(inbound=an_inbound(create_when=condition("case.priority == 'P1'")))
        shown = try_out(a_case(), narrow, known())
        assert shown.refusal is not None
        assert shown.refusal.reason is SkipReason.NOT_ROUTED
        assert (shown.link, shown.request, shown.rendered) == (None, None, ())

    def test_an_old_case_is_shown_as_if_it_were_asked_for(self) -> None:
        old = a_case(created_at=a_case().created_at.replace(year=2020))
        assert try_out(old, policies(), known()).request is not None

    def test_tells_what_comes_back_and_with_which_reason(self) -> None:
        record = an_incident(number="INC7", fields={"close_code": "Known error", "close_notes": "as ever"})
        shown = try_out(a_case(), policies(outbound=an_outbound(close_on=frozenset())), known(), record)
        assert shown.asks == {
            "assigned": Stage.ACKNOWLEDGED,
            "in_progress": Stage.ACKNOWLEDGED,
            "on_hold": Stage.ACKNOWLEDGED,
            "resolved": Stage.RESOLVED,
            "closed": Stage.RESOLVED,
        }
        assert shown.reason == "ServiceNow INC7, Known error: as ever"

    def test_nothing_comes_back_on_a_one_way_route(self) -> None:
        shown = try_out(a_case(), policies(routes=(a_route(outbound=""),)), known())
        assert (shown.asks, shown.reason) == (None, "")


def both_sides(source: str) -> Condition:
    return Condition.compile(source, ("case", "incident"))


def test_a_trial_says_whether_a_record_would_follow() -> None:
    rules = policies(inbound=an_inbound(update_when=both_sides("incident.state == '2'")))
    assert "update_when of [inbound.default]" in try_out(a_case(), rules, known(), an_incident(state="6")).withheld
    assert try_out(a_case(), rules, known(), an_incident(state="2")).withheld == ""


class TestReplay:
    """Each difference by itself: the present policies against one change."""

    def compared(self, after: Policies, **of_case: object) -> tuple[Difference, ...]:
        pair = replace(an_unlinked(a_case(**of_case)), link=a_link(), incident=an_incident(state="6"))
        return replay([pair], policies(), after, known(), {}).differences

    def test_the_same_config_differs_in_nothing(self) -> None:
        assert self.compared(policies()) == ()

    def test_a_record_fewer(self) -> None:
        narrow = policies(inbound=an_inbound(create_when=condition("case.priority == 'P1'")))
        (one,) = self.compared(narrow)
        assert (one.kind, one.before) == (DifferenceKind.RECORD_FEWER, "a record in main/incident by everything")
        assert "create_when" in one.after

    def test_a_record_more(self) -> None:
        narrow = policies(inbound=an_inbound(create_when=condition("case.priority == 'P1'")))
        replayed = replay([an_unlinked()], narrow, policies(), known(), {})
        assert [one.kind for one in replayed.differences] == [DifferenceKind.RECORD_MORE]
        assert (replayed.records_before, replayed.records_after) == (0, 1)

    def test_a_record_that_would_follow_no_longer(self) -> None:
        narrow = policies(inbound=an_inbound(update_when=both_sides("incident.state == '2'")))
        (one,) = self.compared(narrow)
        assert (one.kind, one.before) == (DifferenceKind.UPDATES, "follows its Case")
        assert one.after == "update_when of [inbound.default] does not hold: it is false"

    def test_another_route_and_place(self) -> None:
        moved = policies(routes=(a_route(name="new", connector="other"),))
        kinds = {one.kind: (one.before, one.after) for one in self.compared(moved)}
        assert kinds == {
            DifferenceKind.ROUTE: ("everything", "new"),
            DifferenceKind.TARGET: ("main/incident", "other/incident"),
        }

    def test_fields_that_are_added_changed_and_left_out(self) -> None:
        inbound = an_inbound()
        fields = {**inbound.fields, "urgency": template("3"), "u_new": template("{{ case.key }}")}
        on_create = {"description": inbound.on_create["description"]}
        after = policies(inbound=replace(inbound, fields=fields, on_create=on_create))
        assert {(one.name, one.before, one.after) for one in self.compared(after)} == {
            ("urgency", "2", "3"),
            ("u_new", "", "CASE-123"),
            ("category", "software", ""),
        }

    def test_the_step_where_the_case_stands_is_compared(self) -> None:
        after = policies(inbound=an_inbound(on_resolve=compiled({}, state="6", close_code="Known error")))
        assert self.compared(after) == ()
        names = {one.name for one in self.compared(after, status="RESOLVED")}
        assert names == {"close_code", "close_notes"}

    def test_a_template_that_fails_is_shown(self) -> None:
        after = policies(
            inbound=an_inbound(on_create=compiled({}, description="{{ case.assignee }}", category="software"))
        )
        (one,) = self.compared(after)
        assert (one.name, one.after[:8]) == ("description", "(fails: ")

    def test_another_step_is_asked_of_the_case(self) -> None:
        after = policies(outbound=an_outbound(resolve_on=frozenset(), close_on=frozenset({"resolved"})))
        (one,) = self.compared(after)
        assert (one.kind, one.before, one.after) == (DifferenceKind.ASKS, "resolved", "closed")

    def test_a_condition_of_the_way_back_counts(self) -> None:
        never = an_outbound(when=condition('incident.close_code == "x"', roots=("incident", "case")))
        (one,) = self.compared(policies(outbound=never))
        assert (one.before, one.after) == ("resolved", "nothing")


class TestAgainstWhatWasDone:
    """One config against the memory."""

    def replayed(self, rules: Policies, **of_link: object) -> Replayed:
        rendered = {"short_description": "CASE-123: Payments are slow", "impact": "1", "urgency": "2"}
        pair = replace(an_unlinked(), link=a_link(**{"written": rendered, **of_link}), incident=an_incident())
        return replay([pair], None, rules, known(references={("main", "sys_user_group", "Network"): "ab" * 16}), {})

    def test_what_was_done_by_this_config_differs_in_nothing(self) -> None:
        assert self.replayed(policies()).differences == ()

    def test_what_was_written_is_compared_and_what_was_written_once_is_not(self) -> None:
        after = policies(inbound=an_inbound(fields=compiled(dict.fromkeys(("impact", "urgency"), "3")), on_create={}))
        changed = {(one.name, one.before, one.after) for one in self.replayed(after).differences}
        assert changed == {
            ("impact", "1", "3"),
            ("urgency", "2", "3"),
            ("short_description", "CASE-123: Payments are slow", ""),
        }

    def test_a_row_is_compared_by_its_name(self) -> None:
        rules = policies(inbound=an_inbound(fields=compiled({}, assignment_group="Network")))
        assert not self.replayed(rules, written={"assignment_group": "ab" * 16}).differences
        (one,) = self.replayed(rules, written={"assignment_group": "cd" * 16}).differences
        assert (one.before, one.after) == ("cd" * 16, "Network")

    def test_a_case_without_a_record_says_why_it_had_none(self) -> None:
        skip = Skip(case_id=CASE_ID, case_key=None, reason=SkipReason.NOT_ROUTED, detail="no route took the Case")
        (one,) = replay([an_unlinked()], None, policies(), known(), {CASE_ID: skip}).differences
        assert (one.kind, one.before) == (DifferenceKind.RECORD_MORE, "not_routed: no route took the Case")


def words_of(rules: Policies) -> list[str]:
    return [doubt.words for doubt in advice(rules)]


def test_a_template_that_meets_a_value_it_does_not_take_is_told_otherwise_than_one_that_misses_one() -> None:
    fields = compiled({}, urgency='{{ case.labels["env"] | map_to({"prod": 1}) }}')
    rules = policies(inbound=an_inbound(fields=fields), routes=(a_route(labels={"env": ("test",)}),))
    (words,) = words_of(rules)
    assert "urgency: map_to has no entry for 'test', and no default; a Case for which it fails so waits" in words
    assert "add |" not in words


class TestAdvice:
    def test_nothing_is_said_about_the_usual_config(self) -> None:
        assert advice(policies(connectors=frozenset({"main"}))) == ()

    def test_a_route_behind_one_that_takes_everything(self) -> None:
        routes = (a_route(name="all"), a_route(name="late", when=condition("case.priority == 'P1'")))
        (words,) = words_of(policies(routes=routes))
        assert words == "route 'late' is never reached: 'all' stands before it and takes every Case"

    def test_a_route_with_the_condition_of_an_earlier_one(self) -> None:
        same = condition("case.priority == 'P1'")
        routes = (a_route(name="a", when=same), a_route(name="b", when=same), a_route(name="c", fallback=True))
        (words,) = words_of(policies(routes=routes))
        assert "'b' is never reached: 'a' stands before it and has the same condition" in words

    def test_a_pilot_that_leaves_cases_out_is_no_matter(self) -> None:
        assert words_of(policies(routes=(a_route(when=condition("case.priority == 'P1'")),))) == []

    def test_what_no_route_uses(self) -> None:
        rules = policies(connectors=frozenset({"main", "spare"}))
        rules = replace(
            rules,
            inbound={**rules.inbound, "idle": an_inbound(name="idle")},
            outbound={**rules.outbound, "idle": an_outbound(name="idle")},
        )
        assert [words.split(" ")[0] for words in words_of(rules)] == [
            "[inbound.idle]",
            "[outbound.idle]",
            "[servicenow.spare]",
        ]

    def test_of_what_is_named_default_only_the_policies_need_no_route(self) -> None:
        rules = policies(routes=(a_route(inbound="own", outbound=""),), connectors=frozenset({"main", "default"}))
        rules = replace(rules, inbound={**rules.inbound, "own": an_inbound(name="own")})
        assert words_of(rules) == ["[servicenow.default] is used by no route"]

    def test_a_reference_whose_field_nothing_fills(self) -> None:
        inbound = an_inbound(references={**an_inbound().references, "u_owner": Reference(table="sys_user")})
        (words,) = words_of(policies(inbound=inbound))
        assert "u_owner" in words

    def test_a_template_that_a_bare_case_cannot_fill(self) -> None:
        inbound = an_inbound(fields=compiled({}, assignment_group='{{ case.labels["routing.team"] }}'))
        (words,) = words_of(policies(inbound=inbound))
        assert words.startswith("[inbound.default.fields] assignment_group: ")
        assert "default(" in words

    def test_a_label_that_the_route_demands_is_no_matter(self) -> None:
        inbound = an_inbound(fields=compiled({}, assignment_group='{{ case.labels["routing.team"] }} {{ case.key }}'))
        for route in (
            a_route(labels={"routing.team": ("sre",)}),
            a_route(when=condition('case.labels["routing.team"] == "sre"')),
        ):
            rest = a_route(name="rest", inbound="plain", fallback=True)
            rules = policies(routes=(route, rest))
            rules = replace(rules, inbound={"default": inbound, "plain": an_inbound(name="plain")})
            assert words_of(rules) == []

    def test_a_label_that_another_route_of_the_policy_does_not_demand_is_told(self) -> None:
        inbound = an_inbound(fields=compiled({}, assignment_group='{{ case.labels["routing.team"] }}'))
        routes = (a_route(name="sre", labels={"routing.team": ("sre",)}), a_route(name="rest", fallback=True))
        (words,) = words_of(policies(routes=routes, inbound=inbound))
        assert "routing.team has no value here" in words

    def test_each_has_a_code_of_its_own(self) -> None:
        deaf = an_outbound(acknowledge_on=frozenset(), resolve_on=frozenset(), close_on=frozenset())
        assert [doubt.code for doubt in advice(policies(outbound=deaf))] == [Code.DEAF]

    def test_a_comparison_that_can_never_be_true(self) -> None:
        routes = (a_route(name="new", when=condition('case.created_at > "2026-01-01"')), a_route(fallback=True))
        (words,) = words_of(policies(routes=routes))
        assert words.startswith("[[route]] new: when: <, <=, > and >= compare numbers")

    def test_a_way_back_that_listens_to_nothing(self) -> None:
        deaf = an_outbound(acknowledge_on=frozenset(), resolve_on=frozenset(), close_on=frozenset())
        (words,) = words_of(policies(outbound=deaf))
        assert 'outbound = "none"' in words


class TestReliance:
    def test_values_that_are_sent_as_they_stand(self) -> None:
        sent = {(one.field, one.value, one.where) for one in sent_values(an_inbound())}
        assert ("close_code", "Solution provided", "[inbound.default.on_resolve]") in sent
        assert ("state", "2", "[inbound.default.on_acknowledge]") in sent
        assert not {"short_description", "impact"} & {field for field, _, _ in sent}

    def test_rows_by_name_and_by_default(self) -> None:
        group = Reference(table="sys_user_group", default="Service Desk")
        inbound = an_inbound(
            fields=compiled({}, assignment_group="Network", cmdb_ci="ab" * 16),
            references={**an_inbound().references, "assignment_group": group},
        )
        assert set(named_rows(inbound)) == {
            NamedRow(
                table="sys_user_group", name_field="name", name=name, where=f"[inbound.default.{part}] assignment_group"
            )
            for name, part in (("Network", "fields"), ("Service Desk", "references"))
        }

    def test_states_that_a_word_explains(self) -> None:
        rules = policies(states={"main": {"10": "in_progress"}}, inbound=an_inbound(states={"20": "resolved"}))
        explained = explained_states(rules, "main", "incident")
        assert explained["10"] == "[servicenow.main.states]"
        assert explained["20"] == "[inbound.default.states]"
        assert explained["6"] == ""
