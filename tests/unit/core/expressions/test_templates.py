"""Templates print values and never evaluate them; what costs too much, or is not there, fails with words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.core.errors import TemplateFailed
from reconciler.core.expressions.context import EXAMPLE_CASE, EXAMPLE_INCIDENT, case_context, incident_context
from reconciler.core.expressions.filters import LONGEST_TEXT, one_line
from reconciler.core.expressions.jinja_sandbox import ENVIRONMENT
from reconciler.core.expressions.templates import LONGEST_SOURCE, Template
from reconciler.core.text import clean, cut, without_code_blocks

CONTEXT = case_context(replace(EXAMPLE_CASE, assignee=""))


def render(source: str, **changes: object) -> str:
    context = case_context(replace(EXAMPLE_CASE, **changes)) if changes else CONTEXT  # type: ignore[arg-type]
    return Template.compile(source).render(context)


PRINTED = {
    "plain { text }": "plain { text }",
    "{{ case.title }}": "CPU above 95 % on payments-api",
    '{{ case.priority | map_to({"P1": 1, "P2": 2}) }}': "2",
    '{{ case.category | map_to({"SECURITY": "a"}, default="b") }}': "b",
    '{{ case.labels.channel | map_to({"chat": "c"}) }}': "c",
    '{{ case.labels["routing.team"] }}': "sre",
    '{{ case.labels["routing.team"][0] }}': "sre",
    "{{ case.labels.channel }}": "mail, chat",
    '{{ case.labels.nothing | default("none") }}': "none",
    '{{ case.labels.nothing | default(value="none") }}': "none",
    '{{ case.assignee | d("nobody") | upper }}': "NOBODY",
    "{{ case.labels | join_labels }}": "routing.team=sre, routing.environment=production, channel=mail, chat",
    '{{ case.labels | join_labels("; ", ": ") }}': (
        "routing.team: sre; routing.environment: production; channel: mail, chat"
    ),
    '{{ case.groupings | lines("* ") }}': "* service: payments",
    "{{ case.impacted_entities | lines }}": "payments-api\nledger",
    "{{ case.services | first }}": "payments-api",
    "{{ case.impacted_entities }}": "payments-api, ledger",
    '{{ case.impacted_entities | join(" + ") }}': "payments-api + ledger",
    '{{ case.indicators.alerts | join(attribute="name") }}': "CPU above 95 %",
    '{{ case.indicators.all | map(attribute="state") | join(", ") }}': "RESOLVED",
    "{{ case.impacted_entities | map('upper') }}": "PAYMENTS-API, LEDGER",
    "{{ case.created_at | date }}": "2026-01-15 10:30:00",
    '{{ case.createdAt | date("%d.%m.%Y") }}': "15.01.2026",
    '{{ case.createdAt | date(format="%H:%M") }}': "10:30",
    "{{ case.created_at | iso }}": "2026-01-15T10:30:00Z",
    '{{ "2026-01-15T12:30:00+02:00" | iso }}': "2026-01-15T10:30:00Z",
    '{{ "2026-01-15" | date }}': "2026-01-15 00:00:00",
    "{{ case.title | cut(10) }}": "CPU above…",
    '{{ case.title | cut(10, "...") }}': "CPU abo...",
    "{{ case.title | cut(100) }}": "CPU above 95 % on payments-api",
    '{{ " a \n b " | one_line }}': "a b",
    '{{ case.title | replace("CPU", "Memory") | cut(6, "") }}': "Memory",
    "{{ case.title[:3] ~ '-' ~ (1 + 1) }}": "CPU-2",
    "{{ 'a' + 'b' }}{{ 2 * 3 }}": "ab6",
    "{{ case.title.split(' ') | first | lower }}": "cpu",
    "{% if case.title is starting_with('CPU') and case.labels.x is undefined %}yes{% endif %}": "yes",
    '{% if case.labels["routing.team"] == "sre" %}yes{% endif %}': "yes",
    "{% for key, value in case.labels.items() %}{{ loop.index }}{{ key }}{% endfor %}": (
        "1routing.team2routing.environment3channel"
    ),
    '{{ case.priority == "P1" }} {{ true }} {{ [true, false] | join("-") }} {{ true ~ "" }}': (
        "false true true-false true"
    ),
    "{{ 2.5 | round(0, 'ceil') }} {{ 17 | round(-1, 'floor') }} {{ 2.345 | round(2) }}": "3.0 10.0 2.35",
    "{{ [1, 2.5] | sum }} {{ '12' | int + '0x' | int(default=1) }} {{ 'a' | float(2) }} {{ -3 | abs }}": "3.5 13 2.0 3",
    "{{ case.labels.channel | trim | title }} {{ ' x ' | trim }} {{ 'xax' | trim('x') }}": "Mail, Chat x a",
    "{{ case.services | map('upper') | sort | first }}": "PAYMENTS-API",
    '{{ "<p>a &amp; b</p>" | without_html }}': "a & b",
    "{% for one in case.indicators.all if one.kind == 'alert' %}{{ one.name }}{% endfor %}": "CPU above 95 %",
    "{{ case.resolution_details.resolved_by }} {{ case.resolved_by }}": "USER cxUser",
    "{% set team = case.labels['routing.team'] %}{{ team }}": "sre",
    "  \n{{ case.key }}\r\n": "CASE-123",
    "a\x1b[31m\r\nb\x00": "a[31m\nb",
}


@pytest.mark.parametrize(("source", "wanted"), PRINTED.items())
def test_a_template_prints(source: str, wanted: str) -> None:
    assert render(source) == wanted


OTHERS: tuple[dict[str, object], ...] = (
    {"title": "Disk full", "key": None},
    {"priority": "P4", "category": "SECURITY", "url": ""},
    {"resolution_reason": "", "resolved_by": "", "resolved_at": None, "labels": {}},
)
LOOKING = (
    *PRINTED,
    "{{ case.priority }}{{ case.items() | length }}",
    "{{ case.priority }}{% for name in case %}{{ name }}{% endfor %}",
    "{{ case.key }}{{ case['title'] }}",
    "{{ case.priority }}{% set case = alertDef %}{{ case.priority }}",
)


@pytest.mark.parametrize("source", LOOKING)
def test_a_template_makes_of_a_case_what_it_makes_of_it_whatever_it_saw_before(source: str) -> None:
    def made(template: Template, changes: dict[str, object]) -> str:
        try:
            return template.render(case_context(replace(EXAMPLE_CASE, **changes)))  # type: ignore[arg-type]
        except TemplateFailed as failure:
            return str(failure)

    roots = ("case", "alertDef")
    used = Template.compile(source, roots)
    # One that looks at more than text is made anew each time.
    anew = Template.compile("{% if case.labels %}{% endif %}" + source, roots)
    for changes in ({}, *OTHERS, {}, *OTHERS):
        assert made(used, changes) == made(anew, changes)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ case.title", "not understood"),
        ("{{ case.pirority }}", "did you mean case.priority?"),
        ("{{ case['pirority'] }}", "did you mean case.priority?"),
        ("{% if false %}{{ case.titel.x }}{% endif %}", "did you mean case.title?"),
        ("{{ cases.title }}", "did you mean case?"),
        ("{{ incident.number }}", "there is no incident"),
        ("{{ lipsum() }}", "there is no lipsum"),
        ("{{ case.title.__class__ }}", "is text"),
        ("{{ case.state }}", "write case.status"),
        ("{{ case.title | nothing }}", "there is no filter nothing"),
        ("{{ case.title | format(1) }}", "there is no filter format"),
        ("{% if case.title is nothing %}{% endif %}", "there is no test nothing"),
        ("{% if case.title | lowre %}{% endif %}", "did you mean lower?"),
        ("{% include 'x' %}", "include has no place"),
        ("{% extends 'x' %}", "extends has no place"),
        ("{% import 'x' as x %}", "import has no place"),
        ("{% if case.status == 'OPEN' %}{% endif %}", 'write "ACTIVE"'),
        ("{% for one in case.services if case.priority in ['P9'] %}{% endfor %}", "'P9' is never there"),
        ("{{ case.services | select('matching', '(?=a)') }}", "look-around"),
        ("{% if case.title is matching('a{4294967295}') %}{% endif %}", "repeats at most 1000 times"),
        ("{{ case.title | _looked_at }}", "there is no filter _looked_at"),
        ("{% block x %}{% endblock %}", "block has no place"),
        ("{% macro x() %}{% endmacro %}", "macro has no place"),
        ("{% set x %}{% endset %}", "set … endset has no place"),
        ("{% for x in case.services recursive %}{% endfor %}", "recursive loop"),
        ("{{ 9 ** 9 }}", "** has no place"),
        ("{{ [1] + [2] }}", "works on two numbers"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 1.5 | round(1, 'up') }}", "no method 'up'"),
        ("{{ [[1], [2]] | sum(start=[]) }}", "is no number"),
        ("{{ range() }}", "range"),
        ("{{ '%999d' % 1 }}", "% has no place"),
        ("\n{{ case.title | replace('a') }}", "replace (line 2) is written replace(old, new): missing"),
        ("{{ case.title | upper(1) }}", "upper (line 1) is written upper, without arguments: too many"),
        ("{{ case.title | cut(160, size=3) }}", "written cut(length, mark='…'): got an unexpected"),
        ("{{ case.title | cut(160, mark='', mark='x') }}", "cut (line 1) is given one argument twice"),
        ("{{ case.assignee | default(default_value='x') }}", "written default(value=''): got an unexpected"),
        ("{{ case.services | sort(revers=true) }}", "got an unexpected keyword argument 'revers'"),
        ("{{ case.services | length(1) }}", "length, without arguments"),
        ("{{ case.services | map | list }}", "map (line 1) wants the name of a filter, or attribute"),
        ("{{ case.indicators.all | selectattr | list }}", "selectattr (line 1) wants the name of an attribute"),
        ("{{ case.services | map('nothing') | list }}", "there is no filter nothing"),
        ("{{ case.services | map('cut', '3') | list }}", "cut (line 1) takes a whole number as length; found '3'"),
        ("{{ case.services | select('nothing') | list }}", "there is no test nothing"),
        (
            "{{ case.indicators.all | selectattr('name', 'containing') | list }}",
            "written containing(argument): missing",
        ),
        ("{% filter cut('3') %}{{ case.title }}{% endfilter %}", "takes a whole number as length"),
        ("{{ case.title | replace(case.key, 1) }}", "takes a text as new; found 1"),
        ("{{ case.title | map_to('P1') }}", "takes a map as table; found 'P1'"),
        ("{{ case.title | map_to({'P1': {}}) }}", "map_to (line 1) can never work: a map or nothing"),
        ("{{ case.title | map_to({'P1': 1}, default={}) }}", "map_to (line 1) can never work: a map or nothing"),
        ("{{ case.created_at | date(format='%Q%') }}", "date (line 1) can never work: the date format '%Q%'"),
        ("{{ case.created_at | date('%999999999d') }}", "has a % without a letter behind it"),
        ("{{ case.title | trim(3) }}", "trim (line 1) takes a text as chars; found 3"),
        ("{{ case.title | cut(true) }}", "cut (line 1) takes a whole number as length; found True"),
        ("{{ case.title | replace('', 'x') }}", "a text to look for"),
        ("{{ case.title | int('none') }}", "int (line 1) can never work"),
        ("{{ case.services | length | round(-16) }}", "a precision from -15 to 15"),
        ("{% if case.title is matching %}{% endif %}", "matching (line 1) is written matching(argument): missing"),
        ("{% if case.title is starting_with(1) %}{% endif %}", "starting_with (line 1) can never work"),
        ("x" * (LONGEST_SOURCE + 1), "more than 10000"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nested"),
    ],
)
def test_what_can_never_be_right_is_refused_when_it_is_compiled(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        Template.compile(source)
    assert not isinstance(refused.value, TemplateFailed)


CALLED_RIGHT = (
    "{{ case.title | cut(*[160]) }}",
    "{{ case.title | cut(case.services | length) }}",
    "{{ case.title | replace(old=case.key, new='') }}",
    "{{ case.title | int(default='3', base=16) }}",
    "{{ 1.5 | round(precision=2.0, method='floor') }}",
    "{{ case.services | join(', ', attribute=case.key) }}",
    "{{ case.priority | map_to({'P1': 1, 'P2': [2]}, default=none) }}",
    "{{ case.services | map(attribute='x') | select | sort(reverse=true) | list }}",
    "{{ case.assignee | default(value={}) }}",
    "{% if case.services is containing(1) %}{% endif %}",
)


@pytest.mark.parametrize("source", CALLED_RIGHT)
def test_a_call_that_may_work_for_some_case_is_taken(source: str) -> None:
    Template.compile(source)


FAILING = {
    "{{ case.assignee }}": "assignee has no value here",
    "{{ case.labels.nothing | lower }}": "nothing has no value here",
    "{{ case.labels.nothing is containing('x') }}": "nothing has no value here",
    "{{ case.labels.nothing | map_to({}) }}": "nothing has no value here",
    "{{ case.kpi_breaches[9] }}": "has no value here",
    "{{ case.priority | map_to({'P1': 1}) }}": "no entry for 'P2'",
    "{{ case.title | date }}": "is no time",
    "{{ case.labels }}": "use join_labels",
    "{{ case.services | join_labels }}": "join_labels takes labels, and this is no map: use join",
    "{{ case.labels.get('x') }}": "use join_labels",
    "{{ case.indicators.all }}": "use map(attribute=…)",
    "{{ case.indicators.all | join(attribute='size') }}": "has no size",
    "{{ case.title.format(1) }}": "unsafe",
    "{{ case.title.ljust(1000000000) }}": "unsafe",
    "{{ case.services + case.services }}": "works on two numbers",
    "{{ case.title | abs }}": "is no number",
    "{{ case.services | sum }}": "is no number",
    "{{ case.indicators.all | join(attribute='__class__') }}": "has no __class__",
}


@pytest.mark.parametrize(("source", "words"), FAILING.items())
def test_what_is_missing_or_cannot_be_done_fails_with_words(source: str, words: str) -> None:
    template = Template.compile(source)
    with pytest.raises(TemplateFailed, match=re.escape(words)):
        template.render(CONTEXT)


GROWN = "{% set a = [1, 1, 1] %}" + "{% set a = [a, a, a, a, a, a, a, a, a, a] %}" * 30
TWICE_GROWN = GROWN + GROWN.replace("a", "b").replace("set b = [1, 1, 1]", "set b = [1, 1, 2]").replace("sbt", "set")

TOO_MUCH = {
    "{{ 1.5 | round(1000000000, 'ceil') }}": "a precision from -15 to 15",
    "{{ 1.5 | round(-1000000000) }}": "a precision from -15 to 15",
    "{{ [[1] * 99999] * 99 | sum }}": "works on two numbers",
    "{{ case.title * 1000000000 }}": "works on two numbers",
    "{{ case.title }}{{ 9 * [case.title] }}": "works on two numbers",
    "{{ 1e999 }}": "a number that is too large (line 1)",
    "{{ " + "9" * 6000 + " }}": "a number that is too large",
    "{{ 0x" + "f" * 6000 + " }}": "a number that is too large",
    "{{ 'inf' | float }}": "grows beyond",
    "{{ 'nan' | float }}": "grows beyond",
    "{{ ('9' ~ '9999999999999999') | int }}": "grows beyond",
    "{{ 1 / 1e-15 / 1e-15 }}": "grows beyond",
    "{{ range(99999) | length }}": "range gives more than 5000",
    "\n{% if true %}" + "{% if true %}" * 100 + "{% endif %}" * 101: "nested too deeply (line 2)",
    "{% for a in [1] %}" * 21 + "{% endfor %}" * 21: "nested too deeply",
    "{{ 1" + " + 1" * 2000 + " }}": "nested too deeply",
    GROWN + "{{ a | upper }}": "more than 200000 steps",
    GROWN + "{{ a is upper }}": "more than 200000 steps",
    GROWN + "{{ [a] | map('upper') }}": "more than 200000 steps",
    GROWN + "{% for x in [1, 2] %}{{ loop.changed(a) }}{% endfor %}": "more than 200000 steps",
    TWICE_GROWN + "{{ a == b }}": "more than 200000 steps",
    "{% set t = range(4999) | join %}{% for a in range(4999) %}{% if t.split('1') %}{% endif %}{% endfor %}": "steps",
    "{% set t = range(4999) | join %}{% for a in range(4999) %}{% if t | sort %}{% endif %}{% endfor %}": "steps",
    "{% set t = range(4999) | list %}{% for a in range(4999) %}{% if -1 in t %}{% endif %}{% endfor %}": "steps",
    "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}": "more than 5000 turns",
    "{% for a in range(4999) %}{{ case.title ~ case.url }}{% endfor %}": "more than 65536 characters",
    "{% filter cut(9) %}{% for a in range(4999) %}{{ case.title }}{% endfor %}{% endfilter %}": "more than 65536",
    "{% for a in range(999) %}" + "x" * 99 + "{% endfor %}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a + a %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = [a, a] | join %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a | replace('x', 'xx') %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 99999999 %}" + "{% set a = a * a %}" * 40 + "{{ a }}": "grows beyond",
}


def test_nothing_is_computed_while_a_template_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT.filters, "upper", lambda _: pytest.fail("computed"))
    ENVIRONMENT.from_string("{{ 'constant' | upper }}")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("source", "words"), TOO_MUCH.items())
def test_what_costs_too_much_for_any_case_is_refused_when_it_is_compiled(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        Template.compile(source)
    assert not isinstance(refused.value, TemplateFailed)


def test_what_costs_too_much_for_one_case_fails_for_that_case_alone() -> None:
    template = Template.compile("{% for label in case.labels %}{% if case.labels | lines %}{% endif %}{% endfor %}done")
    assert template.render(CONTEXT) == "done"
    many = case_context(replace(EXAMPLE_CASE, labels={f"label {number}": ("x",) for number in range(1000)}))
    with pytest.raises(TemplateFailed, match="more than 200000 steps"):
        template.render(many)


def test_a_template_may_be_nested_as_deep_as_it_says() -> None:
    assert render("{% if true %}" * 15 + "{% for a in [1] %}" * 0 + "x" + "{% endif %}" * 15) == "x"
    assert render("{% for a in [1] %}" * 15 + "x" + "{% endfor %}" * 15) == "x"
    with pytest.raises(ValueError, match="nested too deeply"):
        Template.compile("{% if true %}" * 16 + "{% endif %}" * 16)


HOSTILE = [
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}",
    "{{ case.title }}",
    "it's 100 % {not} ^ORpriority=1^NQ",
    "<script>alert(1)</script>",
    "[code]<b>bold</b>[/code]",
    "%s %d {0} {x!r}",
    "\\N{DIGIT ONE} \\x41",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_printed_and_never_evaluated(title: str) -> None:
    assert render("{{ case.title }}", title=title) == title
    assert render("{{ case.labels | join_labels }}", labels={title: (title,)}) == f"{title}={title}"


def test_control_characters_and_turned_writing_are_taken_out() -> None:
    title = "a\x00b\x1b]0;x\x07c\u202ed\u2066e\x9bf\ud800g\r\nh\u2028i\tj"
    assert render("{{ case.title }}", title=title) == "ab]0;xcdefg\nh\ni\tj"
    assert render("{{ case.title | one_line }}", title=title) == "ab]0;xcdefg h i j"


def test_code_marks_in_values_are_harmless_in_a_journal_and_the_templates_own_stay() -> None:
    template = Template.compile("[code]<i>Case</i>[/code] {{ case.title }}")
    context = case_context(replace(EXAMPLE_CASE, title="[CODE]<b>x</b>[ /code ]"))
    assert template.render(context, journal=True) == "[code]<i>Case</i>[/code] (CODE)<b>x</b>( /code )"
    assert template.render(context).endswith("[CODE]<b>x</b>[ /code ]")
    assert render("{{ case.title | without_code_blocks }}", title="[code]") == "(code)"


def test_a_label_may_be_called_like_a_method_of_a_map() -> None:
    labels = {"items": ("a",), "values": ("b",)}
    assert render("{{ case.labels.items }}{{ case.labels.values }}", labels=labels) == "ab"


def test_what_follows_a_missing_value_is_missing_too() -> None:
    template = Template.compile('{{ case.resolution_details.reason | default("open") }}')
    open_case = replace(EXAMPLE_CASE, resolution_reason="", resolved_by="", resolved_at=None)
    assert template.render(case_context(open_case)) == "open"


def test_a_template_says_what_it_looks_at_and_equals_its_like() -> None:
    roots = ("incident", "case")
    template = Template.compile('{{ incident.u_region }} {{ incident["close_code"] }} {{ case.title.upper() }}', roots)
    assert template.names == {"incident.u_region", "incident.close_code", "case.title"}
    assert template == Template.compile(template.source, roots)
    context = CONTEXT | incident_context(replace(EXAMPLE_INCIDENT, fields={"u_region": "eu", "close_code": "x"}), None)
    assert template.render(context).startswith("eu x CPU")


def test_a_mark_that_comes_together_from_several_values_is_harmless_too() -> None:
    apart = Template.compile("{{ case.title }}{{ case.key }} [{{ case.assignee }}]<b>x</b>")
    case = replace(EXAMPLE_CASE, title="x [co", key="de]<i>y</i>[/code]", assignee="code")
    assert apart.render(case_context(case), journal=True) == "x (code)<i>y</i>(/code) (code)<b>x</b>"
    own = Template.compile("[code]<i>Case</i>[/code] {{ case.title }}{{ case.key }}")
    assert own.render(case_context(case), journal=True) == "[code]<i>Case</i>[/code] x (code]<i>y</i>(/code)"


@pytest.mark.parametrize("hidden", ["\u200f", "\u061c", "\ufeff", "\x00", "\x9b", "\ud800", "\u200b", "\u2060", "\xad"])
def test_a_sign_that_nobody_sees_hides_no_mark(hidden: str) -> None:
    title = f"[co{hidden}de]<b>x</b>[/{hidden}code]"
    context = case_context(replace(EXAMPLE_CASE, title=title))
    assert Template.compile("{{ case.title }}").render(context, journal=True) == "(code)<b>x</b>(/code)"
    assert Template.compile("[code][/code]{{ case.title }}").render(context, journal=True).endswith("(/code)")


def test_no_cut_text_is_longer_than_asked_and_each_shows_its_mark() -> None:
    for length in range(12):
        text = cut("one two three", length)
        assert len(text) <= length
        assert text.endswith("…") or not length
    assert cut("one", 3) == "one"


def test_cleaning_is_done_once_for_all() -> None:
    for dirty in ("a\r\nb", "\x1b[0m", "x\u202ey", "[code]"):
        assert clean(clean(dirty)) == clean(dirty)
        assert without_code_blocks(without_code_blocks(dirty)) == without_code_blocks(dirty)
    assert one_line("a  b\n\n c") == "a  b c"
    assert len(render("{{ case.title }}", title="x" * LONGEST_TEXT)) == LONGEST_TEXT
