"""The log's two forms: facts, the cycle's id, redaction, and lines that cannot be forged."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from freezegun import freeze_time

from reconciler.telemetry.log import LogFormat, bind_cycle, configure_logging, escape_controls, redact

logger = logging.getLogger("reconciler.test")
QUIET = ("", "urllib3", "apscheduler")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def text_log(level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level=level, stream=stream, environ={})
    return stream


def json_log() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(log_format=LogFormat.JSON, stream=stream, environ={})
    return stream


@freeze_time("2026-11-23T06:12:00.123Z")
def test_text_is_message_then_facts() -> None:
    stream = text_log()
    logger.info("cycle done", extra={"planned": 3, "summary": "3 links advanced", "kind": "poll", "none": None})
    assert stream.getvalue() == (
        "2026-11-23T06:12:00.123Z INFO reconciler.test: "
        'cycle done planned=3 summary="3 links advanced" kind=poll none=None\n'
    )


@freeze_time("2026-11-23T06:12:00.123Z")
def test_json_is_one_object_whose_own_names_do_not_yield() -> None:
    stream = json_log()
    logger.warning("cycle failed", extra={"planned": 3, "level": "forged", "title": "Größe\u2028"})
    line = stream.getvalue()
    assert line.isascii()
    assert json.loads(line) == {
        "time": "2026-11-23T06:12:00.123Z",
        "level": "warning",
        "logger": "reconciler.test",
        "message": "cycle failed",
        "planned": 3,
        "title": "Größe\u2028",
    }


def test_the_cycle_id_is_on_every_line_of_its_block_also_those_of_others() -> None:
    stream = text_log()
    with bind_cycle("c-1"):
        logger.info("in hand")
        logging.getLogger("some.library").info("also in hand")
    logger.info("at rest")
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("in hand cycle_id=c-1")
    assert second.endswith("also in hand cycle_id=c-1")
    assert "cycle_id" not in third


def test_the_cycle_id_follows_a_copied_context_into_a_pool() -> None:
    stream = text_log()
    with bind_cycle("c-2"), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, logger.info, "in a worker").result()
    assert "in a worker cycle_id=c-2" in stream.getvalue()


def log_and_raise() -> None:
    logger.info("in hand")
    raise ValueError("bad")


def test_the_cycle_id_is_in_json_and_ends_when_the_block_raises() -> None:
    stream = json_log()
    with pytest.raises(ValueError, match="bad"), bind_cycle("c-3"):
        log_and_raise()
    logger.info("at rest")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["cycle_id"] == "c-3"
    assert "cycle_id" not in second


HOSTILE = 'disk full\n2026-11-23T06:12:00.123Z CRITICAL root: forged\r\x1b[2J\x85\u2028\u202e result=done "x" \\n'


def test_a_title_cannot_forge_a_line_a_fact_or_a_terminal_code() -> None:
    stream = text_log()
    logger.info("case seen", extra={"title": HOSTILE, "after": 1})
    line = stream.getvalue()
    assert len(line.splitlines()) == 1
    assert line.rstrip("\n").isprintable()
    assert line.endswith(" after=1\n")
    assert r'\"x\" \\n" after' in line


def test_a_message_with_controls_stays_on_its_line() -> None:
    stream = text_log()
    logging.getLogger("some.library").warning("got %s", "a\nb\x1b[31m")
    assert stream.getvalue().endswith("got a\\nb\\x1b[31m\n")


def raise_and_log(message: str) -> None:
    try:
        raise ValueError(message)
    except ValueError:
        logger.exception("cycle failed")


def test_no_line_of_a_traceback_can_pass_for_a_record() -> None:
    stream = text_log()
    raise_and_log("bad\n2026-11-23T06:12:00.123Z INFO root: forged, password=hunter2")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR reconciler.test: cycle failed")
    assert len(rest) >= 4
    assert all(line.startswith("  | ") for line in rest)
    assert "hunter2" not in stream.getvalue()


def test_a_traceback_in_json_is_a_field() -> None:
    stream = json_log()
    raise_and_log("Authorization: Basic aHVudGVyMg==")
    entry = json.loads(stream.getvalue())
    assert "Traceback" in entry["traceback"]
    assert "aHVudGVyMg" not in stream.getvalue()


SECRETS = [
    "Authorization: Bearer S3CRETvalue",
    "Authorization: Basic dXNlcjpTM0NSRVR2YWx1ZQS3CRETvalue",
    "{'Authorization': 'Basic S3CRETvalue'}",
    'headers={"authorization": "S3CRETvalue, and more S3CRETvalue"}',
    "Proxy-Authorization: Digest username=a, response=S3CRETvalue",
    "got 401 for bearer S3CRETvalue",
    "basic czNjcmV0S3CRETvalue1=",
    "GET /x?api_key=S3CRETvalue&page=2",
    "apikey=S3CRETvalue",
    "x-sn-apikey: S3CRETvalue",
    "X-Api-Key: S3CRETvalue",
    "Cookie: JSESSIONID=S3CRETvalue; other=S3CRETvalue",
    "grant_type=password&username=a&password=S3CRETvalue",
    'password="two words S3CRETvalue"',
    '{"client_secret": "S3CRETvalue", "a": 1}',
    "{'access_token': 'S3CRETvalue'}",
    "refresh_token=S3CRETvalue",
    "https://user:S3CRETvalue@acme.service-now.com/api",
    "key cxtp_S3CRETvalue was refused",
]


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    cleaned = redact(text)
    assert "S3CRETvalue" not in cleaned
    assert "[redacted]" in cleaned


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("make_log", [text_log, json_log])
def test_a_secret_is_kept_out_of_messages_and_facts(text: str, make_log: Callable[[], io.StringIO]) -> None:
    stream = make_log()
    logger.info("sent %s", text, extra={"detail": text})
    assert "S3CRETvalue" not in stream.getvalue()


@pytest.mark.parametrize("name", ["password", "api_key", "authorization", "servicenow_password", "token", "secret"])
def test_a_fact_named_like_a_secret_is_taken_out(name: str) -> None:
    stream = text_log()
    logger.info("config read", extra={name: "hunter2"})
    assert stream.getvalue().endswith(f"{name}=[redacted]\n")


@pytest.mark.parametrize(
    "text",
    [
        "wrong password: check the file",
        "basic authentication is on",
        "https://acme.service-now.com/api/now/table/incident",
        "https://[::1]:8080/a:b@c",
        "3 creates=4 tokens left",
        "the Case cx_1 moved",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


LONG = {
    "x-": "x-" * 100_000,
    "x-a": "x-a" * 66_666,
    "cookie:": "cookie:" * 28_571,
    'token="': 'token="' * 28_571,
    "basic ": "basic " * 33_333,
    "bearer and blanks": "bearer" + " " * 200_000,
    "://a:": "://a:" * 40_000,
    "cxab_": "cxab_" * 40_000,
    "authorization and blanks": ("authorization" + " " * 1000) * 200,
    "password' and blanks": ("password'" + " " * 1000) * 200,
}


@pytest.mark.parametrize("kind", LONG)
def test_redaction_takes_a_time_that_grows_with_the_text_alone(kind: str) -> None:
    """The first of these took two minutes; a second is two hundred times what it needs."""
    text = LONG[kind]
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 1.0


def test_escaping_leaves_printable_text_alone() -> None:
    assert escape_controls("Größe 容量 ✓") == "Größe 容量 ✓"
    assert escape_controls("a\tb\udc80") == "a\\tb\\udc80"


def test_the_level_holds_for_ours_and_libraries_are_quieter() -> None:
    stream = text_log("debug")
    logger.debug("ours")
    for name in ("urllib3.connectionpool", "apscheduler.executors.default"):
        logging.getLogger(name).info("theirs")
    assert re.findall(r": (\w+)$", stream.getvalue(), re.MULTILINE) == ["ours"]


def test_a_level_above_the_libraries_own_holds_for_them_too() -> None:
    stream = text_log("ERROR")
    logging.getLogger("urllib3.connectionpool").warning("pool is full")
    assert stream.getvalue() == ""


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging(level="loud")


def test_a_second_call_replaces_the_first() -> None:
    first, second = text_log(), text_log()
    logger.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_the_journal_gets_priorities_on_each_line_and_no_time(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        configure_logging(level="DEBUG", stream=stream, environ={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.CRITICAL):
            logger.log(level, "said")
        raise_and_log("bad")
        stream.seek(0)
        lines = stream.read().splitlines()
    assert lines[:5] == [
        "<7>DEBUG reconciler.test: said",
        "<6>INFO reconciler.test: said",
        "<4>WARNING reconciler.test: said",
        "<2>CRITICAL reconciler.test: said",
        "<3>ERROR reconciler.test: cycle failed",
    ]
    assert all(line.startswith("<3>  | ") for line in lines[5:])


def test_the_journal_gets_the_priority_of_a_json_line_before_it(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        configure_logging(log_format=LogFormat.JSON, stream=stream, environ=journal)
        logger.warning("a hold began")
        stream.seek(0)
        line = stream.read()
    assert line.startswith("<4>{")
    entry = json.loads(line.removeprefix("<4>"))
    assert (entry["level"], entry["message"]) == ("warning", "a hold began")


def test_a_logger_that_is_left_out_says_nothing() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream, environ={}, left_out={"reconciler.test"})
    logger.error("told elsewhere")
    logging.getLogger("reconciler.test.inner").error("said")
    assert stream.getvalue().count("\n") == 1
    assert "said" in stream.getvalue()


def test_a_file_is_not_the_journal_though_the_service_has_one(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+") as stream:
        configure_logging(stream=stream, environ={"JOURNAL_STREAM": "1:2"})
        logger.info("said")
        stream.seek(0)
        assert stream.read().startswith("20")
