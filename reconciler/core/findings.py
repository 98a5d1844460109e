"""The findings of ``check`` by their codes: for each, what it means and what to do.

This is the one table: messages, ``reconciler explain RC012`` and the page of operations are made from it. A code that
was released keeps its meaning; a new finding gets a new number.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from reconciler.core.frozen import dataclass


class Code(StrEnum):
    """What ``check`` can find; RC1xx are warnings about a config that runs."""

    LOGIN = "RC001"
    NO_ANSWER = "RC002"
    CLOCK = "RC003"
    NOT_UNDERSTOOD = "RC004"
    ADDRESS = "RC010"
    CASE_READ = "RC011"
    HIDDEN_CASES = "RC012"
    CASE_WRITE = "RC013"
    OTHER_USER = "RC020"
    TABLE_READ = "RC021"
    TIMES = "RC022"
    DROPPED = "RC023"
    FIELDS = "RC024"
    HIDDEN_ROWS = "RC025"
    CHOICES = "RC026"
    NAMES = "RC027"
    ROLES = "RC028"
    HOURLY = "RC029"
    RECORD_WRITE = "RC030"
    CHOSEN_ID = "RC031"
    EXISTING = "RC032"
    NO_TABLE = "RC033"
    MESSAGE = "RC040"
    UNREACHED_ROUTE = "RC101"
    UNUSED = "RC102"
    UNFILLED = "RC103"
    FAILING_TEMPLATE = "RC104"
    DEAF = "RC105"
    NEVER_TRUE = "RC106"
    TAKES_NONE = "RC107"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one code means."""

    title: str
    cause: str
    to_do: str


PAGES: Mapping[Code, Page] = {
    Code.LOGIN: Page(
        title="the login was refused",
        cause="a wrong or expired key or password; a login that may not use the API; a new ServiceNow instance that "
        "refuses basic authentication",
        to_do="look at the secret that the config names; let a person log in with it; for basic authentication give "
        "the role `snc_basic_auth_api_access`, or take OAuth or an API key",
    ),
    Code.NO_ANSWER: Page(
        title="the service does not answer",
        cause="a wrong address, no way through the network or the proxy, a certificate that is not trusted, an outage",
        to_do="try the address with `curl` from this machine; set `proxy` or `ca_bundle` of that side; try again",
    ),
    Code.CLOCK: Page(
        title="the clocks differ by more than a minute",
        cause="this machine, rarely the service, has the wrong time; waiting times and the measured lag would be wrong",
        to_do="set the clock of this machine by NTP",
    ),
    Code.NOT_UNDERSTOOD: Page(
        title="a Case or a record could not be understood",
        cause="the service sends something that this version does not know",
        to_do="report it with its raw form, which `reconciler check --live --log-level debug` shows without secrets",
    ),
    Code.ADDRESS: Page(
        title="nothing at that address says who the key is",
        cause="`region` or `base_url` leads to another host than that of the Coralogix API",
        to_do="take the region of your team from its address in the browser",
    ),
    Code.CASE_READ: Page(
        title="the key may not list Cases",
        cause="its permissions do not hold `case:Read`",
        to_do="add `case:Read` to the key under Settings, API Keys",
    ),
    Code.HIDDEN_CASES: Page(
        title="an access policy hides Cases from the key",
        cause="the key sees a part of the Cases (`pbacTruncated`), and nothing may be concluded from what is absent: "
        "every cycle would be refused",
        to_do='widen the key, or say `[coralogix] partial_view = "accept"` where that is on purpose',
    ),
    Code.CASE_WRITE: Page(
        title="the key may not acknowledge, resolve or close Cases",
        cause="its permissions lack `case:Acknowledge` or `case:Close`",
        to_do='add both to the key, or make every route one-way (`outbound = "none"`)',
    ),
    Code.OTHER_USER: Page(
        title="asked for its own user, the instance gave another one",
        cause="a condition was dropped, since this user may not read `sys_user.user_name`",
        to_do="give the user the right to read `sys_user`, with `user_name`",
    ),
    Code.TABLE_READ: Page(
        title="a table may not be read",
        cause="an access rule keeps it from this user",
        to_do="give the user the right to read it, with every field that is named (for `incident`: the role `itil`, or "
        "`sn_incident_read`)",
    ),
    Code.TIMES: Page(
        title="a time in a query does not mean UTC",
        cause="the instance reads times in the zone of the user, so that pulls would miss hours",
        to_do="set the time zone of the user to GMT; do not run before",
    ),
    Code.DROPPED: Page(
        title="the instance drops a condition",
        cause="a condition on a field that a user may not read is left out without a word, and the answer is wider",
        to_do="give the user the right to read the field that is named",
    ),
    Code.FIELDS: Page(
        title="fields are not there, or not readable",
        cause="the config writes or reads a field that the table does not have, or that an access rule hides",
        to_do="give the right to read it, or take it out of the config",
    ),
    Code.HIDDEN_ROWS: Page(
        title="records of ours are hidden from our own user",
        cause="an access rule or a before-query rule shows fewer rows than match: no pull could ever be whole",
        to_do="give the user the right to read every record that bears our mark",
    ),
    Code.CHOICES: Page(
        title="values or states that the instance does not have",
        cause="the config sends a value that is in no choice list, or explains a state that there is not, or the "
        "instance has a state that no word explains",
        to_do="write what the instance has; map its states to words in `[servicenow.NAME.states]`",
    ),
    Code.NAMES: Page(
        title="a row that the config names is not there",
        cause="no active row, or more than one, has the name of a group, a user or a service",
        to_do="write a name that the instance has once",
    ),
    Code.ROLES: Page(
        title="the user has no role with which Incidents are usually written",
        cause="among its roles is none of `itil`, `sn_incident_write`, `admin`; rules of your own may allow it even so",
        to_do="give it `itil`, or `sn_incident_read` and `sn_incident_write`; `check --live --write-probe` proves it",
    ),
    Code.HOURLY: Page(
        title="an hourly rule is too small for the quietest hour",
        cause="an inbound REST rule allows fewer requests an hour than the polls alone make",
        to_do="raise the rule for this user, or `[schedule] poll_seconds`",
    ),
    Code.RECORD_WRITE: Page(
        title="a record could not be made, read back, resolved or closed",
        cause="a missing right, a mandatory field, a business rule or a data policy; its words are in the finding",
        to_do="give the right, or write the field in the inbound policy; closing may need `itil_admin`",
    ),
    Code.CHOSEN_ID: Page(
        title="the instance does not keep the id that we choose for a record",
        cause="a rule of the instance gives every record an id of its own; this works, by a look-up before each create",
        to_do="nothing has to change; creates whose answer is lost wait five minutes before they are tried again",
    ),
    Code.EXISTING: Page(
        title="the query for records by other means finds what it should not",
        cause="`[inbound.NAME] existing` names a field that the table does not have or that this user may not read, or "
        "does not name the Case",
        to_do="name fields of the table, and `case.id` or `case.key`",
    ),
    Code.NO_TABLE: Page(
        title="the instance has no such table",
        cause="a mistyped table in the config, or a plugin that this instance does not have",
        to_do="write the table's name (not its label) where the config names it; the finding has the nearest one",
    ),
    Code.MESSAGE: Page(
        title="a test message, or the call of the heartbeat, did not arrive",
        cause="a wrong or outdated address, a token that was taken back, no way through the network or the proxy",
        to_do="make the address anew at the service that it leads to, put it where `[notify]` says, try again",
    ),
    Code.UNREACHED_ROUTE: Page(
        title="a route is never reached",
        cause="one that stands before it takes every Case, or has the same condition",
        to_do="change their order, or take one away",
    ),
    Code.UNUSED: Page(
        title="a policy or a connector is used by no route",
        cause="a name that no route has, perhaps mistyped in the route",
        to_do="name it in a route, or take it away",
    ),
    Code.UNFILLED: Page(
        title="a reference without a template",
        cause="no template of the policy fills the field that the reference is about",
        to_do="write the field, or take the reference away",
    ),
    Code.FAILING_TEMPLATE: Page(
        title="a template fails for a Case that its routes may take",
        cause="the template reads a label, a key or a time that not every Case of its routes has, or a filter meets a "
        "value that it does not take; that Case would wait as `rejected`",
        to_do='add `| default("…")` for what may be missing, `default=…` to `map_to` for what is not in its table; '
        "the finding says which",
    ),
    Code.DEAF: Page(
        title="an outbound policy listens to nothing",
        cause="all its lists are left out or empty",
        to_do='write `outbound = "none"` in the route to say so, or fill a list',
    ),
    Code.NEVER_TRUE: Page(
        title="a condition that is never true",
        cause="a number beside a text, an order of texts or times, an empty text, or a value compared with nothing",
        to_do="write what the finding says",
    ),
    Code.TAKES_NONE: Page(
        title="a route takes none of the remembered Cases",
        cause="a mistyped label or value in the route; or no such Case came yet",
        to_do="look at `reconciler policy test CASE-123` of a Case that the route is meant for",
    ),
}
"""Code -> its page."""
