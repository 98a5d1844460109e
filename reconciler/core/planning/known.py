"""What a decision is made from, beside the pair and the policies.

``Knowledge`` carries the answers to a plan's questions and the times that admission depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from reconciler.core.frozen import dataclass
from reconciler.core.model import Incident

SETTLE_AFTER = timedelta(seconds=300)
"""How long a create, or a note, that timed out may still be running on an instance (transaction quota, balancer)."""


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What is known at the moment of a decision."""

    now: datetime
    origin: datetime
    """when this database was first used, by the service's clock"""
    since: datetime | None = None
    """a backfill takes Cases created at or after this"""
    until: datetime | None = None
    """and none that was created later"""
    named: frozenset[str] = frozenset()
    """the ids of Cases that a person named, which are taken however old they are"""
    include_resolved: bool = False
    """a backfill takes Cases that are over, too"""
    records: Mapping[tuple[str, str], tuple[Incident, ...]] = field(default_factory=dict)
    """(connector, Case id) -> the records that a look-up of this cycle found"""
    existing: Mapping[tuple[str, str], tuple[Incident, ...]] = field(default_factory=dict)
    """(connector, Case id) -> the records by other means that a look-up of this cycle found"""
    looks_again: bool = False
    """a drift check: what was found elsewhere is asked for once more"""
    references: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    """(connector, table, name) -> sys_id; empty when nothing, or more than one row, has the name"""
    refused: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    """(connector, table, Case id or name) -> the words with which a look-up for it alone was refused in this cycle"""
    notes_counted: frozenset[str] = frozenset()
    """connectors whose instance was seen to move ``sys_mod_count`` for a work note"""
    ids_not_honoured: frozenset[str] = frozenset()
    """connectors whose instance replaces the ``sys_id`` that we choose"""
