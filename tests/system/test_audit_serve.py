"""``audit serve`` in earnest: Datasette over a database, as the person who started it and as somebody else sees it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

from reconciler.audit.catalogue import AuditQuestion, View, questions, views
from reconciler.store.store import Store
from reconciler.store.values import OperatorAction
from tests.builders import a_config
from tests.pages.database import example
from tests.system.support import THIS_PROGRAM, Processes
from tests.system.test_sandbox_serve import BARE
from tests.world import START

PATIENCE_SECONDS = 60
A_DEED = OperatorAction(what="holds retry", os_user="operator", host="sync-01", arguments="", detail="")
CASE_ID = "d605a0e5-7b6c-5da7-a08e-f1895af98842"

needs_datasette = pytest.mark.skipif(
    importlib.util.find_spec("datasette_dashboards") is None, reason="the extra `audit` is not installed"
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site that is served, and the browser of who started it."""

    folder: Path
    entrance: str
    browser: OpenerDirector
    process: subprocess.Popen[str]

    @property
    def root(self) -> str:
        return self.entrance.partition("/-/")[0]

    def page(self, path: str) -> str:
        with self.browser.open(self.root + path, timeout=PATIENCE_SECONDS) as answer:
            return str(answer.read().decode())


def a_folder(folder: Path) -> Path:
    """Make a folder with a config and the database of the example."""
    (folder / "reconciler.toml").write_text(a_config("NOT_SET_ANYWHERE"), encoding="utf-8")
    with example() as story, Store.open(folder / "reconciler.db", now=START) as store:
        story.database.connection.backup(store.database.connection)
    return folder


@contextmanager
def served(folder: Path, *, enters: bool = True) -> Iterator[Site]:
    """Serve a folder; who enters has used up the address that lets one in."""
    arguments = [*THIS_PROGRAM, "audit", "serve", "--port", "0"]
    with subprocess.Popen(
        arguments, cwd=folder, env=BARE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            entrance = process.stdout.readline().strip()
            browser = build_opener(HTTPCookieProcessor(CookieJar()))
            if enters:
                browser.open(entrance, timeout=PATIENCE_SECONDS).close()
            yield Site(folder=folder, entrance=entrance, browser=browser, process=process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(a_folder(tmp_path_factory.mktemp("site"))) as running:
        yield running


@needs_datasette
def test_the_start_page_leads_to_every_question_and_view_and_draws_charts(site: Site) -> None:
    page = site.page("/")
    assert all(f'href="/reconciler/{name}"' in page for name in [*views(), *(one.name for one in questions())])
    assert set(re.findall(r'id="chart-(\w+)"', page)) == {"stages", "lag", "resolve", "holds"}
    assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*\.(?:js|css))(?:\?\w+)?"', page))


@needs_datasette
@pytest.mark.parametrize("question", questions(), ids=lambda question: question.name)
def test_a_question_is_answered(site: Site, question: AuditQuestion) -> None:
    parameters = "".join(f"&{name}=CASE-1" for name in question.parameters)
    answer = json.loads(site.page(f"/reconciler/{question.name}.json?_shape=array{parameters}"))
    assert answer or question.right_answer


@needs_datasette
@pytest.mark.parametrize("view", views().values(), ids=views())
def test_a_view_says_what_each_column_means(site: Site, view: View) -> None:
    page = site.page(f"/reconciler/{view.name}")
    assert view.title in page
    meanings = re.findall(r"<dt>(\w+)</dt><dd>", page)
    assert meanings == list(view.columns)


@needs_datasette
def test_tables_are_hidden(site: Site) -> None:
    listed = json.loads(site.page("/reconciler.json"))
    assert {table["name"] for table in listed["tables"] if not table["hidden"]} == set()
    assert {view["name"] for view in listed["views"]} == set(views())


@needs_datasette
def test_a_case_leads_to_its_story_and_to_the_console(site: Site) -> None:
    assert f'href="/-/explain/{CASE_ID}"' in site.page("/reconciler/audit_links")
    story = site.page(f"/-/explain/{CASE_ID}")
    assert "Checkout fails" in story
    assert "beth.anglin" in story
    assert "https://acme.service-now.com/nav_to.do?uri=incident.do%3Fsys_id%3D" in story
    with pytest.raises(HTTPError, match="404"):
        site.page("/-/explain/nobody")


@needs_datasette
@pytest.mark.parametrize("path", ["/", "/reconciler/audit_links.json", f"/-/explain/{CASE_ID}", "/reconciler.db"])
def test_who_was_not_given_the_address_sees_nothing(site: Site, path: str) -> None:
    with pytest.raises(HTTPError, match=r"403|404"):
        build_opener().open(site.root + path, timeout=PATIENCE_SECONDS)


@needs_datasette
def test_nothing_can_be_changed(site: Site) -> None:
    before = (site.folder / "reconciler.db").read_bytes()
    sql = quote("DELETE FROM people")
    page = f"{site.root}/reconciler"
    for request in (Request(f"{page}?sql={sql}"), Request(page, data=f"sql={sql}".encode())):
        with pytest.raises(HTTPError):
            site.browser.open(request, timeout=PATIENCE_SECONDS)
    assert (site.folder / "reconciler.db").read_bytes() == before
    assert [path.name for path in site.folder.glob("reconciler.db*")] == ["reconciler.db"]


@needs_datasette
def test_what_a_daemon_writes_meanwhile_is_seen_and_not_held_up_and_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    with served(a_folder(tmp_path)) as site:
        count = "/reconciler.json?_shape=array&sql=" + quote("SELECT count(*) AS n FROM audit_people")  # noqa: S608 - an address
        [before] = json.loads(site.page(count))
        with Store.open(tmp_path / "reconciler.db", now=START) as daemon:
            daemon.journal.note_person(A_DEED, START)
            assert json.loads(site.page(count)) == [{"n": before["n"] + 1}]
            daemon.journal.note_person(A_DEED, START)
        assert json.loads(site.page(count)) == [{"n": before["n"] + 2}]
        site.process.send_signal(signal.SIGINT)
        assert site.process.wait(PATIENCE_SECONDS) == 0


@needs_datasette
def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ran = Processes().run([*THIS_PROGRAM, "audit", "serve", "--port", port], a_folder(tmp_path), BARE)
    assert (ran.code, ran.out) == (2, "")
    assert f"127.0.0.1:{port} cannot be listened on" in ran.err


def test_without_datasette_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['datasette'] = None; from reconciler.cli import main; main()"
    ran = Processes().run([sys.executable, "-c", code, "audit", "serve"], a_folder(tmp_path), BARE)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'coralogix-servicenow-reconciler[audit]'" in ran.err


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.gate
@needs_datasette
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_a_browser_draws_every_chart(tmp_path: Path) -> None:
    with served(a_folder(tmp_path), enters=False) as site:
        arguments = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'browser'}",
        ]
        arguments += ["--virtual-time-budget=10000", "--dump-dom", site.entrance]
        drawn = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False).stdout
    cards = drawn.split('<div class="dashboard-card"')[1:]
    assert [card.count('class="marks"') for card in cards] == [1, 1, 1, 1]
