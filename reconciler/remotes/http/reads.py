"""The requests that cannot write: the only ones that are sent in observe mode.

Rules of this file: what is not listed counts as a write; a path is listed whole, never as a prefix, except for GET,
with which neither service writes.
"""

from __future__ import annotations

import re

from reconciler.core.model import System
from reconciler.remotes.http.auth import TOKEN_PATH

READS: tuple[tuple[System, str, re.Pattern[str]], ...] = (
    (System.CORALOGIX, "GET", re.compile(r"/.*")),
    (System.CORALOGIX, "POST", re.compile(r"/mgmt/openapi/5/cases/cases/v1")),
    (System.SERVICENOW, "GET", re.compile(r"/.*")),
    (System.SERVICENOW, "POST", re.compile(re.escape(TOKEN_PATH))),
)
"""(service, method, shape of the whole path): reads, Coralogix's listing of Cases, and the grant of a token."""


def is_read(system: System, method: str, path: str) -> bool:
    """Return whether a request can change nothing in a service."""
    return any((service, verb) == (system, method) and shape.fullmatch(path) for service, verb, shape in READS)
