"""What bad input and bad days get: one clear sentence, the right exit code, and nothing lost."""

import http.server
import json
import signal
import subprocess
import sys
import threading

import pytest

from tests.support.processes import PROBES, wait_until


def answer_with(status, body, **headers):
    """A server that gives every request this one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = body.encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "text/html",
                "Content-Length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def stranger():
    servers = []

    def start(status, body, **headers):
        server = answer_with(status, body, **headers)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/api"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (404, "<h1>Not Found</h1>", {}, "HTTP 404"),
        (404, '{"detail":"Not Found"}', JSON, "HTTP 404"),
        (
            302,
            "",
            {"Location": "https://elsewhere.invalid/login?key=AAAA"},
            "redirects to https://elsewhere.invalid/login",
        ),
        (200, '{"name":"another service"}', JSON, "another service"),
        (200, "<h1>Welcome</h1>", {}, "not JSON"),
        (200, '{"success":true,"data":"healthy"}', JSON, "another service"),
    ],
)
def test_r33_a_wrong_address_is_said_so_and_ends_the_start(
    start_worker, stranger, status, body, headers, said
):
    worker = start_worker(stranger(status, body, **headers))

    assert worker.exit_code() == 1
    (stopped,) = worker.events("worker_stopped")
    assert said in stopped["message"]
    assert worker.text().count(said) == 1
    assert "--api-url" in stopped["message"] or "dialect" in stopped["message"]
    assert "AAAA" not in worker.text()


def test_a_server_that_is_down_at_start_is_tried_until_the_startup_timeout(start_worker, unused_port):
    worker = start_worker(f"http://127.0.0.1:{unused_port}/api", "--startup-timeout", "0.5s")

    assert worker.exit_code() == 1
    assert "did not answer for 0.5s (the connection was refused)" in worker.text()


def test_sigterm_while_the_server_is_searched_ends_the_worker(start_worker, unused_port):
    worker = start_worker(f"http://127.0.0.1:{unused_port}/api", "--startup-timeout", "1h")
    wait_until(lambda: worker.events("server_lost"), "the search")

    assert worker.terminate(deadline=5) == 0


def test_r34_a_key_that_is_refused_at_the_first_claim_is_told_and_never_shown(server, start_worker, tmp_path):
    server.state.key = "the right one"
    worker = start_worker(server.url, environment={"TASKMANAGER_API_KEY": "canary-of-a-wrong-key"}, name="w")
    wait_until(lambda: "refuses the API key" in worker.text(), "the complaint")
    assert worker.terminate() == 0
    assert "canary-of-a-wrong-key" not in worker.text()


def test_r34_a_key_that_is_refused_later_pauses_the_work_and_a_new_one_is_taken_from_the_file(
    server, start_worker, tmp_path
):
    key_file = tmp_path / "key"
    key_file.write_text("first-key\n")
    server.state.key = "first-key"
    worker = start_worker(server.url, environment={"TASKMANAGER_API_KEY_FILE": str(key_file)})
    (task_id,) = server.state.add([{"type": "Test.Gated"}])
    wait_until(lambda: worker.runs(), "the start of the task")
    server.state.key = "second-key"
    worker.gate_file.touch()
    wait_until(lambda: "refuses the API key" in worker.text(), "the refusal")
    assert server.state.tasks[task_id]["status"] == "processing"
    key_file.write_text("second-key\n")
    wait_until(lambda: server.state.tasks[task_id]["status"] == "completed", "the delivery with the new key")

    assert worker.terminate() == 0
    assert worker.runs() == [task_id]


def test_invalid_params_fail_once_and_name_each_field(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Strict", "params": {"q": "", "n": 9, "zz": 1}}])
    worker = start_worker(server.url, "--max-runs", "1")

    assert worker.exit_code() == 0
    assert worker.runs() == []
    error = server.state.tasks[task_id]["error"]
    assert all(field in error for field in ("/q", "/n", "/zz"))


@pytest.mark.parametrize(
    ("task_type", "said"),
    [
        ("Test.Failing", "RuntimeError: it is broken"),
        ("Test.Gone", "no such thing"),
        ("Test.NotANumber", "result.x is nan"),
        ("Test.NotJson", "result.x is of type set"),
        ("Test.TooLarge", "8388608 at most"),
        ("Test.Exits", "SystemExit: 3"),
    ],
)
def test_a_handler_that_misbehaves_fails_its_task_and_the_worker_lives_on(
    server, start_worker, task_type, said
):
    bad, good = server.state.add([{"type": task_type}, {"type": "Test.Counted"}])
    worker = start_worker(server.url, "--max-runs", "2", "--concurrency", "1")

    assert worker.exit_code() == 0
    assert server.state.tasks[bad]["status"] == "failed"
    assert said in server.state.tasks[bad]["error"]
    assert server.state.tasks[good]["status"] == "completed"


def test_r19_errors_in_a_row_pause_the_type_and_end_a_worker_with_no_other(server, start_worker, tmp_path):
    plugin = tmp_path / "one.py"
    plugin.write_text(
        "from prismq_worker_sdk import task_handler\n"
        "@task_handler('Test.Only')\n"
        "def only(params: dict, ctx):\n    raise KeyError('x')\n"
    )
    server.state.add([{"type": "Test.Only"}] * 5)
    worker = start_worker(server.url, "--max-consecutive-errors", "3", plugin=plugin, name="w")

    assert worker.exit_code() == 1
    assert "3 tasks in a row failed unexpectedly" in worker.text()


def test_r37_a_worker_that_leaves_results_behind_exits_with_75_and_says_what_to_do(server, start_worker):
    server.state.add([{"type": "Test.Counted"}])
    server.state.faults = {"complete": {"kinds": ["http_500"]}}
    worker = start_worker(server.url)
    wait_until(lambda: worker.events("report_delayed"), "the first try to report")

    assert worker.terminate() == 75
    assert "1 report is left: start me again" in worker.text()


def test_r36_a_handler_that_ignores_its_end_is_left_at_the_deadline(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Stubborn"}])
    worker = start_worker(server.url, "--grace-period", "1.5s")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate(deadline=10) == 75
    assert server.state.tasks[task_id]["status"] == "processing"
    (ended,) = worker.events("claim_ended")
    assert ended["end"] == "lapsed"


def test_r15_a_running_task_is_given_back_when_the_grace_period_runs_out(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Gated"}])
    worker = start_worker(server.url, "--grace-period", "1.5s")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate(deadline=10) == 0
    assert server.state.tasks[task_id]["status"] == "processing"
    (ended,) = worker.events("claim_ended")
    assert (ended["end"], ended["task"]) == ("lapsed", task_id)


def test_r36_a_second_signal_ends_the_worker_now(server, start_worker):
    server.state.add([{"type": "Test.Stubborn"}])
    worker = start_worker(server.url, "--grace-period", "1h")
    wait_until(lambda: worker.runs(), "the start of the task")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.signal(signal.SIGINT)

    assert worker.exit_code(deadline=10) == 75


def test_r16_a_handler_beyond_its_time_limit_is_told_to_end_and_fails(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Gated"}])
    worker = start_worker(server.url, "--server-claim-timeout", "1s", "--max-runs", "1")

    assert worker.exit_code() == 0
    assert "did not end within its time limit" in server.state.tasks[task_id]["error"]


def test_an_unknown_plugin_ends_with_the_list_of_those_that_exist(server, start_worker):
    worker = start_worker(server.url, plugin="no_such_plugin", log_format="console")

    assert worker.exit_code() == 2
    assert "youtube_shorts" in worker.text()
    assert "Traceback" not in worker.text()


def test_a_named_plugin_that_does_not_load_ends_with_its_traceback(server, start_worker, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    worker = start_worker(server.url, plugin=tmp_path / "broken.py", log_format="console")

    assert worker.exit_code() == 2
    assert "no_such_module_anywhere" in worker.text()


def test_two_handlers_for_one_type_are_refused_and_both_are_named(server, start_worker, tmp_path):
    (tmp_path / "other.py").write_text(PROBES.read_text())
    worker = start_worker(server.url, "--plugin", str(tmp_path / "other.py"), log_format="console")

    assert worker.exit_code() == 2
    assert "probes:counted" in worker.text()
    assert "other:counted" in worker.text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--poll-interval", "often"), "--poll-interval (POLL_INTERVAL)='often'"),
        (("--concurrency", "0"), "--concurrency (PRISMQ_WORKER_CONCURRENCY)=0"),
        (("--api-url", "ftp://x"), "http or https"),
        (("--api-url", "http://user:pass@x/api"), "user name or a password"),
        (("--max-memory-per-child", "much"), "--max-memory-per-child"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_its_variable(server, start_worker, arguments, said):
    worker = start_worker(server.url, *arguments, log_format="console")

    assert worker.exit_code() == 2
    assert said in worker.text()
    assert "Traceback" not in worker.text()
    assert "pass@" not in worker.text()


def test_r39_a_state_folder_that_cannot_be_used_ends_the_worker_before_it_claims(
    server, start_worker, tmp_path
):
    (tmp_path / "taken").write_text("a file")
    worker = start_worker(server.url, "--state-dir", str(tmp_path / "taken"))

    assert worker.exit_code() == 2
    assert worker.text().count("cannot be made") == 1
    assert server.state.exchanges == []


def test_r12_a_disk_without_room_ends_the_start_with_a_message(server, start_worker, small_disk):
    worker = start_worker(server.url, "--state-dir", str(small_disk / "state"))

    assert worker.exit_code() == 2
    assert "is full" in worker.text()
    assert server.state.exchanges == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_in_no_sink(server, start_worker, log_format):
    canary = "canary-7f3a9c2e-do-not-show"
    server.state.key = canary
    (task_id,) = server.state.add([{"type": "Test.Leaky"}])
    worker = start_worker(
        server.url, "--max-runs", "1", environment={"TASKMANAGER_API_KEY": canary}, log_format=log_format
    )

    assert worker.exit_code() == 0
    assert "[redacted]" in server.state.tasks[task_id]["error"]
    assert canary not in json.dumps(server.state.exchanges)
    assert canary not in worker.text()
    assert "about to fail" in worker.text()
    for path in worker.state_dir.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes()


def test_with_json_every_line_of_stderr_is_one_object_from_the_first_to_a_fatal_error(
    start_worker, tmp_path, server
):
    worker = start_worker(server.url, plugin="no_such_plugin")

    assert worker.exit_code() == 2
    assert all(isinstance(line, dict) for line in worker.lines())
    assert worker.lines()


def test_sigusr1_shows_the_statistics(server, start_worker):
    worker = start_worker(server.url)
    wait_until(lambda: worker.events("worker_started"), "the start")
    worker.signal(signal.SIGUSR1)
    wait_until(lambda: worker.events("statistics"), "the statistics")

    assert worker.terminate() == 0


def test_every_line_of_a_task_carries_worker_task_and_type(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Counted"}])
    worker = start_worker(server.url, "--max-runs", "1")

    assert worker.exit_code() == 0
    lines = [line for line in worker.lines() if line["task"] == task_id]
    assert {line["event"] for line in lines if "event" in line} >= {"claimed", "task_started", "committed"}
    assert all(line["worker"] and line["type"] == "Test.Counted" for line in lines)


def test_a_worker_without_any_handler_says_what_to_do(server, start_worker, tmp_path):
    (tmp_path / "empty.py").write_text("")
    worker = start_worker(server.url, plugin=tmp_path / "empty.py", log_format="console")

    assert worker.exit_code() == 2
    assert "no handler" in worker.text()


def test_the_command_line_shows_help_without_a_worker():
    shown = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", "--help"], capture_output=True, text=True, check=True
    )

    assert "taskmanager" in shown.stdout
