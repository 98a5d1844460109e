"""Templates print values and never evaluate them; what costs too much, or is not there, fails with words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.core.expressions.context import EXAMPLE_CASE, EXAMPLE_INCIDENT, case_context, incident_context
from reconciler.core.expressions.filters import LONGEST_TEXT, clean, cut, one_line, without_code_blocks
from reconciler.core.expressions.templates import LONGEST_SOURCE, Template, TemplateFailed

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
    "{% set team = case.labels['routing.team'] %}{{ team }}": "sre",
    "  \n{{ case.key }}\r\n": "CASE-123",
    "a\x1b[31m\r\nb\x00": "a[31m\nb",
}


@pytest.mark.parametrize(("source", "wanted"), PRINTED.items())
def test_a_template_prints(source: str, wanted: str) -> None:
    assert render(source) == wanted


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
        ("{% block x %}{% endblock %}", "block has no place"),
        ("{% macro x() %}{% endmacro %}", "macro has no place"),
        ("{% set x %}{% endset %}", "set … endset has no place"),
        ("{% for x in case.services recursive %}{% endfor %}", "recursive loop"),
        ("{{ 9 ** 9 }}", "** has no place"),
        ("{{ '%999d' % 1 }}", "% has no place"),
        ("x" * (LONGEST_SOURCE + 1), "more than 10000"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nested"),
    ],
)
def test_what_can_never_be_right_is_refused_when_it_is_compiled(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        Template.compile(source)
    assert not isinstance(refused.value, TemplateFailed)


FAILING = {
    "{{ case.assignee }}": "assignee has no value here",
    "{{ case.labels.nothing | lower }}": "nothing has no value here",
    "{{ case.labels.nothing is containing('x') }}": "nothing has no value here",
    "{{ case.labels.nothing | map_to({}) }}": "nothing has no value here",
    "{{ case.kpi_breaches[9] }}": "has no value here",
    "{{ case.priority | map_to({'P1': 1}) }}": "no entry for 'P2'",
    "{{ case.title | date }}": "is no time",
    "{{ case.created_at | date('%999999999d') }}": "has more than letters",
    "{{ case.labels }}": "use join_labels",
    "{{ case.labels.get('x') }}": "use join_labels",
    "{{ case.indicators.all }}": "use map(attribute=…)",
    "{{ case.indicators.all | join(attribute='size') }}": "has no size",
    "{{ case.title | replace('', 'x') }}": "a text to look for",
    "{{ case.title.format(1) }}": "unsafe",
    "{{ case.title.ljust(1000000000) }}": "unsafe",
    "{{ case.title | map('nothing') | list }}": "nothing",
    "{{ 'a' * 1000000000 }}": "works on two numbers",
    "{{ [1] + [2] }}": "works on two numbers",
    "{{ 1 / 0 }}": "division by zero",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}": "more than 5000 turns",
    "{% for a in range(4999) %}{{ case.title ~ case.url }}{% endfor %}": "more than 65536 characters",
    "{% filter cut(9) %}{% for a in range(4999) %}{{ case.title }}{% endfor %}{% endfilter %}": "more than 65536",
    "{% for a in range(999) %}" + "x" * 99 + "{% endfor %}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a + a %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = [a, a] | join %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 'xxxxxxxx' %}" + "{% set a = a | replace('x', 'xx') %}" * 40 + "{{ a }}": "more than 65536 characters",
    "{% set a = 99999999 %}" + "{% set a = a * a %}" * 40 + "{{ a }}": "grows beyond",
}


@pytest.mark.parametrize(("source", "words"), FAILING.items())
def test_what_is_missing_or_too_much_fails_with_words(source: str, words: str) -> None:
    with pytest.raises(TemplateFailed, match=re.escape(words)):
        render(source)


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
