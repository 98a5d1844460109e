"""In what instances of ServiceNow differ from each other: one switch for each such behaviour.

Each default is what the product documentation or most observers report; the other values are what some instances
do, or what a tester wants to rule out. A switch never changes during the life of a world.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from reconciler.core.frozen import dataclass


class Rewrite(StrEnum):
    """What an instance makes of values that it takes: rules, columns and collations that have their own mind."""

    QUESTION_MARKS = "question_marks"
    """a database of three-byte characters keeps ``????`` for each sign beyond them, such as an emoji"""
    PREFIX = "prefix"
    """a before-rule puts ``[EMEA] `` in front of ``short_description``"""
    NARROW = "narrow"
    """``short_description`` is a column of 100 characters"""
    BLANKS = "blanks"
    """blanks at both ends go, and several become one"""
    ENTITIES = "entities"
    """``&`` is kept as ``&amp;``"""
    DATES = "dates"
    """a date in any ISO form is kept as ``YYYY-MM-DD HH:MM:SS`` in UTC"""


@dataclass(frozen=True, kw_only=True)
class Switches:
    """One value for each behaviour that differs between instances."""

    literal_tz: Literal["utc", "user"] = "utc"
    """how a plain datetime in an encoded query is read"""
    invalid_query: Literal["ignore", "no_rows"] = "ignore"
    """``glide.invalid_query.returns_no_rows``: an unknown condition widens the result, or empties it"""
    sys_id_on_post: Literal["honour", "strip"] = "honour"
    correlation_on_post: Literal["keep", "strip"] = "keep"
    journal_acl: Literal["on", "off"] = "on"
    """on: the API sees no row of ``sys_journal_field``"""
    audit_acl: Literal["off", "on", "refuse"] = "off"
    """on: the API sees no row of ``sys_audit``; refuse: it answers 403"""
    close_codes: Literal["new", "old"] = "new"
    noop_bumps: Literal["no", "yes"] = "no"
    """yes: a PATCH that changes nothing moves ``sys_updated_on`` and ``sys_mod_count`` all the same"""
    note_bumps: Literal["yes", "no"] = "yes"
    """no: a note alone moves neither ``sys_updated_on`` nor ``sys_mod_count``"""
    case_sensitive: Literal["no", "yes"] = "no"
    autoclose_basis: Literal["resolved", "updated"] = "resolved"
    close_role: Literal["any", "admin"] = "any"
    """admin: only an admin closes a record or changes one that is closed or canceled"""
    basic_auth: Literal["allowed", "restricted"] = "allowed"
    unknown_field: Literal["ignore", "reject"] = "ignore"
    """what a write does with a field that the table does not have"""
    unlisted_choice: Literal["drop", "keep"] = "drop"
    """``glide.rest.choice.allow_non_existing_value``"""
    unreadable_row: Literal["absent", "empty"] = "absent"
    """empty: a row that an ACL hides is listed as ``{}``"""
    unwritable_field: Literal["ignore", "reject"] = "ignore"
    mandatory_fields: Literal["ui_only", "enforced"] = "ui_only"
    """enforced: a create without ``short_description`` is refused"""
    close_info: Literal["mandatory", "optional"] = "mandatory"
    """the data policy "Make close info mandatory when resolved or closed" """
    overlong_text: Literal["cut", "keep", "reject"] = "cut"
    """what becomes of text that is longer than a column of at most 255 characters"""
    text_units: Literal["code_points", "utf_16"] = "code_points"
    """what the length of a column counts; a cut through the middle of a sign takes it away whole"""
    rewrites: frozenset[Rewrite] = frozenset()
    """what becomes of values that are taken, in the order in which the words stand"""
    empty_value: Literal["clears", "ignored"] = "clears"
    total_count: Literal["before_acl", "after_acl"] = "before_acl"
    user_zone: timedelta = timedelta(hours=-8)
    """the display zone of the API's user, as its distance from UTC"""
    autoclose_days: int = 7
    """``glide.ui.autoclose.time``; 0 switches the job off"""
