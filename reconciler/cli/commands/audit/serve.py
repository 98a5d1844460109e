"""The command ``audit serve``: the evidence in a browser."""

from __future__ import annotations

import importlib.util
import webbrowser
from urllib.parse import quote

import click

from reconciler.audit.told import CaseStory
from reconciler.cli.options import Globals
from reconciler.cli.showing.evidence import read_evidence
from reconciler.cli.showing.story import tell
from reconciler.cli.showing.story_lines import story_lines
from reconciler.cli.start import glance, start
from reconciler.cli.terminal import print_lines, say
from reconciler.config.glance import Glance
from reconciler.core.errors import ConfigError
from reconciler.store.values import Story

DEFAULT_PORT = 8001
INSTALL = "`pip install 'coralogix-servicenow-reconciler[audit]'`"
NEEDED = ("datasette", "datasette_dashboards", "uvicorn")


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port on loopback; 0 takes any that is free.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the start page in a browser.")
@click.pass_obj
def serve_command(options: Globals, port: int, is_opened: bool) -> None:
    """Show the database in a browser: charts, questions, views, and the story of each Case.

    Datasette reads the file in place, as you, on loopback only, while a daemon writes or when it is stopped; nothing
    here can change it. The address that is printed lets you in; who does not know it is not.

    \b
    Examples:
      reconciler audit serve
      reconciler audit serve --port 0 --open
    """
    start(options, quiet=True)
    config = glance(options)
    with read_evidence(config.database) as store:
        tables = store.reports.table_names()
    _require_datasette()
    from reconciler.audit.site.server import LOOPBACK, listen, make_site, serve  # noqa: PLC0415 - an extra

    try:
        listener = listen(port)
    except OSError as error:
        raise ConfigError(
            [f"{LOOPBACK}:{port} cannot be listened on: {error.strerror}; choose another --port"]
        ) from error
    site = make_site(config.database, tables, lambda case_id: _told(options, config, case_id))
    serve(site, listener, lambda address: _say_where(address, is_opened=is_opened))


def _require_datasette() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError([f"not installed: {', '.join(missing)}; {INSTALL} brings what `audit serve` needs"])


def _say_where(address: str, *, is_opened: bool) -> None:
    print_lines(address)
    say("Open it in a browser; Ctrl-C ends it.")
    if is_opened:
        webbrowser.open(address)


def _told(options: Globals, config: Glance, case_id: str) -> CaseStory | None:
    with read_evidence(config.database) as store:
        story, told = store.reports.story(case_id), tell(options, store, case_id)
    if story is None or told is None:
        return None
    document, names = told
    lines = story_lines(document, names=names, is_utc=True, is_plain=True)
    return CaseStory(text="\n".join(lines), addresses=addresses(config, story))


def addresses(config: Glance, story: Story) -> dict[str, str]:
    """Return the ways to the consoles of both services, as far as they are known."""
    pair = story.pair
    found = {"the Case in Coralogix": pair.case.url}
    instance = config.instances.get(pair.link.connector)
    if pair.incident is not None and instance is not None:
        form = quote(f"{pair.link.table}.do?sys_id={pair.incident.sys_id}", safe="")
        found[f"{pair.incident.number} in ServiceNow"] = f"{instance.rstrip('/')}/nav_to.do?uri={form}"
    return {words: address for words, address in found.items() if address.startswith(("https://", "http://"))}
