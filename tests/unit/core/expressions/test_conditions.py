"""Conditions mean what Tera means, and what can never be true is refused when they are compiled."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.core.expressions.conditions import LONGEST_CONDITION, Condition
from reconciler.core.expressions.context import EXAMPLE_CASE, EXAMPLE_INCIDENT, case_context, incident_context
from reconciler.core.expressions.patterns import rust_pattern

CASE = replace(EXAMPLE_CASE, title="CPU usage high", status="ACKNOWLEDGED", assignee="", resolution_reason="")
CONTEXT = case_context(CASE)


def holds(source: str) -> bool:
    return Condition.compile(source).holds(CONTEXT)


DOCUMENTED = {
    # Coralogix's page on condition templating, one by one.
    'alertDef.name is starting_with("CPU")': True,
    'alertDef.name is starting_with("Memory")': False,
    'alertDef.name is containing("CPU")': True,
    'alertDef.name is containing("Memory")': False,
    'alertDef.name is matching("(?i)^cpu")': True,
    'alertDef.name is matching("^cpu")': False,
    "alertDef.entityLabels.group is defined": False,
    "alertDef.entityLabels.channel is defined": True,
    'alertDef.entityLabels.environment == "production"': False,
    'alertDef.entityLabels["routing.environment"] == "production"': True,
    'case.status == "ACKNOWLEDGED"': True,
    # Its quick reference of Tera.
    'alertDef.priority == "P2" and case.status == "ACKNOWLEDGED"': True,
    'alertDef.priority == "P1" or alertDef.priority == "P2"': True,
    'not case.status == "RESOLVED"': True,
    # Its names of a Case, and of the context.
    '_context.entityType == "cases"': True,
    '_context.entityLabels["channel"][0] == "mail"': True,
    '_context.entityLabels["channel"][1] == "mail"': False,
    'case.casePriority == "P2"': True,
    'case.category == "AVAILABILITY"': True,
    "case.createdAt is starting_with('2026-01-15T10:30')": True,
    "case.updatedAt is defined and case.acknowledgedAt is defined": True,
    'case.resolutionDetails.resolvedBy == "USER"': True,
    'case.resolution_details.resolved_by != "SYSTEM"': True,
    'case.resolved_by == "cxUser"': True,
    'case.indicators.alerts[0].state == "RESOLVED"': True,
    "case.caseDetailUrl is containing(case.id)": True,
}

TERA = {
    # Comparing.
    "case.kpi_breaches | length > 0": True,
    "case.kpi_breaches | length >= 2": False,
    "1 < 2": True,
    "1.5 <= 1.5": True,
    "-1 < 0": True,
    "1 == 1.0": True,
    'case.title > "A"': False,
    'not (case.title > "A")': False,
    "case.title == 5": False,
    "case.title != 5": False,
    "not case.title == 5": False,
    "case.title != true": True,
    "1 in [true]": False,
    "1 in [2, 1]": True,
    # Logic: or is weaker than and; not negates the comparison, not its left side.
    "true or true and false": True,
    "(true or true) and false": False,
    'not case.priority == "P1"': True,
    'not (case.priority == "P1" or case.priority == "P2")': False,
    "not case.title": False,
    "case.title and true": True,
    # Texts.
    'case.title is ending_with("high")': True,
    'case.title is not ending_with("high")': False,
    "case.title is containing('usage')": True,
    "case.title is matching(`\\w+ usage`)": True,
    r'case.title is matching("usage\b")': True,
    'case.title == `CPU "usage" high`': False,
    'case.title is starting_with("cpu")': False,
    'case.kpi_breaches is starting_with("a")': False,
    # Lists and maps.
    'case.priority in ["P1", "P2"]': True,
    'case.priority not in ["P1", "P2"]': False,
    '"usage" in case.title': True,
    '"usage" not in case.title': False,
    "5 in case.title": False,
    '"routing.team" in case.labels': True,
    'case.labels is containing("routing.team")': True,
    'case.groupings["service"] == "payments"': True,
    'case.impacted_entities is containing("payments-api")': True,
    'case.impactedEntities[0].kind == "service"': True,
    "case.impacted_entities.1.name == 'ledger'": True,
    'case.services is containing("ledger")': False,
    'case.indicators.alerts.0.state == "RESOLVED"': True,
    'case.indicators.states is containing("TRIGGERED")': False,
    'case.indicators.alerts[0].labels.host == "payments-7"': True,
    "case.indicators.alerts[7].state is defined": False,
    # Filters.
    'case.title | lower == "cpu usage high"': True,
    'case.title | lower is containing("cpu")': True,
    'case.assignee | default(value="nobody") == "nobody"': True,
    'case.labels.channel | first == "mail"': True,
    # A value that the Case does not have: false as a whole, unless and/or stops before it.
    'case.assignee == "x"': False,
    'case.assignee != "x"': False,
    'not case.assignee == "x"': False,
    'not case.assignee is containing("x")': False,
    'case.assignee in ["x"]': False,
    'case.assignee not in ["x"]': False,
    "case.assignee": False,
    "not case.assignee": True,
    'case.assignee == "x" or true': False,
    'true or case.assignee == "x"': True,
    'false and case.assignee == "x"': False,
    'case.assignee is defined and case.assignee == "x"': False,
    "case.assignee is undefined": True,
    "case.assignee is not defined": True,
    "case.resolution_details.reason is defined": False,
    # A result that is neither true nor false is invalid, so it does not hold.
    "case.title": False,
    "1": False,
    "true": True,
    "false": False,
    "": True,
    "  ": True,
}

LABELS = {
    'case.labels["routing.team"] == "sre"': True,
    'case.labels["routing.team"][0] == "sre"': True,
    'case.labels["routing.team"] != "sre"': False,
    'case.labels.channel == "mail" and case.labels.channel == "chat"': True,
    'case.labels.channel != "mail"': False,
    'case.labels.channel != "phone"': True,
    'case.labels.channel in ["phone", "chat"]': True,
    'case.labels.channel not in ["phone"]': True,
    '"mail" in case.labels.channel': True,
    'case.labels.channel is containing("hat")': True,
    'case.labels.channel is starting_with("ch")': True,
    'case.labels.channel is matching("^m.+l$")': True,
    "case.labels.channel | length == 2": True,
    'case.labels.missing == "x"': False,
    "case.labels.channel == case.labels.channel": True,
    'case.labels[case.title] == "x"': False,
}


@pytest.mark.parametrize(("source", "wanted"), (DOCUMENTED | TERA | LABELS).items())
def test_a_condition_means_what_tera_means(source: str, wanted: bool) -> None:
    assert holds(source) is wanted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('case.pirority == "P1"', "did you mean case.priority?"),
        ('case.titel is containing("x")', "did you mean case.title?"),
        ("cas.title", "did you mean case?"),
        ('case.state == "ACTIVE"', "write case.status"),
        ('case.description is containing("x")', "no description"),
        ('case.assignee.userEmail == "a@b"', "case.assignee"),
        ("case.title.length", "is text"),
        ('case.services.first == "x"', "is a list"),
        ('case.status == "OPEN"', 'write "ACTIVE"'),
        ('"OPEN" != case.status', 'write "ACTIVE"'),
        ('case.status in ["OPEN"]', 'write "ACTIVE"'),
        ('case.status is containing("OPEN")', 'write "ACTIVE"'),
        ('"OPEN" in case.status', 'write "ACTIVE"'),
        ('case.status == "CLOSED"', 'case.status in ["RESOLVED", "CLOSED"]'),
        ('case.status != "CLOSED"', 'case.status == "RESOLVED"'),
        ('case.status == "active"', "did you mean 'ACTIVE'"),
        ('case.status | lower == "open"', "never there"),
        ('case.priority == "P9"', "P1, P2, P3, P4, P5"),
        ("case.priority == 1", "1 is never there"),
        ('case.category == "SECURTY"', "did you mean 'SECURITY'"),
        ('alertDef.priority in ["P1", "P0"]', "'P0' is never there"),
        (
            'case.resolutionDetails.resolvedBy == "cxUser"',
            "is a word of case.resolved_by; this name is one of SYSTEM, USER",
        ),
        ('case.resolved_by in ["USER"]', "is a word of case.resolution_details.resolved_by"),
        ('case.resolved_by == "CXUSER"', "did you mean 'cxUser'?"),
        ('case.indicators.all[0].kind == "log"', "alert, generic, prometheus"),
        ('case.status is matching("^OPEN$")', "is never there"),
        ("{{ case.title }}", "without {{ }}"),
        ("case.title ==", "not understood"),
        ("case.title case.id", "not understood from 'case' on"),
        ("1 < 2 < 3", "not chained"),
        ("case.title ~ 'x' == 'y'", "joining texts"),
        ("1 + 1 == 2", "arithmetic"),
        ("none == 1", "none has no place"),
        ("get_context()", "a function call"),
        ("case.title.upper() == 'X'", "a function call"),
        ("true if true else false", "an if … else"),
        ("case.title is upper", "there is no test upper"),
        ("case.title is containing", "wants one argument"),
        ("case.title is defined(1)", "no arguments"),
        ("case.title | nothing == 'x'", "there is no filter nothing"),
        ("case.title | lower(1) == 'x'", "no arguments"),
        ("case.title | default == 'x'", "default(value=…)"),
        ('case.title is matching("a(?=b)")', "look-around"),
        ('case.title is matching("(?<!a)b")', "look-around"),
        (r'case.title is matching("(a)\1")', "back-references"),
        ('case.title is matching("(?P<x>a)(?P=x)")', "back-references"),
        ('case.title is matching("a++")', "repeats a repetition"),
        ('case.title is matching("(")', "not understood"),
        ("'" + "x" * LONGEST_CONDITION + "' == case.title", "more than 2000"),
        ("not " * 400 + "true", "nested"),
        ("(" * 900 + "true" + ")" * 900, "nested"),
    ],
)
def test_what_can_never_be_right_is_refused_with_the_right_word(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        Condition.compile(source)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        'case.priority_override | default(value="none") == "none"',
        '"NONE" == case.priority_override | default(value="none") | upper',
        'case.priority_override | default(value="none") is containing("on")',
        'case.priority_override | default(value=case.title) in ["CPU usage high"]',
    ],
)
def test_a_default_is_among_the_words_that_a_name_can_be(source: str) -> None:
    assert Condition.compile(source).holds(case_context(replace(CASE, priority_override="", title="CPU usage high")))


def test_a_default_makes_no_other_word_right() -> None:
    with pytest.raises(ValueError, match="it is one of P1, P2, P3, P4, P5, none"):
        Condition.compile('case.priority_override | default(value="none") == "P9"')
    with pytest.raises(ValueError, match='write "ACTIVE"'):
        Condition.compile('case.status | default(value="ACTIVE") == "OPEN"')


def test_closed_alone_can_still_be_meant() -> None:
    condition = Condition.compile('case.status in ["CLOSED"]')
    assert condition.holds(case_context(replace(CASE, status="CLOSED")))
    assert not condition.holds(case_context(replace(CASE, status="RESOLVED")))


def test_a_pattern_is_rusts() -> None:
    end = Condition.compile('case.title is matching("high$")')
    assert end.holds(CONTEXT)
    assert not end.holds(case_context(replace(CASE, title="high\n")))
    assert Condition.compile('case.title is matching("(?m)high$")').holds(case_context(replace(CASE, title="high\nx")))
    assert holds('case.title is matching("[$(?=]|CPU")')


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", [r"^(\w+\s?)*$", "(x+x+)+y", "^(x|x)*$", "(?i)(.{1,30}){1,30}!!"])
def test_a_pattern_ends_whatever_it_is_matched_with(pattern: str) -> None:
    condition = Condition.compile(f"case.title is matching(`{pattern}`)")
    assert not condition.holds(case_context(replace(CASE, title="x" * 60_000 + "!")))
    assert not condition.holds(case_context(replace(CASE, title="a word " * 13 + "!")))


UNICODE = {
    (r"^\w+$", "Größe_1"): True,
    (r"^\w+$", "a-b"): False,
    (r"^[\w-]+$", "Größe-1"): True,
    (r"^[^\W_]+$", "Größe"): True,
    (r"^[^\W_]+$", "a_b"): False,
    (r"\d", "\u0663"): True,
    (r"^[\D]$", "\u0663"): False,
    (r"^\s$", "\u2003"): True,
    (r"^\S$", "\u2003"): False,
    (r"^[\s\S]$", "\u2003"): True,
    (r"^[[:alpha:]]\x41\pL\p{Greek}$", "xAxα"): True,
    (r"^\w{64}$", "é" * 64): True,
    ("(?i)É", "é"): True,
    (".", "\n"): False,
    ("^x", "\ud800x"): False,
    ("^.x", "\ud800x"): True,
}


@pytest.mark.parametrize((("pattern", "text")), UNICODE)
def test_a_pattern_knows_unicode_as_rusts_does(pattern: str, text: str) -> None:
    assert rust_pattern(pattern).found_in(text) is UNICODE[pattern, text]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a{4294967295}", "repeats at most 1000 times"),
        ("a{1001}", "repeats at most 1000 times"),
        ("(a{100}){100}", "not understood"),
        (r"(\w{1,100}){1,5}", "too large"),
        ("a{,5}", r"write \{ for a brace"),
        ("[a&&b]", "no sets inside sets"),
        ("[a[b]]", r"write \["),
        (r"\Qa\E", "no meaning"),
        (r"[\b]", "no meaning inside"),
        (r"\<a", "no meaning"),
        ("(?x) a", "not understood"),
        ("a**", "not understood"),
        ("\ud800", "half a character"),
        ("x" * 501, "more than 500"),
    ],
)
def test_a_pattern_that_cannot_be_matched_so_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        rust_pattern(pattern)


def test_two_labels_that_repeat_without_end_are_not_compared() -> None:
    many = tuple(f"value {number}" for number in range(2000))
    context = case_context(replace(CASE, labels={"a": many, "b": many}))
    assert Condition.compile("case.labels.a == case.labels.b").holds(context)
    assert "4000000 pairs" in Condition.compile("case.labels.a in case.labels.b").why_not(context)


def test_an_outbound_condition_sees_record_and_case() -> None:
    context = CONTEXT | incident_context(replace(EXAMPLE_INCIDENT, fields={"u_region": "eu", "close_code": ""}), None)
    both = ("incident", "case")

    def check(source: str) -> bool:
        return Condition.compile(source, both).holds(context)

    assert check('incident.state == "6" and case.priority == "P2"')
    assert check('incident.u_region == "eu"')
    assert not check("incident.close_code")
    assert not check('incident.state_word == "resolved"')
    assert check("incident.u_region is defined")
    assert check("incident.close_code is undefined")
    assert not check("incident.close_code is defined")
    assert not check('incident.close_code != "x"')
    assert not check("incident.assigned_to is undefined")
    assert check('incident.close_code | default(value="none") == "none"')
    with pytest.raises(ValueError, match=r"did you mean incident\.close_code"):
        Condition.compile("incident.clsoe_code is defined", both)
    with pytest.raises(ValueError, match="there is no incident"):
        Condition.compile("incident.state is defined")


def test_a_condition_says_why_it_does_not_hold() -> None:
    def why(source: str) -> str:
        return Condition.compile(source).why_not(CONTEXT)

    assert why("true") == ""
    assert why("false") == "it is false"
    assert why('case.assignee == "x"') == "case.assignee has no value here"
    assert why('case.labels["a.b"] == "x"') == 'case.labels["a.b"] has no value here'
    assert "neither true nor false" in why("case.title")


def test_a_condition_says_what_it_looks_at_and_equals_its_like() -> None:
    condition = Condition.compile('case.labels["x"] is defined and case.title == "y"')
    assert condition.names == {"case.labels", "case.title"}
    assert condition == Condition.compile(condition.source)
    assert condition.source in repr(condition)


@pytest.mark.parametrize(
    "title", ['"', "' or true", "{{ 7*7 }}", "a\nb", "x) or (true", "\x00\x1b[31m", "%s %d", "^OR"]
)
def test_a_hostile_title_is_only_ever_a_value(title: str) -> None:
    context = case_context(replace(CASE, title=title, labels={title: (title,)}))
    assert not Condition.compile('case.title == "x"').holds(context)
    assert Condition.compile("case.title == alertDef.name").holds(context)
    assert Condition.compile("case.labels[case.title] == case.title").holds(context)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('case.created_at > "2026-01-01"', "compare numbers"),
        ("incident.reopen_count >= 3", "compare numbers"),
        ('not (case.title < "a")', "compare numbers"),
        ("incident.state == 6", "write the number in quotes"),
        ("case.labels.x != 5", "write the number in quotes"),
        ("incident.state in [6, 7]", "write the numbers in quotes"),
        ('incident.close_code == ""', "write is undefined"),
        ('"" == incident.u_own', "write is undefined"),
        ("case.title is starting_with(3)", "write it in quotes"),
        ("case.services is not containing(1)", "write it in quotes"),
        ("case.title is matching(500)", "write it in quotes"),
        ("case.title", "write is defined"),
        ('case.labels["env"]', "write is defined"),
        ("case.title | lower", "compare it"),
        ("1", "compare it"),
    ],
)
def test_a_comparison_that_can_never_be_true_is_a_doubt(source: str, words: str) -> None:
    (doubt,) = Condition.compile(source, ("incident", "case")).doubts
    assert words in doubt


@pytest.mark.parametrize(
    "source",
    [
        "case.labels.x | length > 1",
        "case.services | length == 2",
        "case.labels.x | default(value=3) == 3",
        'incident.state == "6"',
        '"6" in [incident.state]',
        "1 == 1",
        'case.title != ""',
        'case.assignee | default(value="") == ""',
        'case.title | trim == ""',
        'case.labels.x == ""',
        "false",
        "case.assignee | default(value=true)",
        "case.title and case.assignee is defined",
        "not case.assignee",
        "case.title is containing(case.key)",
    ],
)
def test_a_comparison_that_can_be_true_is_none(source: str) -> None:
    assert Condition.compile(source, ("incident", "case")).doubts == ()


def test_a_default_can_be_empty_and_so_can_a_label() -> None:
    context = case_context(replace(CASE, assignee="", labels={"x": ("",)}))
    assert Condition.compile('case.assignee | default(value="") == ""').holds(context)
    assert Condition.compile('case.labels.x == ""').holds(context)
