"""The kit itself: what it says of servers that have the base only, that hang, that are gone, that want another key."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import SkipTest
from xml.etree import ElementTree as ET

import pytest

from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.testing.conformance import (
    CHECKS,
    Outcome,
    Server,
    examine,
    hold,
    report,
    run,
    runner,
)
from tests.support.api import running_api
from tests.support.base_server import BaseServer
from tests.support.processes import control
from tests.support.raw_server import raw_server

BASE = [check for check in CHECKS if check.bundle == "base"]
BY_NAME = {check.name: check for check in CHECKS}
KEYS = {scope: f"the-key-of-a-{scope}" for scope in Scope}


def outcomes(results):
    return {result.check.name: str(result.outcome) for result in results}


def reasons(results, outcome):
    return {result.check.name: result.why for result in results if result.outcome == outcome}


@pytest.fixture
def base():
    with BaseServer() as server:
        yield server


class Scripted:
    """A server whose answers a test gives: (status, media type, body) by the call, None to hang."""

    def __init__(self, answers):
        over = self.over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = answers(self.command, self.path.removeprefix("/api"))
                if found is None:
                    over.wait()
                    return
                status, kind, body = found
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def healthy(**more):
    return 200, "application/json", json.dumps({"status": "healthy", **more}).encode()


def nothing():
    return 200, "application/json", b"null"


def test_a_base_server_is_checked_with_tasks_that_somebody_else_creates(base):
    def submit(task_type, params):
        control(base.url, add=[{"type": task_type, "params": dict(params)}])

    found = list(run(Server(base.url, submit=submit), CHECKS))

    assert reasons(found, "failed") == {}
    passed = {name for name, outcome in outcomes(found).items() if outcome == "passed"}
    waiting = {check.name for check in BASE if check.waits}
    assert passed == {check.name for check in BASE} - waiting - {
        "base.a_task_that_nobody_holds_cannot_be_ended"
    }
    skipped = reasons(found, "skipped")
    assert "--claim-timeout" in skipped["base.an_abandoned_task_is_handed_out_again"]
    assert skipped["exchange.an_empty_exchange_is_answered"] == "the server does not announce exchange"


def test_without_a_way_to_create_tasks_it_says_what_it_could_not_check(base):
    found = list(run(Server(base.url), BASE))

    assert outcomes(found)["base.health_says_healthy"] == "passed"
    assert outcomes(found)["base.the_end_of_an_unknown_task_is_404"] == "passed"
    assert "--submit-command" in reasons(found, "skipped")["base.a_completed_task_is_done"]
    assert reasons(found, "failed") == {}


def test_a_key_that_may_not_do_everything_leaves_out_what_it_may_not(tmp_path):
    keys = tuple(ApiKey.of(text, scope) for scope, text in KEYS.items())
    with running_api(tmp_path, keys=keys) as api:
        worker = list(run(Server(api.url, key=KEYS[Scope.WORKER], pass_time=api.clock.turn), CHECKS))
        check = BY_NAME["manage.a_pending_task_is_cancelled_at_once"]
        admin = examine(Server(api.url, key=KEYS[Scope.ADMIN]), check)

    assert reasons(worker, "failed") == {}
    assert "--key" in reasons(worker, "skipped")[check.name]
    assert outcomes(worker)["exchange.an_empty_exchange_is_answered"] == "passed"
    assert admin.outcome is Outcome.PASSED


@pytest.mark.parametrize("key", [None, "wrong-key-wrong"])
def test_a_server_that_takes_no_such_key_is_wrong_use(tmp_path, key):
    with (
        running_api(tmp_path, keys=(ApiKey.of(KEYS[Scope.ADMIN], Scope.ADMIN),)) as api,
        pytest.raises(UsageError, match="--key"),
    ):
        examine(Server(api.url, key=key), BASE[0])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, "text/html", b"<html>"), "not the address of a TaskManager"),
        ((404, "application/json", b'{"detail": "Not Found"}'), "not the address of a TaskManager"),
        ((200, "application/json", b"[]"), "not the address of a TaskManager"),
        ((200, "application/json", b'{"success": true, "data": {"status": "healthy"}}'), "prismq-client"),
    ],
)
def test_what_is_no_taskmanager_of_this_protocol_is_wrong_use(answer, reason):
    with Scripted(lambda _method, _path: answer) as server, pytest.raises(UsageError, match=reason):
        examine(Server(server.url), BASE[0])


def test_no_server_at_all_is_wrong_use():
    with pytest.raises(UsageError, match="there is no server"):
        examine(Server("http://127.0.0.1:9/api"), BASE[0])


def test_a_server_that_hangs_fails_its_checks_and_never_the_kit():
    asked = []

    def answers(method, path):
        asked.append(path)
        if path == "/health":
            return healthy()
        return nothing() if asked.count("/tasks/claim") < 2 else None

    with Scripted(answers) as server:
        found = list(run(Server(server.url, timeout=2.0), BASE[:3]))

    assert outcomes(found)["base.a_claim_of_nothing_is_null_or_404"] == "failed"
    assert "had no whole answer" in reasons(found, "failed")["base.a_claim_of_nothing_is_null_or_404"]


def test_an_answer_that_trickles_is_none():
    slow = raw_server(lambda peer: peer.trickle(b"HTTP/1.1 200 OK\r\n" + b"x" * 10_000, 0.05))
    with slow as server, pytest.raises(UsageError, match="no whole answer within"):
        examine(Server(server.url, timeout=0.3), BASE[0])


def test_a_server_that_answers_nothing_but_its_health_is_not_asked_for_ever():
    asked = []

    def answers(_method, path):
        asked.append(path)
        return healthy() if path == "/health" else nothing() if asked.count(path) < 2 else None

    with Scripted(answers) as server:
        examined = Server(server.url, timeout=0.2, submit=lambda *_: None)
        found = list(run(examined, [one for one in BASE if not one.waits]))

    assert [one.why for one in found].count(runner.GONE) > 10


def test_a_check_that_does_not_end_has_failed(monkeypatch):
    monkeypatch.setattr(runner, "LIMIT", 0.3)
    asked = []

    def answers(_method, path):
        asked.append(path)
        if path == "/health":
            return healthy()
        return nothing() if asked.count("/tasks/claim") < 2 else None

    with Scripted(answers) as server:
        found = examine(Server(server.url), BY_NAME["base.a_claim_of_nothing_is_null_or_404"])

    assert (found.outcome, "did not end" in found.why) == (Outcome.FAILED, True)


def test_once_a_server_is_gone_the_rest_fails_at_once():
    server = BaseServer()
    with server:
        examined = Server(server.url)
        assert examined.announced == {}
        control(server.url, away=True)
        found = list(run(examined, BASE))

    failed = reasons(found, "failed")
    assert list(failed.values()).count(runner.GONE) == len(failed) - 1
    assert len(failed) > 10


def test_in_a_test_a_broken_promise_is_an_assertion_and_what_cannot_be_checked_a_skip(base):
    with pytest.raises(SkipTest, match="does not announce exchange"):
        hold(Server(base.url), BY_NAME["exchange.an_empty_exchange_is_answered"])
    with (
        Scripted(
            lambda _method, path: healthy() if path == "/health" else (404, "text/html", b"<html>")
        ) as server,
        pytest.raises(AssertionError, match="a_claim_of_nothing") as broken,
    ):
        hold(Server(server.url), BY_NAME["base.a_claim_of_nothing_is_null_or_404"])

    assert "POST /tasks/claim" in str(broken.value)


def test_a_submit_that_does_not_work_is_wrong_use(base):
    def submit(_task_type, _params):
        raise UsageError("the queue is not there")

    with pytest.raises(UsageError, match="the queue is not there"):
        list(run(Server(base.url, submit=submit), BASE))


def test_what_waits_for_leases_can_be_left_out(tmp_path):
    waiting = [check for check in CHECKS if check.waits and check.bundle != "base"]
    with running_api(tmp_path) as api:
        quick = list(run(Server(api.url, quick=True), waiting))
        eleven = examine(Server(api.url), BY_NAME["exchange.ten_unconfirmed_claims_are_free"])

    assert set(outcomes(quick).values()) == {"skipped"}
    assert "it would wait 660 s" in eleven.why


def test_it_leaves_no_unfinished_task_behind(tmp_path):
    with running_api(tmp_path) as api:
        server = Server(api.url, pass_time=api.clock.turn)
        results = list(run(server, [check for check in CHECKS if check.bundle == "exchange"]))
        open_tasks = [
            task
            for status in ("pending", "processing")
            for task in api.call("GET", f"/tasks?status={status}&limit=500").json()["tasks"]
        ]

    assert {result.outcome for result in results} == {Outcome.PASSED}
    assert [task for task in open_tasks if not task["type"].endswith(".Child")] == []


def test_the_key_is_nowhere_in_what_is_said(tmp_path):
    key = KEYS[Scope.ADMIN]

    def answers(_method, path):
        return (
            healthy() if path == "/health" else (500, "application/json", json.dumps({"key": key}).encode())
        )

    with Scripted(answers) as server:
        examined = Server(server.url, key=key)
        found = [examine(examined, check) for check in BASE]

    assert "failed" in outcomes(found).values()
    assert key not in json.dumps(report.as_values(examined, found)) + report.as_junit(found)


def test_a_run_is_told_as_json_and_as_junit(base):
    checks = [BY_NAME["base.health_says_healthy"], BY_NAME["base.times_are_rfc_3339_in_utc"]]
    server = Server(base.url)
    found = list(run(server, checks))
    broken = runner.Result(checks[1], Outcome.FAILED, "it\x00broke", 0.1, ("GET /x → 500 \x1b[31m",))

    values = report.as_values(server, found)
    suites = ET.fromstring(report.as_junit([*found, broken]))

    assert [values[name] for name in ("passed", "failed", "skipped")] == [1, 0, 1]
    assert [(one["name"], one["outcome"]) for one in values["checks"]] == list(outcomes(found).items())
    assert all(one["promise"] for one in values["checks"])
    (suite,) = suites
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert "500" in suite.find("testcase/failure").text


def test_every_check_has_a_name_of_its_own_and_says_its_promise():
    assert len(BY_NAME) == len(CHECKS)
    assert [check.name for check in CHECKS if not check.promise.endswith(".")] == []
