"""A Datasette plugin: the start page, and the story of a Case with links to both consoles.

A Datasette plugin is a module with hooks; what it needs from the program is an attribute of the site.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from datasette import hookimpl
from datasette.utils.asgi import Forbidden, NotFound, Response
from markupsafe import Markup

from reconciler.audit.catalogue import questions, views
from reconciler.audit.site.charts import DATABASE
from reconciler.audit.site.settings import ONLY_WHO_STARTED_IT


@hookimpl  # type: ignore[untyped-decorator]
def render_cell(value: Any, column: str, database: str) -> Markup | None:
    """Link each Case id to its story."""
    if database != DATABASE or column != "case_id" or not isinstance(value, str):
        return None
    return Markup('<a href="/-/explain/{}">{}</a>').format(quote(value, safe=""), value)


@hookimpl  # type: ignore[untyped-decorator]
def extra_template_vars(view_name: str, datasette: Any) -> dict[str, Any]:
    """Return the variables of the start page's template."""
    if view_name != "index":
        return {}
    dashboard = datasette.plugin_config("datasette-dashboards")["start"]
    return {"dashboard": dashboard, "views": views(), "questions": questions(), "database_name": DATABASE}


@hookimpl  # type: ignore[untyped-decorator]
def register_routes() -> list[tuple[str, Callable[..., Any]]]:
    """Add the page of a Case."""
    return [("^/-/explain/(?P<case_id>[^/]+)$", explain)]


async def explain(request: Any, datasette: Any) -> Any:
    """Show the story of one Case."""
    if (request.actor or {}).get("id") != ONLY_WHO_STARTED_IT["id"]:
        raise Forbidden("only who started these pages may read them")
    case_id = request.url_vars["case_id"]
    told = await asyncio.to_thread(datasette.tell, case_id)
    if told is None:
        raise NotFound(f"{case_id}: no such Case is remembered")
    page = await datasette.render_template("explain.html", {"told": told, "case_id": case_id}, request=request)
    return Response.html(page)
