"""Commands that control a running sandbox: each sends one request to its ``/sandbox/`` path.

The answer decides the exit code: an unknown reference is wrong usage (2), a step that the service refuses is refused
(3), no sandbox is a failure (1).
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from urllib.parse import quote

import click

from reconciler.cli.commands.sandbox.ports import CASE_PORT, TOKEN_VARIABLE, URL_VARIABLE
from reconciler.cli.options import json_option
from reconciler.cli.terminal import print_json, print_lines, table
from reconciler.config.addresses import service_address
from reconciler.core.errors import ConfigError, ReconcilerError, Refused
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.sandbox.control.admin import TOKEN_HEADER
from reconciler.sandbox.control.people import CASE_ACTS, RECORD_ACTS
from reconciler.sandbox.coralogix.api.requests import PRIORITIES
from reconciler.sandbox.faults import FaultKind

ANSWER_SECONDS = 10.0
ERRORS: dict[int, Callable[[str], ReconcilerError]] = {
    400: lambda words: ConfigError([words]),
    401: lambda words: ConfigError([f"{words}: export it as ${TOKEN_VARIABLE}"]),
    403: lambda words: ConfigError([words]),
    404: lambda words: ConfigError([words]),
    409: lambda words: Refused(f"refused: {words}"),
}

url_option = click.option(
    "--url",
    default=f"http://127.0.0.1:{CASE_PORT}",
    envvar=URL_VARIABLE,
    show_envvar=True,
    show_default=True,
    help="Where the sandbox serves Coralogix.",
)


def ask(url: str, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
    """Send one request to a sandbox, with the token of the environment, and return its answer.

    Raises the ReconcilerError that an error of it means.
    """
    request = _request(url, method, path, body)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            return _json_object(answer.read(), url)
    except urllib.error.HTTPError as error:
        with error:
            words = _json_object(error.read(), url).get("error")
        if not isinstance(words, str) or error.code not in ERRORS:
            raise _stranger(url) from None
        raise ERRORS[error.code](words) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ReconcilerError(
            f"no sandbox answers at {url} ({reason}): start one with `reconciler sandbox serve`, or name its address "
            f"with --url or ${URL_VARIABLE}"
        ) from error


def _request(url: str, method: str, path: str, body: JsonObject | None) -> urllib.request.Request:
    try:
        address = service_address(url, ours="/sandbox")
    except ValueError as error:
        raise ConfigError([f"the address of the sandbox: {error}"]) from error
    return urllib.request.Request(  # noqa: S310 - the scheme was checked
        f"{address}/sandbox/{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Content-Type": "application/json", TOKEN_HEADER: os.environ.get(TOKEN_VARIABLE, "")},
    )


def _json_object(body: bytes, url: str) -> JsonObject:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _stranger(url)
    return document


def _stranger(url: str) -> ReconcilerError:
    return ReconcilerError(f"what answers at {url} is not a sandbox; start one with `reconciler sandbox serve`")


@click.command("list")
@url_option
@json_option
def show(url: str, as_json: bool) -> None:
    """Show every Case with its records, as the two services hold them.

    \b
    Examples:
      reconciler sandbox list --json
    """
    document = ask(url, "GET", "cases")
    if as_json:
        print_json({"version": DOCUMENT_VERSION, **document})
        return
    headers = ("case", "title", "status", "stage", "record", "state", "stage", "assigned")
    rows = [row for one in document["cases"] for row in _case_rows(one)]
    rows += [("", "", "", "", *_record_cells(one)) for one in document["other_incidents"]]
    print_lines(*(table(headers, rows) if rows else ["no Cases yet: `reconciler sandbox case create TITLE` makes one"]))


def _case_rows(one: JsonObject) -> Sequence[Sequence[object]]:
    left = (one["key"] or one["id"], one["title"], one["status"], one["stage"])
    return [(*left, *_record_cells(record)) for record in one["incidents"]] or [(*left, "", "", "", "")]


def _record_cells(record: JsonObject) -> tuple[object, ...]:
    return record["number"], record["state"], record["stage"], "yes" if record["assigned_to"] else ""


@click.group()
def case() -> None:
    """Create a Case, or act on one; REF is its key or id, or its Incident's number or sys_id."""


@case.command("create")
@click.argument("title")
@click.option("--priority", type=click.Choice(PRIORITIES, case_sensitive=False), default="P2", show_default=True)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@url_option
def create(title: str, priority: str, labels: tuple[str, ...], url: str) -> None:
    """Open a Case and print its key.

    \b
    Examples:
      reconciler sandbox case create "Disk is full" --priority P1 --label routing.team=sre
    """
    wrong = [label for label in labels if not label.partition("=")[1]]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--label")
    pairs = {key: value for key, _, value in (label.partition("=") for label in labels)}
    made = ask(url, "POST", "cases", {"title": title, "priority": priority, "labels": pairs})
    print_lines(made["key"])


@click.group()
def incident() -> None:
    """Act on an Incident; REF is its number or sys_id, or its Case's key or id."""


def _add_act(group: click.Group, path: str, act: str, told: Callable[[JsonObject], str]) -> None:
    """Add the command by which a person does one act; ``told`` says what became of the Case or record."""
    ref = "CASE-1" if path == "cases" else "INC0010001"
    example = f"\b\nExamples:\n  reconciler sandbox {group.name} {act} {ref}"

    @group.command(act, help=f"{act.capitalize()} REF, as a person would.\n\n{example}")
    @click.argument("ref")
    @url_option
    def perform(ref: str, url: str) -> None:
        print_lines(told(ask(url, "POST", f"{path}/{quote(ref, safe='')}/{act}", {})))


for _act in CASE_ACTS:
    _add_act(case, "cases", _act, lambda one: f"{one['key'] or one['id']} is {one['status']}")
for _act in RECORD_ACTS:
    _add_act(incident, "incidents", _act, lambda one: f"{one['number']} is {one['state']}")


@click.group()
def fault() -> None:
    """Make the services misbehave, or behave again."""


@fault.command("add")
@click.argument("kind", type=click.Choice([one.value for one in FaultKind]), metavar="KIND")
@click.argument("operation")
@click.option("--after-effect", is_flag=True, help="Strike after the request took effect: its answer is lost.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="How many requests are struck.")
@click.option("--for-ever", is_flag=True, help="Strike until `fault clear`.")
@click.option(
    "--seconds",
    type=click.IntRange(min=1),
    help="Strike so long; a 429 or 503 then says in Retry-After how long still.",
)
@click.option("--retry-after", default="", metavar="WORDS", help="What a 429 or 503 says in Retry-After instead.")
@click.option(
    "--year",
    type=click.IntRange(min=1),
    default=9999,
    show_default=True,
    help="The year of strange_times; 1 and 9999 lie beyond what UTC can show, 20000 beyond what a date can hold.",
)
@click.option("--echo", is_flag=True, help="Let the answer repeat the request, its credentials included.")
@url_option
def add(
    kind: str,
    operation: str,
    after_effect: bool,
    times: int,
    for_ever: bool,
    seconds: int | None,
    retry_after: str,
    year: int,
    echo: bool,
    url: str,
) -> None:
    """Strike requests of OPERATION, such as records.create, cases.list or records.*.

    KIND is what goes wrong, such as reset, timeout, error_500, error_503_html or rate_429.

    \b
    Examples:
      reconciler sandbox fault add timeout records.create --after-effect
      reconciler sandbox fault add rate_429 "*" --seconds 60
    """
    body = {
        "kind": kind,
        "operation": operation,
        "after_effect": after_effect,
        "times": None if for_ever else times,
        "seconds": seconds,
        "retry_after": retry_after,
        "echoes": echo,
        "year": year,
    }
    ask(url, "POST", "faults", body)
    side = "after" if after_effect else "before"
    count = "all" if for_ever else f"the next {times}"
    if seconds:
        count = f"for {seconds} s all"
    print_lines(f"{kind} strikes {count} {operation} {side} the effect")


@fault.command("clear")
@url_option
def clear(url: str) -> None:
    """Forget every planned fault.

    \b
    Examples:
      reconciler sandbox fault clear
    """
    ask(url, "DELETE", "faults")
    print_lines("no faults are planned")
