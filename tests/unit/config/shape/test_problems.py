"""What a wrong config is told: everything at once, each with its line, what was found and what is allowed."""

from __future__ import annotations

import re

import pytest

from tests.unit.config.test_load import CORALOGIX, MINIMAL, SERVICENOW, problems_of, read

TWENTY = """\
owner = "a^b"
[coralogix]
regoin = "eu2"
api_key = "cxtp_1234567890"
deep_links = "yes"
[servicenow.main]
instance_url = "http://acme.service-now.com"
auth = "basic"
username = "coralogix.sync"
password = { env = "NO_SUCH_VARIABLE" }
client_id = "abc"
workers = 0
[servicenow.main.states]
10 = "solved"
[schedule]
poll_seconds = 0
case_overlap_seconds = "600"
drift_check_minute = 15
[limits]
max_creates_per_cycle = -1
[[route]]
name = "first"
when = "case.priority =="
connector = "mian"
[[route]]
name = "first"
outbound = "defualt"
priorities = ["P1", "P9"]
[inbound.default]
table = "u_outage"
[inbound.default.fields]
"Short Description" = "x"
state = "2"
correlation_id = "{{ case.id }}"
description = "{{ case.title"
impact = 1
[outbound.default]
acknowledge_on = ["asigned", "in_progress"]
resolve_on = "resolved"
colse_on = ["closed"]
"""

TOLD = [
    (1, "owner", 'found "a^b"; allowed is a text without ^ , = and control characters'),
    (2, "coralogix.region", "missing; allowed is"),
    (3, "coralogix.regoin", "unknown key; the nearest of [coralogix] is region"),
    (4, "coralogix.api_key", "a secret is never written in the file; allowed is { env"),
    (5, "coralogix.deep_links", 'found "yes"; allowed is true or false'),
    (7, "servicenow.main.instance_url", "allowed is https:// (http:// only on loopback"),
    (10, "servicenow.main.password", "the environment variable NO_SUCH_VARIABLE is not set"),
    (11, "servicenow.main.client_id", 'does not belong here; auth = "basic" needs username and password'),
    (12, "servicenow.main.workers", "found 0; allowed is a whole number from 1 to 32"),
    (14, "servicenow.main.states.10", 'found "solved"; allowed is "new"'),
    (16, "schedule.poll_seconds", "found 0; allowed is a whole number from 1 to 86400"),
    (17, "schedule.case_overlap_seconds", 'found "600"; allowed is a whole number from 0 to 604800'),
    (18, "schedule.drift_check_minute", "unknown key; the nearest of [schedule] is drift_check_minutes"),
    (20, "limits.max_creates_per_cycle", "found -1; allowed is a whole number from 0 to 1000000"),
    (23, "route.when", ""),
    (24, "route.connector", 'found "mian"; allowed is "main"'),
    (26, "route.name", 'two routes are called "first"'),
    (27, "route.outbound", '(did you mean "default"?)'),
    (28, "route.priorities", 'found "P9"; allowed is "P1", "P2", "P3", "P4" or "P5"'),
    (29, "inbound.default.states", 'missing; the states of "u_outage" are its own'),
    (32, 'inbound.default.fields."Short Description"', "no name of a field"),
    (33, "inbound.default.fields.state", "the state moves by the steps"),
    (34, "inbound.default.fields.correlation_id", "the program's own"),
    (35, "inbound.default.fields.description", ""),
    (36, "inbound.default.fields.impact", "found 1; allowed is a template in quotes, or false"),
    (38, "outbound.default.acknowledge_on", 'found "asigned"; allowed is "assigned"'),
    (39, "outbound.default.resolve_on", 'found "resolved"; allowed is a list in [ ]'),
    (40, "outbound.default.colse_on", "unknown key; the nearest of [outbound.default] is close_on"),
]


def test_twenty_mistakes_and_more_are_all_told_with_their_lines() -> None:
    told = problems_of(TWENTY)
    assert [tuple(problem.split(": ", 2)[:2]) for problem in told] == [(f"config:{line}", key) for line, key, _ in TOLD]
    for problem, (_, _, words) in zip(told, TOLD, strict=True):
        assert words in problem


def test_messages_are_one_line_each_in_our_own_words() -> None:
    told = "\n".join(problems_of(TWENTY))
    assert len(told.splitlines()) == len(TOLD)
    assert not re.search(r"pydantic|Input should|Extra inputs|https://errors|valid (integer|string)", told)
    assert "cxtp_1234567890" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["coralogix: missing", "servicenow: missing"]),
        (CORALOGIX, ["servicenow: missing; the file needs a table [servicenow.NAME]"]),
        (SERVICENOW, ["coralogix: missing; the file needs a table [coralogix]"]),
        ("coralogix = 1\n" + SERVICENOW, ["coralogix: found 1; allowed is a table"]),
        (CORALOGIX + SERVICENOW.replace(".acme", ""), ["write [servicenow.NAME] above its keys"]),
        (MINIMAL + "[servicenow.states]\n1 = 'new'", ["servicenow.states: states stands in [servicenow] itself"]),
        (MINIMAL + "[inbound.fields]\na = 'b'", ["inbound: fields stands in [inbound] itself"]),
        (
            MINIMAL + "[route]\nname = 'x'",
            ["route: found a table; allowed is one table or more, each written [[route]]"],
        ),
        (MINIMAL + "[schedul]\n", ["schedul: unknown key; the nearest of the file is schedule"]),
        (MINIMAL + "[telemetry]\n", ["telemetry: unknown key; the file has owner, mode, coralogix"]),
        (MINIMAL + "poll_seconds = 3", ["unknown key here; it belongs to [schedule]"]),
        (MINIMAL + "requests_per_second = nan", ["found nan; allowed is a number from 0.1 to 1000"]),
        (MINIMAL + "requests_per_second = true", ["found true; allowed is a number from 0.1 to 1000"]),
        (MINIMAL + "auth = 'Basic'", ['found "Basic"; allowed is "basic", ', '(did you mean "basic"?)']),
        (MINIMAL.replace('"eu2"', '"eu3"'), ['found "eu3"; allowed is "us1", "us2"']),
        (MINIMAL.replace('region = "eu2"', ""), ["coralogix.region: missing", "or base_url instead"]),
        (CORALOGIX + "base_url = 'https://x.io'" + SERVICENOW, ["stands beside region; allowed is one of the two"]),
        (SERVICENOW + '[coralogix]\nregion = "eu2"', ["coralogix.api_key: missing; allowed is { env"]),
        (MINIMAL.replace("acme]", '"a b"]'), ['servicenow."a b": a name has letters']),
        (MINIMAL.replace("acme]", "coralogix]"), ['servicenow.coralogix: the name "coralogix" is taken']),
        (MINIMAL.replace('"coralogix.sync"', '"a\\u0007"'), ['username: found "a\\u0007"; allowed is a name without']),
        (
            MINIMAL.replace('"coralogix.sync"', '"acme:sync"'),
            ['username: found "acme:sync"; auth = "basic" ends a name', 'auth = "oauth_password"'],
        ),
        (MINIMAL + '[state]\npath = ""', ["state.path: found"]),
        (MINIMAL + '[state]\npath = "/dev/null"', ['state.path: found "/dev/null"; allowed is the path of a file']),
        (MINIMAL + '[state]\npath = "/dev"', ['state.path: found "/dev"; allowed is the path of a file']),
        (MINIMAL + '[state]\npath = "/dev/null/x.db"', ['found "/dev/null/x.db"; allowed is the path of a file']),
        (MINIMAL + '[metrics]\ntextfile = "/dev/null"', ['found "/dev/null"; allowed is the path of a file']),
        (MINIMAL + '[metrics]\ntextfile = "state/reconciler.db"', ["textfile: found", "a file of the database"]),
        (
            MINIMAL + '[state]\npath = "x.db"\n[metrics]\ntextfile = "a/../x.db-wal"',
            ["textfile: found", "a file of the database"],
        ),
        (MINIMAL + '[state]\npath = "\\u0000"\n[metrics]\ntextfile = "x.prom"', ["state.path: found"]),
        (
            MINIMAL + '[inbound.default]\ntable = "em_event"\n[inbound.default.states]\n1 = "new"',
            ['inbound.default.states: not for table = "em_event"'],
        ),
        (
            MINIMAL + '[metrics]\nlisten = "example.com:80"',
            ['listen: found "example.com:80"; allowed is a number and a port'],
        ),
        (MINIMAL + '[notify]\nurls = ["slack://S3CRET"]', ["urls: a secret is never written in the file"]),
        (MINIMAL + '[notify]\nurls = "slack://S3CRET"', ["urls: found a value that is not shown; allowed is a list"]),
        (MINIMAL + "[notify]\nurls = [{}]", ["urls: found 0 places for one secret"]),
        (MINIMAL + '[notify]\non = ["hold", "holds"]', ['on: found "holds"; allowed is "hold"']),
        (MINIMAL + "[notify]\ndown_minutes = 0", ["found 0; allowed is a whole number from 1 to 10080"]),
        (MINIMAL + '[metrics]\nlisten = "127.0.0.1:99999"', ["allowed is a number and a port"]),
        (MINIMAL + '[metrics]\nlisten = "::1:80"', ["allowed is a number and a port"]),
        (MINIMAL + '[metrics]\ntextfile = "/etc"', ['textfile: found "/etc"; allowed is the path of a file']),
        (MINIMAL + "[outbound.none]", ["outbound.none: the name"]),
    ],
)
def test_each_mistake(text: str, told: list[str]) -> None:
    problems = problems_of(text)
    for words in told:
        assert any(words in problem for problem in problems), problems
    assert len(problems) <= len(told)


@pytest.mark.parametrize("owner", ["", "  ", " x", "a^b", "a,b", "a=b", "a\\nb", "x" * 101])
def test_owners_that_no_query_could_hold(owner: str) -> None:
    (problem,) = problems_of(f'owner = "{owner}"\n' + MINIMAL)
    assert problem.startswith("config:1: owner: ")
    assert read(f'owner = "{"x" * 100}"\n' + MINIMAL).owner == "x" * 100


def test_a_syntax_error_is_one_problem_with_line_and_column() -> None:
    (problem,) = problems_of(MINIMAL + "[state\n")
    assert problem == "config:10: column 7: no valid TOML: Expected ']' at the end of a table declaration"


def test_a_syntax_error_at_the_end_has_the_last_line() -> None:
    (problem,) = problems_of('a = 1\nb = """\nnever closed')
    assert problem.startswith("config:3: ")


def test_terminal_codes_in_values_and_keys_are_shown_harmlessly() -> None:
    route = "[[route]]\nwhen = '''case.\\n\\u001b == 1\n'''"
    told = problems_of(MINIMAL + 'auth = "\\u001b[31m"\n"\\u001b]0;x" = 1\n' + route)
    assert len(told) == 3
    assert all(problem.isprintable() for problem in told)


def test_wrong_values_hide_no_other_problem() -> None:
    text = (
        MINIMAL + 'auth = "none"\n[[route]]\nwhen = 1\ninbound = "nowhere"\n[inbound.x]\ncreate_when = "case.nothing"'
    )
    keys = [problem.split(": ")[1] for problem in problems_of(text)]
    assert keys == ["servicenow.acme.auth", "route.when", "route.inbound", "inbound.x.create_when"]


HOSTILE = {
    "a number of 6,000 digits": (
        "[limits]\nmax_creates_per_cycle = " + "1" * 6000,
        ":11: no valid TOML: a number",
    ),
    "a number in hex": ("[limits]\nmax_creates_per_cycle = 0x" + "f" * 4000, "found a number of about 4816 digits"),
    "an endless number": ("[limits]\nmax_creates_per_cycle = inf", ":11: limits.max_creates_per_cycle: found inf"),
    "a template that is no number": (
        "[inbound.x.fields]\nimpact = '{{ 1e999 }}'",
        ":11: inbound.x.fields.impact",
    ),
    "a template that counts too far": (
        "[inbound.x.fields]\nimpact = '{{ 1.5 | round(1000000000, \"ceil\") }}'",
        ":11: inbound.x.fields.impact: the filter round (line 1) can never work: round takes a precision",
    ),
    "a filter that is given too little": (
        "[inbound.x.fields]\nimpact = '{{ case.key | replace(1) }}'",
        ":11: inbound.x.fields.impact: the filter replace (line 1) is written replace(old, new): missing",
    ),
    "101 nested blocks": (
        "[inbound.x.fields]\nimpact = '" + "{% if true %}" * 101 + "{% endif %}" * 101 + "'",
        ":11: inbound.x.fields.impact: the template is nested too deeply",
    ),
    "a repetition of billions": (
        "[[route]]\nwhen = 'case.title is matching(\"a{4294967295}\")'",
        ":11: route.when: a pattern repeats at most 1000 times",
    ),
    "a sign that is no part of a condition": (
        "[[route]]\nwhen = '\u200ecase.title'",
        ":11: route.when: the",
    ),
    "nested lists": ("x = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    "a path that no system takes": ("ca_bundle = '" + "x" * 5000 + "'", ":10: servicenow.acme.ca_bundle: there is no"),
    "a database that no system can name": ("[state]\npath = '" + "x" * 5000 + "'", ":11: state.path: found"),
    "a journal that is kept in step": (
        "[inbound.x.fields]\nwork_notes = 'x'",
        "write it in on_create, on_acknowledge, on_resolve or on_close",
    ),
    "comments that are kept in step": ("[inbound.x.fields]\ncomments = 'x'", "a journal cannot be read back"),
    "both journals": ("[inbound.x.fields]\ncomments_and_work_notes = 'x'", "a journal cannot be read back"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_wrong_is_a_problem_with_its_line(name: str) -> None:
    text, words = HOSTILE[name]
    (problem,) = problems_of(MINIMAL + text)
    assert problem.startswith("config:")
    assert words in problem
    assert len(problem) < 6000


def test_a_journal_is_written_by_a_step() -> None:
    for step in ("on_create", "on_acknowledge", "on_resolve", "on_close"):
        read(MINIMAL + f'[inbound.x.{step}]\nwork_notes = "{{{{ case.title }}}}"')
