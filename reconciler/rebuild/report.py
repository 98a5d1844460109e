"""The report of a rebuild: how much was restored, and each record about which something is uncertain."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION


class UncertaintyKind(StrEnum):
    """What a person should know about one record."""

    AMBIGUOUS = "ambiguous"
    """linked, and the two sides differ"""
    OTHER_ROUTE = "other_route"
    """linked, and its Case would go elsewhere today"""
    DUPLICATES = "duplicate_incidents"
    """not linked: several records bear one Case's key"""
    CASE_MISSING = "case_missing"
    """not linked: Coralogix does not show its Case"""
    FOREIGN_KEY = "foreign_key"
    """not linked: it bears our mark, and a key that is no Case id"""
    NOT_UNDERSTOOD = "not_understood"
    """not linked: the record, or its Case, could not be read"""


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """One record about which something is not certain, and why."""

    kind: UncertaintyKind
    record: str
    """its number, or the id where that is all there is"""
    why: str
    case_id: str | None = None
    case_key: str | None = None

    def document(self) -> JsonObject:
        """Write the finding for a JSON document."""
        return {
            "kind": self.kind.value,
            "case_id": self.case_id,
            "case_key": self.case_key,
            "record": self.record,
            "why": self.why,
        }


@dataclass(frozen=True, kw_only=True)
class RebuildReport:
    """What a rebuild found."""

    records: int
    """records that bear our mark"""
    links: int
    findings: tuple[Uncertainty, ...] = ()

    def document(self) -> JsonObject:
        """Write the report as the document of ``state rebuild --json``."""
        return {
            "version": DOCUMENT_VERSION,
            "records": self.records,
            "links": self.links,
            "findings": [finding.document() for finding in self.findings],
        }
