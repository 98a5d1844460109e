"""The only probe that writes: it creates, reads, resolves and closes a record with a mark of its own.

Rules of this file: it runs only when a person asked for it; its record bears neither our mark nor the key of a Case, so
no pull lists it, no look-up finds it and no link adopts it; a record that it could not close is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.core.errors import Malformed, RemoteError, TemplateFailed
from reconciler.core.expressions.context import EXAMPLE_CASE, EXAMPLE_INCIDENT, case_context, incident_context
from reconciler.core.expressions.templates import Template, render_fields
from reconciler.core.findings import Code
from reconciler.core.frozen import dataclass
from reconciler.core.model import Incident
from reconciler.core.policies.policies import Inbound
from reconciler.preflight.probes import Finding, ProbedSide
from reconciler.remotes.ports import IncidentClient

PROBE_MARK = "Reconciler write probe"
"""The ``correlation_display`` of the record, in place of our mark."""
TITLE = "Write probe of the Coralogix reconciler: it closes itself, nothing has to be done"


@dataclass(frozen=True, kw_only=True)
class WriteProbe:
    """Probe one table of one connector with one record."""

    client: IncidentClient
    """of the same instance, with ``PROBE_MARK`` as its mark"""
    inbound: Inbound
    sys_id: str
    """what the record shall be called"""
    key: str
    """a new UUID, which no Case has"""

    @property
    def side(self) -> ProbedSide:
        """Name this connector in the findings."""
        return ProbedSide(name=self.client.connector)

    def run(self) -> Iterator[Finding]:
        """Run each step, and stop at the first that fails."""
        try:
            record = self.client.create(self.inbound.table, self._fields())
        except (RemoteError, Malformed) as error:
            yield self._failed("create", error, f"if a record with the correlation_id {self.key} is there, close it")
            return
        yield self._passed("create", f"made {record.number}")
        yield self._id_kept(record)
        for name, step in self._steps(record).items():
            try:
                step()
            except (RemoteError, Malformed) as error:
                yield self._failed(name, error, f"close {record.number} by hand")
                return
            yield self._passed(name, f"{record.number}: done")

    def _steps(self, record: Incident) -> Mapping[str, Callable[[], Incident]]:
        table, sys_id = self.inbound.table, record.sys_id
        steps: dict[str, Callable[[], Incident]] = {"read": lambda: self.client.get(table, sys_id)}
        for name, templates in (("resolve", self.inbound.on_resolve), ("close", self.inbound.on_close)):
            if templates:
                sent = self._rendered(templates, record)
                steps[name] = lambda sent=sent: self.client.update(table, sys_id, sent)  # type: ignore[misc]
        return steps

    def _fields(self) -> dict[str, str]:
        """Return the fields of a record for an example Case, without groups or people: nobody should be notified."""
        policy = {**self.inbound.fields, **self.inbound.on_create}
        return {
            **self._rendered(policy, None),
            "short_description": TITLE,
            "sys_id": self.sys_id,
            "correlation_id": self.key,
            "correlation_display": PROBE_MARK,
        }

    def _rendered(self, templates: Mapping[str, Template], record: Incident | None) -> dict[str, str]:
        context = {**case_context(EXAMPLE_CASE), **incident_context(record or EXAMPLE_INCIDENT, "new")}
        fields: dict[str, str] = {}
        for name, template in templates.items():
            if name in self.inbound.references:
                continue
            try:
                fields |= render_fields({name: template}, context)
            except TemplateFailed:  # the example Case has not every label
                continue
        return fields

    def _id_kept(self, record: Incident) -> Finding:
        if record.sys_id == self.sys_id:
            return self._passed("chosen id", "the instance keeps the sys_id that we choose")
        words = "the instance gave the record another sys_id than the one that was sent"
        return self.side.not_checked(self._label("chosen id"), words, code=Code.CHOSEN_ID)

    def _passed(self, step: str, words: str) -> Finding:
        return self.side.passed(self._label(step), words)

    def _failed(self, step: str, error: RemoteError | Malformed, advice: str) -> Finding:
        return self.side.from_error(self._label(step), error, advice, code=Code.RECORD_WRITE)

    def _label(self, step: str) -> str:
        return f"{self.inbound.table}: write probe, {step}"
