"""A REF on the command line: the one Case that a person means."""

from __future__ import annotations

from reconciler.core.errors import ConfigError
from reconciler.store.store import Store


def find_case(store: Store, ref: str) -> str:
    """Give the Case id that a person means; raise ConfigError when there is none, or more than one."""
    found = store.links.find_case_ids(ref)
    if not found:
        raise ConfigError([f"{ref!r} is not remembered here; a REF is a Case id, CASE-123, INC0010001 or a sys_id"])
    if len(found) > 1:
        raise ConfigError([f"{ref!r} means several Cases: {', '.join(found)}; name one of them by its id"])
    return found[0]
