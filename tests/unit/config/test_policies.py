"""What the tables of routes and policies become: defaults, merging, and what is switched off."""

from __future__ import annotations

import pytest

from reconciler.config.template import config_template
from reconciler.core.model import Stage
from reconciler.core.policies import defaults
from reconciler.core.policies.policies import Inbound, Outbound, Reference, Route, WayBack
from tests.unit.config.test_load import MINIMAL, SERVICENOW, problems_of, read

TWO = MINIMAL + SERVICENOW.replace("acme", "other")
OUTAGE = (
    '[inbound.default]\ntable = "u_outage"\n[inbound.default.states]\n-5 = "open"\n2 = "acknowledged"\n3 = "closed"\n'
)


def inbound(text: str) -> Inbound:
    return read(MINIMAL + text).policies.inbound["default"]


def outbound(text: str) -> Outbound:
    return read(MINIMAL + text).policies.outbound["default"]


def routes(text: str) -> tuple[Route, ...]:
    return read(text).policies.routes


def problem_of(text: str) -> str:
    (problem,) = problems_of(MINIMAL + text)
    return problem.split(": ", 1)[1]


class TestRoutes:
    def test_one_route_with_everything(self) -> None:
        (route,) = routes(
            MINIMAL
            + """
            [[route]]
            name = "sre"
            when = 'case.category == "AVAILABILITY"'
            labels = { "routing.team" = "sre", env = ["prod", "stage"] }
            priorities = ["P1", "P2"]
            connector = "acme"
            inbound = "default"
            outbound = "none"
            """
        )
        assert route.labels == {"routing.team": ("sre",), "env": ("prod", "stage")}
        assert route.priorities == ("P1", "P2")
        assert (route.name, route.connector, route.outbound, route.fallback) == ("sre", "acme", "", False)
        assert route.when.source == 'case.category == "AVAILABILITY"'

    def test_the_connector_left_out_is_the_only_one_else_main(self) -> None:
        assert routes(MINIMAL + "[[route]]\n")[0].connector == "acme"
        assert routes(TWO.replace("acme]", "main]"))[0].connector == "main"

    @pytest.mark.parametrize("route", ["", "[[route]]\n"])
    def test_with_several_connectors_a_route_names_one(self, route: str) -> None:
        (problem,) = problems_of(TWO + route)
        assert (
            'route.connector: missing; with several connectors a route names one of them: "acme" or "other"' in problem
        )

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("inbound = 'x'", 'route.inbound: found "x"; allowed is "default"'),
            ("outbound = 'x'", 'route.outbound: found "x"; allowed is "default" or "none"'),
            ("connector = 'main'", 'route.connector: found "main"; allowed is "acme"'),
            ("priorities = []", "an empty list is never true"),
            ("labels = { a = [] }", "route.labels.a: an empty list is never true"),
            ("name = ''", "allowed is a name on one line"),
            ("fallback = true\nwhen = 'case.title'", "route.when: a fallback takes what no other route took"),
            ("fallback = true\npriorities = ['P1']", "route.priorities: a fallback"),
        ],
    )
    def test_refused(self, text: str, words: str) -> None:
        assert words in problem_of("[[route]]\n" + text)

    def test_one_fallback_is_enough(self) -> None:
        one = "[[route]]\nname = 'a'\nfallback = true\nwhen = 'true'\n"
        assert routes(MINIMAL + one)[0].fallback
        assert "there is a fallback already" in problem_of(one + one.replace("'a'", "'b'"))


class TestInbound:
    def test_without_a_table_it_is_the_defaults(self) -> None:
        usual = read(MINIMAL).policies.inbound["default"]
        assert {name: template.source for name, template in usual.fields.items()} == defaults.DEFAULT_FIELDS
        assert {name: template.source for name, template in usual.on_create.items()} == defaults.DEFAULT_ON_CREATE
        assert usual.on_resolve is not None
        assert {name: template.source for name, template in usual.on_resolve.items()} == defaults.DEFAULT_ON_RESOLVE
        assert usual.references == defaults.DEFAULT_REFERENCES
        assert usual.table == "incident"

    def test_fields_stand_beside_the_usual_ones(self) -> None:
        fields = inbound('[inbound.default.fields]\nimpact = false\nu_team = "x"\nshort_description = "s"').fields
        assert set(fields) == (set(defaults.DEFAULT_FIELDS) | {"u_team"}) - {"impact"}
        assert fields["short_description"].source == "s"

    def test_steps_too(self) -> None:
        policy = inbound('[inbound.default.on_resolve]\nclose_code = "Fixed"')
        assert policy.on_resolve is not None
        assert {name: template.source for name, template in policy.on_resolve.items()} == {
            **defaults.DEFAULT_ON_RESOLVE,
            "close_code": "Fixed",
        }

    def test_a_step_is_switched_off_with_false(self) -> None:
        policy = inbound("[inbound.default]\non_close = false")
        assert policy.step(Stage.CLOSED) is None
        assert policy.step(Stage.RESOLVED)
        assert "on_create: found false; allowed is a table" in problem_of("[inbound.default]\non_create = false")

    def test_a_field_has_one_owner(self) -> None:
        usual_in_step = next(iter(defaults.DEFAULT_FIELDS))
        policy = inbound(f'[inbound.default.on_create]\n{usual_in_step} = "once"')
        assert usual_in_step not in policy.fields
        assert policy.on_create[usual_in_step].source == "once"
        usual_once = next(iter(defaults.DEFAULT_ON_CREATE))
        policy = inbound(f'[inbound.default.fields]\n{usual_once} = "kept"')
        assert usual_once not in policy.on_create
        both = '[inbound.default.fields]\nu_a = "x"\n[inbound.default.on_create]\nu_a = "y"'
        assert "on_create.u_a: stands in fields too" in problem_of(both)
        assert "on_create.u_a: stands in fields too" in problem_of(both.replace('"x"', '""'))

    @pytest.mark.parametrize("table", ["fields", "on_create", "on_close"])
    @pytest.mark.parametrize("field", ["sys_id", "correlation_id", "correlation_display", "sys_created_by"])
    def test_fields_that_are_ours(self, table: str, field: str) -> None:
        assert "the program's own" in problem_of(f'[inbound.default.{table}]\n{field} = "x"')

    @pytest.mark.parametrize(("field", "words"), [("priority", "impact and urgency"), ("incident_state", "on_resolve")])
    def test_fields_that_are_not_kept_in_step(self, field: str, words: str) -> None:
        assert words in problem_of(f'[inbound.default.fields]\n{field} = "x"')
        assert inbound('[inbound.default.on_resolve]\nstate = "10"').on_resolve

    def test_a_template_names_only_what_a_case_has(self) -> None:
        assert problem_of('[inbound.default.fields]\nu_a = "{{ case.pirority }}"').startswith(
            "inbound.default.fields.u_a:"
        )

    def test_references(self) -> None:
        text = """
        [inbound.default.references]
        cmdb_ci = { default = "Unknown" }
        u_site = { table = "cmn_location", name_field = "u_code" }
        caller_id = false
        """
        references = inbound(text).references
        assert references["cmdb_ci"].default == "Unknown"
        assert references["cmdb_ci"].table == defaults.DEFAULT_REFERENCES["cmdb_ci"].table
        assert references["u_site"] == Reference(table="cmn_location", name_field="u_code")
        assert "caller_id" not in references
        assert "u_x.table: missing" in problem_of("[inbound.default.references]\nu_x = { default = 'y' }")

    def test_a_table_of_its_own_states(self) -> None:
        policy = inbound(OUTAGE)
        assert policy.states == {"-5": "new", "2": "in_progress", "3": "closed"}
        assert policy.on_acknowledge is not None
        assert policy.on_acknowledge["state"].source == "2"
        assert policy.on_resolve is None
        assert policy.on_close is not None
        assert policy.on_close["state"].source == "3"
        assert not {"category", "close_code"} & {*policy.fields, *policy.on_create, *policy.on_close}

    def test_a_step_that_could_move_nothing_is_told(self) -> None:
        assert "on_resolve: moves nothing" in problem_of(OUTAGE + '[inbound.default.on_resolve]\nwork_notes = "x"')
        policy = inbound(OUTAGE + '[inbound.default.on_resolve]\nstate = "9"')
        assert policy.on_resolve is not None

    def test_events(self) -> None:
        policy = inbound('[inbound.default]\ntable = "em_event"')
        assert "severity" in policy.fields
        assert all(policy.step(stage) is not None for stage in Stage)
        assert policy.on_close is not None
        assert policy.on_close["severity"].source == "0"

    def test_states_of_its_own_for_incident_too(self) -> None:
        assert inbound('[inbound.default.states]\n10 = "resolved"').states == {"10": "resolved"}

    def test_the_way_back_of_events(self) -> None:
        assert inbound('[inbound.default]\ntable = "em_event"\nway_back = "alert"').way_back is WayBack.ALERT
        assert "only for table" in problem_of('[inbound.default]\nway_back = "alert"')
        assert "way_back" in problem_of('[inbound.default]\ntable = "em_event"\nway_back = "mail"')

    @pytest.mark.parametrize("table", ["", "Incident", "incident^x", "sys/user", "1x"])
    def test_names_that_are_no_table(self, table: str) -> None:
        assert "allowed is the name of a table" in problem_of(f'[inbound.default]\ntable = "{table}"')


class TestOutbound:
    def test_without_a_table_it_is_the_defaults(self) -> None:
        policy = read(MINIMAL).policies.outbound["default"]
        assert policy.acknowledge_on == {"assigned", "in_progress", "on_hold"}
        assert policy.resolve_on == {"resolved"}
        assert policy.close_on == {"closed", "canceled"}
        assert policy.reason.source == defaults.DEFAULT_REASON

    def test_a_list_left_out_is_off(self) -> None:
        policy = outbound('[outbound.default]\nresolve_on = ["resolved"]')
        assert (policy.acknowledge_on, policy.close_on) == (frozenset(), frozenset())
        assert outbound("[outbound.default]").resolve_on == frozenset()

    def test_the_default_stays_beside_another(self) -> None:
        policies = read(MINIMAL + "[outbound.quiet]\n[inbound.quiet]\n").policies
        assert set(policies.outbound) == set(policies.inbound) == {"default", "quiet"}
        assert policies.outbound["default"].resolve_on

    def test_words_may_be_state_values_that_something_explains(self) -> None:
        text = '[servicenow.acme.states]\n10 = "resolved"\n[outbound.default]\nresolve_on = ["6", "10"]'
        assert outbound(text).resolve_on == {"6", "10"}
        assert 'found "10"' in problem_of('[outbound.default]\nresolve_on = ["6", "10"]')

    def test_condition_and_reason_know_the_record_and_the_case(self) -> None:
        text = """
        [outbound.default]
        when = 'incident.close_code == "x" and case.priority == "P1"'
        reason = "{{ incident.number }} {{ case.title }}"
        """
        assert outbound(text).reason.source == "{{ incident.number }} {{ case.title }}"
        assert "reason" in problem_of('[outbound.default]\nreason = "{{ nothing.number }}"')

    def test_states_by_stage_or_by_word(self) -> None:
        text = '[servicenow.acme.states]\n10 = "acknowledged"\n11 = "on_hold"\n12 = "closed"'
        config = read(MINIMAL + text)
        assert config.policies.states == {"acme": {"10": "in_progress", "11": "on_hold", "12": "closed"}}
        assert config.servicenow["acme"].states == config.policies.states["acme"]


def test_the_template_is_the_default_config() -> None:
    assert read(config_template()).policies == read(MINIMAL.replace(".acme]", ".main]")).policies
