"""The clock, and times on the command line: a duration back from now, or an instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

A_WHEN = "30m, 12h, 7d, or an ISO 8601 time"
"""What WHEN may be, for the help of an option."""
_DURATION = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_now() -> datetime:
    """Return the present time; the only clock that the commands use."""
    return datetime.now(UTC)


def oldest_read_allowed(poll: timedelta) -> timedelta:
    """Return the age from which a side's last whole read counts as too old: three polls, at least two minutes."""
    return max(3 * poll, timedelta(minutes=2))


class Duration(click.ParamType[timedelta]):
    """Parse ``90s``, ``5m``, ``12h``, ``7d``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the length of time."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.match(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration, such as 90s, 5m, 12h or 7d", param, ctx)
        return timedelta(**{_UNITS[match["unit"]]: int(match["count"])})


class When(click.ParamType[datetime]):
    """Parse ``30m``, ``12h``, ``7d``, or an ISO 8601 instant; a date alone is midnight UTC."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware UTC time; an instant without a zone is taken as UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            if match := _DURATION.match(text):
                return utc_now() - timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
            instant = datetime.fromisoformat(text)
            instant = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            self.fail(f"{text!r} lies outside the years 1 to 9999", param, ctx)
        except ValueError:
            self.fail(
                f"{text!r} is neither a duration (30m, 12h, 7d) nor an ISO 8601 time (2026-03-01T08:00Z)", param, ctx
            )
        if instant > utc_now():
            self.fail(f"{text!r} is in the future", param, ctx)
        return instant


def shown_time(at: str, *, is_utc: bool) -> str:
    """Show an ISO 8601 time to the second, in the local time of this machine or in UTC."""
    time = datetime.fromisoformat(at)
    return f"{time.astimezone(UTC if is_utc else None):%Y-%m-%d %H:%M:%S}"


def shown_zone(*, is_utc: bool) -> str:
    """Name the zone of the times that are shown."""
    here = datetime.now(UTC).astimezone()
    if is_utc or not here.utcoffset():
        return "UTC"
    return f"local time ({here.tzname()}, UTC{here.isoformat()[-6:]}; --utc shows the other)"


WHEN = When()
DURATION = Duration()
