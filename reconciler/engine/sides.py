"""The state of each side (pauses, pace, refused logins), kept from cycle to cycle and over restarts."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.remotes.ports import SideState
from reconciler.store.store import Store

if TYPE_CHECKING:
    from reconciler.engine.context import Context

_TIMES = ("paused_until", "login_paused_until")


def side_fact(name: str) -> str:
    """Return the key of the fact that holds one side's state; ``name`` is ``coralogix`` or a connector."""
    return f"side.{name}"


def resume_sides(context: Context) -> None:
    """Restore the stored state of every side."""
    for name, side in context.sides().items():
        side.begin_cycle()
        text = context.store.facts.get(side_fact(name))
        if text is not None and text != _text(side.state):
            side.resume(read_side(text))


def remember_sides(context: Context) -> None:
    """Store the state of every side; one that never complained needs no fact."""
    for name, side in context.sides().items():
        text, known = _text(side.state), context.store.facts.get(side_fact(name))
        if text != known and (known is not None or side.state != SideState()):
            context.store.facts.put(side_fact(name), text)


def side_of_store(store: Store, name: str) -> SideState:
    """Return the stored state of one side."""
    text = store.facts.get(side_fact(name))
    return SideState() if text is None else read_side(text)


def read_side(text: str) -> SideState:
    """Read a stored state."""
    saved = json.loads(text)
    times = {name: datetime.fromisoformat(saved[name]) if saved[name] else None for name in _TIMES}
    return SideState(**(saved | times))


def _text(state: SideState) -> str:
    saved = asdict(state)
    times = {name: saved[name].isoformat() if saved[name] else None for name in _TIMES}
    return json.dumps(saved | times | {"requests_per_second": round(state.requests_per_second, 1)}, sort_keys=True)
