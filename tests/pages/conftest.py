import os
import shutil
from pathlib import Path

import pytest

from tests.support.processes import DEADLINE, Worker
from tests.support.taskmanager import TaskManager

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[dev]'")
HANDLERS = Path(__file__).parent / "handlers.py"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium's own calls to its makers left out."""


@pytest.fixture(scope="module")
def chromium():
    """A browser for one file of tests: in this thread, where other tests run event loops, playwright runs its own."""
    place = shutil.which("chromium")
    if place is None:
        pytest.skip("no chromium on this machine; Debian: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=place, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens pages; a script error, or a dialog that a text has opened, fails the test."""
    contexts, errors = [], []

    def opened(url, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(DEADLINE * 1000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (errors.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def start_site(tmp_path):
    started = []

    def start(*more, **options):
        server = TaskManager(tmp_path / "server", more=more, **options)
        started.append(server)
        return Site(server)

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def site(start_site):
    return start_site()


@pytest.fixture
def start_worker(tmp_path):
    started = []

    def start(url, *arguments, **options):
        worker = Worker(tmp_path / "worker", url, arguments=arguments, plugin=HANDLERS, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.clean_up()


@pytest.fixture
def screenshots(tmp_path):
    """Where pictures go: into the docs when they are to be made anew (`make screenshots`)."""
    place = Path(os.environ.get("PRISMQ_SCREENSHOTS") or tmp_path)
    place.mkdir(parents=True, exist_ok=True)
    return place


class Site:
    """A TaskManager and its API, as tests call it."""

    def __init__(self, server):
        import requests

        self.server = server
        self.api = server.url
        self.root = server.url.removesuffix("/api")
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method, path, body=None, *, key=None):
        headers = {} if key is None else {"X-API-Key": key}
        answer = self._session.request(method, self.api + path, json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def submit(self, task_type, params=None, *, key=None, **more):
        new = {"type": task_type, "params": params or {}, **more}
        return self.call("POST", "/tasks", new, key=key)["id"]
