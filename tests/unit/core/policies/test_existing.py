"""The query for records by other means: what may stand in it, and that no value can widen it."""

from __future__ import annotations

import pytest

from reconciler.core.errors import TemplateFailed
from reconciler.core.expressions.context import case_context
from reconciler.core.policies.existing import Existing, Operator, Term
from reconciler.remotes.servicenow.encoded_query import all_of, fitting
from tests.builders import a_case


def asked(source: str, **details: object) -> str:
    return all_of(Existing.compile(source).terms(case_context(a_case(**details))))


def test_a_query_is_rendered_for_one_case() -> None:
    case = a_case()
    assert asked("u_coralogix_case={{ case.id }}^active=true^numberISNOTEMPTY") == (
        f"u_coralogix_case={case.id}^active=true^numberISNOTEMPTY"
    )


def test_a_caret_of_a_case_becomes_no_condition() -> None:
    assert asked("short_description={{ case.title }}", title="a^ORactive=true") == "short_description=a^^ORactive=true"


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "javascript:gs.now()"])
def test_what_would_ask_for_something_else_is_refused(title: str) -> None:
    with pytest.raises(TemplateFailed, match="cannot be asked"):
        asked("short_description={{ case.title | default('') }}", title=title)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("active=true", "names no Case"),
        ("number!={{ case.key }}", "names no Case"),
        ("u_case={{ case.id }}^ORactive=true", "is no condition"),
        ("u_case={{ case.id }}^NQactive=true", "is no condition"),
        ("u_case={{ case.id }}^ORDERBYnumber", "is no condition"),
        ("u_case={{ case.id }}^", "is no condition"),
        ("", "is no condition"),
        ("u_case=", "lacks a value"),
        ("numberISEMPTYx^u_case={{ case.id }}", "has a value"),
        ("sys_created_on>2026-01-01^u_case={{ case.id }}", "is no condition"),
        ("u_case={{ case.idd }}", "idd"),
        ("U_CASE={{ case.id }}", "is no condition"),
    ],
)
def test_what_cannot_be_checked_is_no_query(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Existing.compile(source)


@pytest.mark.parametrize(
    ("operator", "value", "held", "fits"),
    [
        (Operator.EQUALS, "A", " a ", True),
        (Operator.EQUALS, "a", "ab", False),
        (Operator.EQUALS, "a", "", False),
        (Operator.NOT_EQUALS, "a", "b", True),
        (Operator.NOT_EQUALS, "a", "A", False),
        (Operator.CONTAINS, "b", "aBc", True),
        (Operator.STARTS_WITH, "a", "abc", True),
        (Operator.STARTS_WITH, "b", "abc", False),
        (Operator.ENDS_WITH, "c", "abc", True),
        (Operator.IN, "1, 2", "2", True),
        (Operator.IN, "1,2", "3", False),
        (Operator.IS_EMPTY, "", " ", True),
        (Operator.IS_NOT_EMPTY, "", "", False),
    ],
)
def test_a_value_is_compared_as_an_instance_does(operator: Operator, value: str, held: str, fits: bool) -> None:
    assert Term(field="f", operator=operator, value=value).fits(held) is fits


@pytest.mark.parametrize(("held", "means"), [("see CASE-1.", True), ("case-12", False), ("xCASE-1", False)])
def test_a_part_of_a_text_is_a_whole_word(held: str, means: bool) -> None:
    term = Term(field="description", operator=Operator.CONTAINS, value="CASE-1")
    assert term.fits(held)
    assert term.names(held) is means


def test_queries_are_put_together_as_an_address_holds_them() -> None:
    assert fitting({"a": "12345", "b": "12345", "c": "1", "d": "123456789012"}, 10) == [["a", "b"], ["c"], ["d"]]
