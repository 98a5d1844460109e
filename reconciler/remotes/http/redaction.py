"""The bodies of writes for the audit, where the config asks for them, with secrets removed."""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.core.text import GUARDED_NAME, REDACTED
from reconciler.remotes.http.outcomes import Call, Operation

_SECRET_NAME = re.compile(GUARDED_NAME, re.IGNORECASE)


def kept_body(call: Call, body: bytes | None) -> str:
    """Return the JSON body of a write as text without secrets; empty for a read, and where there is none."""
    if not body or call.operation is Operation.READ:
        return ""
    return json.dumps(_without_secrets(json.loads(body)), sort_keys=True, ensure_ascii=False)


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: REDACTED if _SECRET_NAME.search(name) else _without_secrets(part) for name, part in value.items()
            }
        case list():
            return [_without_secrets(part) for part in value]
        case _:
            return value
