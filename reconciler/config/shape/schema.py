"""The shape of the file as JSON Schema, for editors that complete and check while one types.

It is made from the very shape that the config is checked by; what only the whole file shows (a route's connector, a
template's names) is told by ``reconciler check`` alone.
"""

from __future__ import annotations

from typing import Any

from reconciler.config.shape.tables import File
from reconciler.core.model import JsonObject

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> JsonObject:
    """Return the JSON Schema of the config file."""
    schema = _without_null(File.model_json_schema())
    return {"$schema": DIALECT, **schema, "title": "reconciler.toml", "description": "Config of the reconciler."}


def _without_null(part: Any) -> Any:
    """Take out what cannot be written: TOML knows no null, and a key that is left out is no null either."""
    if isinstance(part, list):
        return [_without_null(one) for one in part if one != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    kept = {name: _without_null(value) for name, value in part.items() if not (name == "default" and value is None)}
    choices = kept.get("anyOf")
    return {**kept.pop("anyOf")[0], **kept} if isinstance(choices, list) and len(choices) == 1 else kept
