"""Datasette over the database, served on loopback to who started it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from datasette.app import Datasette
from datasette.plugins import pm

from reconciler.audit.site import plugin
from reconciler.audit.site.charts import DATABASE
from reconciler.audit.site.database import EvidenceDatabase
from reconciler.audit.site.settings import SETTINGS, metadata
from reconciler.audit.told import Tell

LOOPBACK = "127.0.0.1"


def make_site(path: Path, tables: tuple[str, ...], tell: Tell) -> Datasette:
    """Make the pages over a database. ``tables`` are those that it hides."""
    if not pm.has_plugin(DATABASE):
        pm.register(plugin, name=DATABASE)
    site = Datasette(
        [], metadata=metadata(tables), settings=SETTINGS, template_dir=str(Path(__file__).with_name("templates"))
    )
    site.tell = tell
    site.add_database(EvidenceDatabase(site, path), name=DATABASE)
    return site


def listen(port: int) -> socket.socket:
    """Listen on a loopback port, 0 for any free one; raise OSError where it is taken."""
    # Listening starts before the site is built, so that a browser waits instead of being refused.
    return socket.create_server((LOOPBACK, port))


def serve(site: Any, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ``ready`` is called with the address that holds the access token.

    Other users of the machine can reach loopback too, and may not be allowed to read the file: so the site requires a
    cookie, which the token in that address sets.
    """
    asyncio.run(site.invoke_startup())
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    ready(f"{address}{site.urls.path('-/auth-token')}?token={site._root_token}")  # noqa: SLF001 - as its own command does
    config = uvicorn.Config(site.app(), log_level="warning", lifespan="on", access_log=False)
    with suppress(KeyboardInterrupt):  # uvicorn passes Ctrl-C on when all is closed
        uvicorn.Server(config).run(sockets=[listener])
