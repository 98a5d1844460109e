"""The probes of one ServiceNow instance, table by table. None of them writes.

ServiceNow drops a condition that it does not understand and leaves out what a user may not read, both with 200; so
each answer is compared with what was asked. Source: ServiceNow documentation ``c_TableAPI``, ``r_TimeZones``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from reconciler.core.errors import ConditionDropped, RemoteError, TemplateFailed
from reconciler.core.expressions.context import EXAMPLE_CASE, case_context
from reconciler.core.findings import Code
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.core.policies.requirements import NamedRow, explained_states, inbound_policies, named_rows, sent_values
from reconciler.preflight.probes import NO_CASE, Finding, ProbedSide, Verdict
from reconciler.remotes.ports import IncidentClient

ROWS_COMPARED = 50
MOST_ROLES = 500
WRITING_ROLES = frozenset({"admin", "itil", "sn_incident_write"})
"""One of these is what usually lets a user write Incidents."""
MOST_CHOICES = 1000
PROPERTIES = (
    "glide.authenticate.basic_auth.restriction.enforce",
    "glide.invalid_query.returns_no_rows",
    "glide.rest.choice.allow_non_existing_value",
    "glide.ui.autoclose.time",
)
INVALID_TABLE = "Invalid table"
"""ServiceNow's words, with 400, for a table that it does not have."""
MOST_TABLES = 1000
USUAL_TABLES = ("incident", "problem", "change_request", "sc_task", "sn_si_incident", "sys_user", "sys_user_group")
_TIMES = "set the time zone of this user to GMT, or give it the right to read sys_updated_on; do not run before"
_OWN_ROW = ("user_name", "time_zone", "date_format", "time_format")
_WRITE_PROBE = "`check --live --write-probe` proves what this user may do"
_READ = "give this user the right to read {table}, with every field that is named"


@dataclass(frozen=True, kw_only=True)
class RecordProbes:
    """Probe one connector."""

    client: IncidentClient
    policies: Policies
    user_name: str
    """empty where the login does not name its user"""
    fields: Mapping[str, Sequence[str]]
    """table -> every field that a pull reads"""
    clock: Callable[[], datetime]
    requests_an_hour: float = 0.0
    """how many the polls alone make"""

    @property
    def side(self) -> ProbedSide:
        """Name this connector in the findings."""
        return ProbedSide(name=self.client.connector)

    def run(self) -> tuple[Finding, ...]:
        """Run every probe of every table that routes write to; after a login that failed, none is checked."""
        login = self.side.attempt("login", self._login, code=Code.TABLE_READ)
        if login.verdict is Verdict.FAILED and login.may_pass:
            return (login, self.side.not_checked("everything else", "the login failed"))
        tables = [table for table in self._tables() if table != EVENT_TABLE]
        findings = [finding for table in tables for finding in self._table(table)]
        asked = (self._roles(), self._hourly(), self._properties())
        return (login, *findings, *self._references(), *asked, *self._unproved())

    def _tables(self) -> list[str]:
        routes = [route for route in self.policies.routes if route.connector == self.client.connector]
        return sorted({self.policies.inbound[route.inbound].table for route in routes})

    def _login(self) -> Finding:
        query = f"user_name={self.user_name}" if self.user_name else ""
        rows = self.client.rows("sys_user", query, fields=_OWN_ROW, limit=1)
        if not self.user_name:
            return self.side.passed("login", "the instance answers; this kind of login does not name its user")
        if not rows:
            return self.side.not_checked("login", "the login works, but this user may not read sys_user to find itself")
        if str(rows[0].get("user_name", "")).lower() != self.user_name.lower():
            return self.side.failed(
                "login",
                "asked for its own user, another one came",
                "a condition was dropped: look at the rights",
                code=Code.OTHER_USER,
            )
        formats = [str(rows[0].get(name) or "") for name in ("date_format", "time_format")]
        shown = " ".join(one for one in formats if one) or "of the system"
        zone = rows[0].get("time_zone") or "of the system"
        return self.side.passed("login", f"as {self.user_name}, time zone {zone}, date and time format {shown}")

    def _table(self, table: str) -> Iterator[Finding]:
        no_table = self._no_table(table)
        if no_table:
            yield no_table
            return
        probes: Mapping[str, Callable[[str, str], Finding]] = {
            "times": self._times,
            "future": self._future,
            "mark": self._mark,
            "key": self._key,
            "fields": self._fields,
            "unknown field": self._unknown_field,
            "choices": self._choices,
            "notes": self._notes,
        }
        for name, probe in probes.items():
            label = f"{table}: {name}"
            ask = partial(probe, label, table)
            yield self.side.attempt(label, ask, _READ.format(table=table), code=Code.TABLE_READ)
        if self._existing_of(table):
            label = f"{table}: existing"
            ask = partial(self._existing, label, table)
            yield self.side.attempt(label, ask, _READ.format(table=table), code=Code.TABLE_READ)
        yield from self._listing(table)

    def _no_table(self, table: str) -> Finding | None:
        """Return the finding that the instance does not have a table, with the nearest that it has."""
        try:
            self.client.rows(table, "", fields=("sys_id",), limit=1)
        except RemoteError as error:
            if INVALID_TABLE in error.words:
                near = get_close_matches(table, self._known_tables(table), 1, 0.6)
                advice = f"did you mean {near[0]}?" if near else "write the name of a table that it has"
                words = f"Invalid table: the instance has no table {table}"
                return self.side.failed(f"{table}: table", words, advice, code=Code.NO_TABLE)
        return None

    def _known_tables(self, table: str) -> Sequence[str]:
        """Return the tables that may be meant: the usual ones, and those of the instance where it lists them."""
        try:
            rows = self.client.rows("sys_db_object", f"nameSTARTSWITH{table[:2]}", fields=("name",), limit=MOST_TABLES)
        except RemoteError:
            return USUAL_TABLES
        return (*(str(row.get("name", "")) for row in rows), *USUAL_TABLES)

    # -- what a pull stands on -----------------------------------------------------------------------------------

    def _newest(self, table: str) -> JsonObject | None:
        found = self.client.rows(table, "ORDERBYDESCsys_updated_on", fields=("sys_id", "sys_updated_on"), limit=1)
        return found[0] if found and found[0].get("sys_id") and found[0].get("sys_updated_on") else None

    def _times(self, label: str, table: str) -> Finding:
        """Ask for a row by its own time; try twice, since a row can change in between."""
        for _ in range(2):
            row = self._newest(table)
            if row is None:
                return self.side.not_checked(label, "the table shows no record with an id and a time")
            query = f"sys_id={row['sys_id']}^sys_updated_on={row['sys_updated_on']}"
            found = self.client.rows(table, query, fields=("sys_id",), limit=2)
            if [one.get("sys_id") for one in found] == [row["sys_id"]]:
                return self.side.passed(label, "a time in a query means UTC")
        words = "a record is not found by its own time: a time in a query is not UTC"
        return self.side.failed(label, words, _TIMES, code=Code.TIMES)

    def _future(self, label: str, table: str) -> Finding:
        return self._condition_holds(label, table, "sys_updated_on", ">2099-01-01 00:00:00", advice=_TIMES)

    def _mark(self, label: str, table: str) -> Finding:
        return self._condition_holds(
            label, table, "correlation_display", f"={self.policies.owner}", fits=self.policies.owner
        )

    def _key(self, label: str, table: str) -> Finding:
        return self._condition_holds(label, table, "correlation_id", f"={NO_CASE}")

    def _condition_holds(
        self, label: str, table: str, field: str, condition: str, *, fits: str | None = None, advice: str = ""
    ) -> Finding:
        """Ask with a condition that only rows with the value ``fits`` meet: any other row shows that it was dropped.

        Without ``fits`` no row meets it.
        """
        rows = self.client.rows(table, f"{field}{condition}", fields=("sys_id", field), limit=1)
        if rows and (fits is None or str(rows[0].get(field, "")).casefold() != fits.casefold()):
            advice = advice or f"give the right to read {field}"
            return self.side.failed(label, f"a condition on {field} is dropped", advice, code=Code.DROPPED)
        return self.side.passed(label, f"a condition on {field} holds")

    def _fields(self, label: str, table: str) -> Finding:
        """Look for what a pull reads; the name of a user behind a reference only tells the audit who did it."""
        fields = self.fields.get(table, ())
        names = [name for name in fields if "." in name]
        needed = [name for name in fields if name not in names]
        advice = "give the right to read them, or take those that the table does not have out of the config"
        words = f"all {len(needed)} fields are readable"
        return self._readable(label, table, needed, advice=advice, words=words, names=names)

    def _unknown_field(self, label: str, table: str) -> Finding:
        row = self._newest(table)
        if row is None:
            return self.side.not_checked(label, "the table shows no record")
        query = f"u_reconciler_no_such_field=1^sys_id={row['sys_id']}"
        ignored = bool(self.client.rows(table, query, fields=("sys_id",), limit=1))
        mode = "is ignored, and the answer is wider" if ignored else "gives no rows"
        return self.side.passed(label, f"an unknown condition {mode}; every row is checked either way")

    def _listing(self, table: str) -> Iterator[Finding]:
        """Read the first of our records as a pull does, and compare the clocks."""
        label = f"{table}: pull"
        try:
            page = self.client.changed(table, since=None, limit=ROWS_COMPARED)
        except RemoteError as error:
            yield self.side.from_error(label, error, _READ.format(table=table), code=Code.TABLE_READ)
            return
        if page.hidden:
            words = f"{page.hidden} rows match and are not shown: a pull could never be whole"
            yield self.side.failed(label, words, _READ.format(table=table), code=Code.HIDDEN_ROWS)
        elif page.malformed:
            words = str(page.malformed[0])
            yield self.side.failed(label, words, _READ.format(table=table), code=Code.NOT_UNDERSTOOD)
        else:
            yield self.side.passed(label, f"{len(page.incidents)} records of ours read, none hidden")
        yield self.side.clock(page.server_time, self.clock())

    # -- what the config relies on -------------------------------------------------------------------------------

    def _choices(self, label: str, table: str) -> Finding:
        connector = self.client.connector
        sent = [one for inbound in inbound_policies(self.policies, connector, table) for one in sent_values(inbound)]
        lists = self._choice_lists(table, sorted({"state", *(one.field for one in sent)}))
        if not lists.get("state"):
            return self.side.not_checked(label, "sys_choice shows no states", "give the right to read sys_choice")
        explained = explained_states(self.policies, connector, table)
        wrong = [
            f"{one.where} {one.field} = {one.value!r} is not in the list"
            for one in sent
            if lists.get(one.field) and one.value not in lists[one.field]
        ]
        wrong += [
            f"{where} explains {value!r}, which is no state"
            for value, where in explained.items()
            if where and value not in lists["state"]
        ]
        wrong += [
            f"the state {value} ({text}) is explained by no word: a record in it waits as unknown_state"
            for value, text in lists["state"].items()
            if value not in explained
        ]
        if wrong:
            advice = "write what the instance has; map its states to words"
            return self.side.failed(label, "; ".join(wrong), advice, code=Code.CHOICES)
        return self.side.passed(label, f"{len(lists['state'])} states and {len(sent)} values of the config are there")

    def _choice_lists(self, table: str, elements: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return value -> label of each list; a table's own list replaces the one inherited from task."""
        query = f"nameIN{table},task^elementIN{','.join(elements)}^inactive=false"
        fields = ("name", "element", "value", "label")
        rows = self.client.rows("sys_choice", query, fields=fields, limit=MOST_CHOICES)
        lists: dict[str, dict[str, str]] = {}
        for name in ("task", table):
            own: dict[str, dict[str, str]] = {}
            for row in rows:
                if row.get("name") == name and row.get("element") in elements:
                    own.setdefault(str(row["element"]), {})[str(row.get("value", ""))] = str(row.get("label", ""))
            lists |= own
        return lists

    def _references(self) -> Iterator[Finding]:
        named: dict[tuple[str, str], dict[str, NamedRow]] = {}
        for table in self._tables():
            for inbound in inbound_policies(self.policies, self.client.connector, table):
                for row in named_rows(inbound):
                    named.setdefault((row.table, row.name_field), {})[row.name] = row
        for (table, name_field), rows in named.items():
            label = f"{table}: names"
            yield self._no_table(table) or self.side.attempt(
                label, partial(self._names, label, table, name_field, rows), code=Code.TABLE_READ
            )

    def _names(self, label: str, table: str, name_field: str, rows: Mapping[str, NamedRow]) -> Finding:
        found = self.client.reference(table, name_field, sorted(rows))
        wrong = [f"{row.name!r} ({row.where})" for name, row in rows.items() if name not in found]
        if wrong:
            words = f"no single active row has the {name_field} {', '.join(wrong)}"
            return self.side.failed(label, words, "write a name that the instance has", code=Code.NAMES)
        return self.side.passed(label, f"found {', '.join(sorted(rows))}")

    def _existing(self, label: str, table: str) -> Finding:
        """Ask for the records by other means of a Case that does not exist; any row shows a dropped condition."""
        queries = self._existing_of(table)
        nobody = case_context(replace(EXAMPLE_CASE, id=NO_CASE, key="CASE-0"))
        for query in queries:
            try:
                found = self.client.find_existing(table, {NO_CASE: query.terms(nobody)})[NO_CASE]
            except TemplateFailed as failure:
                return self.side.not_checked(label, f"{query.source}: {failure}")
            except ConditionDropped as error:
                advice = "name fields of the table in existing, and give the right to read them"
                return self.side.failed(label, error.words, advice, code=Code.EXISTING)
            if found:
                words = f"{found[0].number} stands for a Case that there is not"
                advice = "let existing name the Case: case.id or case.key"
                return self.side.failed(label, words, advice, code=Code.EXISTING)
        fields = sorted({field for query in queries for field in query.fields})
        advice = "give the right to read them, or name fields that the table has in existing"
        return self._readable(label, table, fields, advice=advice, words=f"conditions on {', '.join(fields)} hold")

    def _existing_of(self, table: str) -> list[Existing]:
        policies = inbound_policies(self.policies, self.client.connector, table)
        return [one.existing for one in policies if one.existing]

    def _readable(
        self, label: str, table: str, fields: Sequence[str], *, advice: str, words: str, names: Sequence[str] = ()
    ) -> Finding:
        """Check that one record shows every field; ``words`` describe success, also where it shows no ``names``."""
        rows = self.client.rows(table, "", fields=(*fields, *names), limit=1)
        if not rows:
            return self.side.not_checked(label, "the table shows no record")
        missing = [name for name in fields if name not in rows[0]]
        if missing:
            lack = f"not there, or not readable: {', '.join(missing)}"
            return self.side.failed(label, lack, advice, code=Code.FIELDS)
        untold = ", ".join(name for name in names if name not in rows[0])
        return self.side.passed(label, f"{words}; not told, so not in the audit: {untold}" if untold else words)

    # -- what is good to know ------------------------------------------------------------------------------------

    def _notes(self, label: str, table: str) -> Finding:
        if self.client.rows("sys_journal_field", f"name={table}", fields=("sys_id",), limit=1):
            return self.side.passed(label, "notes are readable")
        return self.side.not_checked(label, "no note is shown: there is none, or notes can be written and not read")

    def _roles(self) -> Finding:
        """Read the roles of the user, if it may: without a write, nothing else shows its rights."""
        if not self.user_name:
            return self.side.not_checked("roles", "this kind of login does not name its user")
        query = f"user.user_name={self.user_name}^state=active"
        try:
            rows = self.client.rows(
                "sys_user_has_role", query, fields=("user.user_name", "role.name"), limit=MOST_ROLES
            )
        except RemoteError as error:
            return self.side.not_checked("roles", f"not readable: {error}", _WRITE_PROBE)
        own = [row for row in rows if str(row.get("user.user_name", "")).lower() == self.user_name.lower()]
        roles = sorted({str(row["role.name"]) for row in own if row.get("role.name")})
        if not roles:
            return self.side.not_checked("roles", "sys_user_has_role shows no role of this user", _WRITE_PROBE)
        if WRITING_ROLES & set(roles):
            return self.side.passed("roles", f"has {', '.join(roles)}")
        words = f"has {', '.join(roles)}, and none of {', '.join(sorted(WRITING_ROLES))}"
        return self.side.not_checked("roles", words, _WRITE_PROBE, code=Code.ROLES)

    def _hourly(self) -> Finding:
        """Compare the hourly rate limit with the requests of the polls alone."""
        allowed = self.client.side.hourly_limit
        if allowed is None:
            return self.side.passed("hourly rule", "no answer named one")
        words = f"a rule allows {allowed} requests an hour, the polls alone make {self.requests_an_hour:.0f}"
        if allowed > self.requests_an_hour:
            return self.side.passed("hourly rule", words)
        advice = "raise the rule for this user, or [schedule] poll_seconds"
        return self.side.failed("hourly rule", words, advice, code=Code.HOURLY)

    def _properties(self) -> Finding:
        try:
            query = f"nameIN{','.join(PROPERTIES)}"
            rows = self.client.rows("sys_properties", query, fields=("name", "value"), limit=len(PROPERTIES))
        except RemoteError as error:
            return self.side.not_checked("properties", f"not readable: {error}")
        known = {str(row.get("name")): str(row.get("value", "")) for row in rows if row.get("name") in PROPERTIES}
        if not known:
            return self.side.not_checked("properties", "sys_properties is not readable for this user")
        return self.side.passed("properties", ", ".join(f"{name} = {value}" for name, value in sorted(known.items())))

    def _unproved(self) -> Iterator[Finding]:
        if EVENT_TABLE in self._tables():
            yield self.side.not_checked("events", "the role evt_mgmt_integration shows only on the first event")
        words = "rights to create, resolve and close, and whether a chosen sys_id is kept, show on a write"
        yield self.side.not_checked("writes", words, _WRITE_PROBE)
