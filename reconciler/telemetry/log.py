"""Write the log: one record, one line, with the cycle's id on it and no secret in it.

Messages are constant and the facts are fields (``extra={...}``): the text format prints ``message key=value``, the JSON
format one object. Redaction and escaping happen here, last, so that no caller can forget them; a Case title with line
breaks or terminal codes in it cannot forge a line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from reconciler.core.text import GUARDED_NAME, REDACTED, escape_controls

__all__ = ["LogFormat", "bind_cycle", "configure_logging", "escape_controls", "new_cycle_id", "redact"]

_HANDLER_NAME = "reconciler"
_cycle_id: ContextVar[str | None] = ContextVar("cycle_id", default=None)


class LogFormat(StrEnum):
    """The forms a log line can have."""

    TEXT = "text"
    JSON = "json"


def new_cycle_id() -> str:
    """Name a cycle."""
    return uuid.uuid4().hex


@contextmanager
def bind_cycle(cycle_id: str) -> Iterator[None]:
    """Put a cycle's id on every line that is logged inside the block.

    It follows the context, not the thread: work handed to a pool carries it only when run in a copy of the context
    (``contextvars.copy_context().run``).
    """
    token = _cycle_id.set(cycle_id)
    try:
        yield
    finally:
        _cycle_id.reset(token)


def configure_logging(
    *,
    level: str = "INFO",
    log_format: LogFormat = LogFormat.TEXT,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    left_out: Collection[str] = (),
) -> None:
    """Send every record at or above ``level`` to ``stream`` (standard error), in place of an earlier call's handler.

    Those of the loggers that ``left_out`` names are not sent. Raises ValueError for a level that ``logging`` does not
    know. Handlers of others are left alone.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.name = _HANDLER_NAME
    handler.setLevel(level.upper())
    handler.addFilter(lambda record: record.name not in left_out)
    handler.setFormatter(_formatter(log_format, handler.stream, environ))
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if each.name == _HANDLER_NAME]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(handler.level)
    # Its warnings quote the headers of odd answers unredacted; we log what matters of them ourselves.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Its only warning here says that a cycle outlasted its interval, at each poll: that is normal.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _formatter(log_format: LogFormat, stream: TextIO, environ: Mapping[str, str]) -> logging.Formatter:
    journal = _is_journal(stream, environ)
    return JsonFormatter(journal=journal) if log_format is LogFormat.JSON else TextFormatter(journal=journal)


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether ``stream`` is the journal itself, as in systemd.exec(5): same device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


# --- what may be shown --------------------------------------------------------------------------------------------

_REDACTIONS = (
    # a header, in HTTP's own form or in that of a printed dict; an unquoted value runs to the end of the line
    (
        re.compile(
            r"""(?i)((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}api-?key)(["']?\s*[:=]\s*)"""
            r"""("[^"]*"|'[^']*'|[^\r\n"'}]+)"""
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{6,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(?i)\b(basic)\s+(?=\S*[0-9=])[A-Za-z0-9+/]{6,}={0,2}"), rf"\1 {REDACTED}"),
    # name=value of a query or a form, and "name": "value" of JSON or a printed dict
    (
        re.compile(rf"""(?i)({GUARDED_NAME})(=|["']\s*:\s*)("[^"]*"|'[^']*'|[^\s"'&,;}}]+)"""),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{REDACTED}@"),
    # Coralogix marks its keys: https://coralogix.com/docs/user-guides/account-management/api-keys/api-keys/
    (re.compile(r"\bcx[a-z]{2}_\w{8,}"), REDACTED),
)
_SECRET_FACT = re.compile(rf"(?i)(?:.*_)?(?:authorization|cookie|{GUARDED_NAME})")


def redact(text: str) -> str:
    """Remove what looks like a secret: authorization headers, bearer tokens, keys, passwords, also in a URL."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


# --- one record ---------------------------------------------------------------------------------------------------

_NOT_FACTS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record, redacted: the cycle's id, then the ``extra`` in its order."""
    given = {name: value for name, value in vars(record).items() if name not in _NOT_FACTS}
    cycle_id = _cycle_id.get()
    if cycle_id is not None:
        given = {"cycle_id": cycle_id, **given}
    return {name: _fact(name, value) for name, value in given.items()}


def _fact(name: str, value: object) -> object:
    if _SECRET_FACT.fullmatch(name):
        return REDACTED
    return value if isinstance(value, int | float | None) else redact(str(value))


def _utc_time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Formatter(logging.Formatter):
    """What both forms share; ``journal`` says that the lines go to systemd's journal."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def _traceback(self, record: logging.LogRecord) -> str:
        """Return the redacted traceback of a record, empty when it has none."""
        return redact(self.formatException(record.exc_info)) if record.exc_info else ""


class JsonFormatter(_Formatter):
    """Format a record as one JSON object in ASCII; facts never replace its own keys (time, level, …).

    For the journal ``<N>`` comes first, which the journal reads as the priority and removes.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        entry: dict[str, object] = {
            "time": _utc_time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        trace = self._traceback(record)
        if trace:
            entry["traceback"] = trace
        start = f"<{_priority(record.levelno)}>" if self._journal else ""
        return start + json.dumps(entry | {name: value for name, value in _facts(record).items() if name not in entry})


_PLAIN = re.compile(r"""[^\s"'=\\]+""")
# the journal's priorities are syslog's: sd-daemon(3)
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def _text_value(value: object) -> str:
    text = str(value)
    if not _PLAIN.fullmatch(text):
        text = json.dumps(text, ensure_ascii=False)
    return escape_controls(text)


def _priority(level: int) -> int:
    return next((priority for floor, priority in _PRIORITIES if level >= floor), 7)


class TextFormatter(_Formatter):
    """Write a record as ``time LEVEL logger: message key=value``; to the journal, with ``<N>`` in place of the time.

    The lines of a traceback follow, each marked with a bar, so that none of them can pass for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of the traceback, without the last one's end."""
        start = f"<{_priority(record.levelno)}>" if self._journal else ""
        time = "" if self._journal else f"{_utc_time(record)} "
        message = escape_controls(redact(record.getMessage()))
        facts = "".join(f" {name}={_text_value(value)}" for name, value in _facts(record).items())
        bars = (f"\n{start}  | {escape_controls(line)}" for line in self._traceback(record).split("\n") if line)
        return f"{start}{time}{record.levelname} {record.name}: {message}{facts}{''.join(bars)}"
