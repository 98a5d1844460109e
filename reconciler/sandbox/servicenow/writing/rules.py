"""The rules that can abort a write: the close-info policy, mandatory fields, the role to close, and a tester's own.

Sources: ``c_TableAPI`` samples; the data policy's words as observed on instances.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.frozen import dataclass
from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import INCIDENT, Schema, TableRow


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Abort a write: a business rule, or a data policy where ``labels`` are given."""

    name: str
    forbids: Callable[[TableRow, TableRow], bool]
    """called with the row before (empty on a create) and after; True aborts"""
    labels: tuple[str, ...] = ()
    message: str = ""
    table: str = INCIDENT

    def denial(self, row: TableRow) -> Denial:
        """Word the refusal as the service does."""
        if self.labels:
            return policy_denial(self.labels)
        words = self.message or (
            f"Operation against file '{self.table}' was aborted by Business Rule "
            f"'{self.name}^{row['sys_id']}'. Business Rule Stack: {self.name}"
        )
        return Denial(403, "Operation Failed", words)


class Rules:
    """Keep the rules of one instance, and hold a write against all of them."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._added: list[Rule] = []

    def add(
        self,
        name: str,
        predicate: Callable[[TableRow, TableRow], bool],
        *,
        labels: tuple[str, ...] = (),
        message: str = "",
        table: str = INCIDENT,
    ) -> None:
        """Abort each write for which ``predicate(before, after)`` is true with 403.

        With ``labels`` it speaks as a data policy that misses these fields, else as a business rule; ``message``
        replaces the business rule's words. Scripts are not bound by it.
        """
        self._added.append(Rule(name=name, forbids=predicate, labels=labels, message=message, table=table))

    def check(self, schema: Schema, before: TableRow, after: TableRow, actor: Actor) -> None:
        """Raise the Denial of the first rule that forbids a write; scripts are asked nothing."""
        if actor.script:
            return
        self._check_role(schema, before, after, actor)
        if self._switches.mandatory_fields == "enforced" and schema.lifecycle and not after["short_description"]:
            raise policy_denial(("Short description",))
        missing = close_info_missing(schema, after) if self._switches.close_info == "mandatory" else ()
        if missing:
            raise policy_denial(missing)
        for rule in self._added:
            if rule.table == schema.name and rule.forbids(before, after):
                raise rule.denial(after)

    def _check_role(self, schema: Schema, before: TableRow, after: TableRow, actor: Actor) -> None:
        if self._switches.close_role == "any" or actor.is_admin or schema.lifecycle is None:
            return
        closes = after["state"] == schema.lifecycle.closed
        if closes or before["state"] in schema.lifecycle.over:
            raise Denial(403, "Operation Failed", "ACL Exception Update Failed due to security constraints")


def policy_denial(labels: tuple[str, ...]) -> Denial:
    """Word the refusal of a data policy, which names labels and not fields."""
    words = f"Data Policy Exception: The following fields are mandatory: {', '.join(labels)}"
    return Denial(403, "Operation Failed", words)


def close_info_missing(schema: Schema, row: TableRow) -> tuple[str, ...]:
    """Return the labels that the close-info policy misses in a record."""
    cycle = schema.lifecycle
    if cycle is None or row["state"] not in cycle.settled:
        return ()
    return tuple(label for name, label in cycle.close_info.items() if not row[name])
