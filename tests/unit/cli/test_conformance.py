"""`prismq-worker conformance server`: what it prints, what it writes, how it ends."""

import json
import sys
from xml.etree import ElementTree as ET

import pytest

from prismq_worker_sdk.taskmanager import views
from tests.support.api import running_api
from tests.support.base_server import BaseServer

ENQUEUE = """
import json, sys, urllib.request
task = {"type": sys.argv[2], "params": json.loads(sys.argv[3])}
said = json.dumps({"add": [task]}).encode()
urllib.request.urlopen(urllib.request.Request(sys.argv[1], said, {"Content-Type": "application/json"}), timeout=10)
"""


@pytest.fixture
def conformance(cli):
    return lambda *words: cli("conformance", "server", *words)


def test_a_server_that_keeps_its_promises_is_told_so_in_a_table(conformance, api):
    shown = conformance(api.url, "--only", "base", "--quick")

    assert shown.code == 0
    assert f"{api.url}: base, exchange, manage" in shown.err
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["base.health_says_healthy", "passed"] in [row[:2] for row in rows]
    assert shown.out.splitlines()[-1] == "16 passed, 0 failed, 2 skipped"


def test_a_broken_promise_is_named_with_what_was_asked_and_answered(conformance, api, monkeypatch):
    monkeypatch.setattr(views, "_instant", lambda _seconds: '"yesterday"')
    shown = conformance(api.url, "--only", "base.times_are_rfc_3339_in_utc")

    assert shown.code == 1
    assert "created_at is 'yesterday', no time of RFC 3339" in " ".join(shown.out.split())
    assert 'POST /tasks/claim {"worker_id": ' in shown.out
    assert shown.out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_it_is_told_as_json_and_written_for_build_servers(conformance, api, tmp_path):
    shown = conformance(api.url, "--only", "batch", "--json", "--junit", tmp_path / "report.xml")

    found = json.loads(shown.out)
    assert (shown.code, found["passed"], found["url"]) == (0, 3, api.url)
    assert {one["outcome"] for one in found["checks"]} == {"passed"}
    (suite,) = ET.parse(tmp_path / "report.xml").getroot()
    assert (suite.get("name"), suite.get("tests")) == ("batch", "3")


def test_a_command_of_the_user_creates_the_tasks_of_a_server_that_cannot(conformance, tmp_path):
    (tmp_path / "enqueue.py").write_text(ENQUEUE, encoding="utf-8")
    with BaseServer() as server:
        place = server.url.removesuffix("/api") + "/_control"
        command = f"'{sys.executable}' '{tmp_path / 'enqueue.py'}' {place}"
        shown = conformance(
            server.url, "--only", "base.a_task_is_handed_out_whole", "--submit-command", command
        )

    assert (shown.code, shown.out.splitlines()[-1]) == (0, "1 passed, 0 failed, 0 skipped")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "--submit-command false ended with exit code 1"),
        ("there-is-no-such-program", "--submit-command there-is-no-such-program does not work"),
        ("'", "cannot be read"),
        (" ", "is empty"),
    ],
)
def test_a_command_that_creates_no_task_is_wrong_use(conformance, command, said):
    with BaseServer() as server:
        shown = conformance(server.url, "--only", "base.a_failure_is_taken", "--submit-command", command)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err


def test_no_server_is_exit_code_2(conformance, unused_url):
    shown = conformance(unused_url)

    assert (shown.code, shown.out) == (2, "")
    assert f"there is no server at {unused_url}" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["localhost:8000"], "write http://localhost:8000/api"),
        (["http://localhost:1/api", "--only", "exhange"], "did you mean exchange?"),
        (["http://localhost:1/api", "--only", "zzzzzz"], "bundles are base, "),
        (["http://localhost:1/api", "--key", "@no-such-file"], "cannot be read"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_what_to_do(conformance, words, said):
    shown = conformance(*words)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err


def test_a_report_that_cannot_be_written_is_told(conformance, api, tmp_path):
    shown = conformance(api.url, "--only", "batch", "--junit", tmp_path / "nowhere" / "report.xml")

    assert (shown.code, "cannot be written" in shown.err) == (2, True)


def test_how_long_it_will_wait_is_told_beforehand(conformance, tmp_path):
    with running_api(tmp_path, lease_seconds=12.0) as api:
        name = "exchange.an_expired_claim_is_handed_out_again"
        shown = conformance(
            api.url, "--only", name, "--only", "exchange.an_empty_exchange_is_answered", "--quick"
        )
        assert "--quick leaves them out" not in shown.err

    assert (shown.code, shown.out.splitlines()[-1]) == (0, "1 passed, 0 failed, 1 skipped")
