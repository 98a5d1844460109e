"""The pictures of ``audit serve``: its start page and one question, as a browser shows the story of the examples."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from reconciler.audit.site.server import listen, make_site
from reconciler.store.store import Store
from tests.pages.database import CASE_KEY, DATABASE_PAGE, example
from tests.world import START

PICTURES = {
    DATABASE_PAGE.with_name("start-page.png"): ("/", "1200,1050"),
    DATABASE_PAGE.with_name("question.png"): (f"/reconciler/story?case_key={CASE_KEY}", "1200,900"),
}


def draw_site() -> None:
    """Serve the example without asking who looks, and let a browser draw each picture."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("no chromium on this machine: the pictures of the pages stay as they are")
        return
    with TemporaryDirectory() as folder, example() as story:
        path = Path(folder, "reconciler.db")
        with Store.open(path, now=START) as store:
            story.database.connection.backup(store.database.connection)
            tables = store.reports.table_names()
        site = make_site(path, tables, lambda _case_id: None)
        del site._metadata_local["allow"]
        asyncio.run(site.invoke_startup())
        with closing(listen(0)) as listener:
            server = uvicorn.Server(uvicorn.Config(site.app(), log_level="warning"))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            for picture, (page, size) in PICTURES.items():
                address = f"http://127.0.0.1:{listener.getsockname()[1]}{page}"
                how = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
                how += [f"--user-data-dir={folder}/browser", "--virtual-time-budget=10000", f"--screenshot={picture}"]
                subprocess.run([browser, *how, address], check=True, capture_output=True, timeout=60)
            server.should_exit = True
            thread.join()
