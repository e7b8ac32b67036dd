"""How an error leaves the command line: one sentence, the exit code, and a traceback only when asked for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.surroundings import clean_environment

FULL = Path("/dev/full")
CANARY = "canary-8c4b-do-not-show"
WRONG = [
    (("nonsense",), "No such command 'nonsense'."),
    (("doctr",), "No such command 'doctr'; did you mean doctor?"),
    (
        ("words.py",),
        "No such command 'words.py'; a worker with that file is prismq-worker --plugin words.py.",
    ),
    (("tasks", "shwo"), "No such command 'shwo'; did you mean show?"),
    (("outbox", "lst"), "No such command 'lst'; did you mean list?"),
    (("--nonsense",), "No such option"),
    (("run", "extra"), "unexpected extra argument"),
    (
        ("run", "--poll-interval", "often"),
        "--poll-interval (POLL_INTERVAL)='often': 'often' is not a duration",
    ),
    (("run", "--max-runs", "x"), "--max-runs (MAX_RUNS)='x'"),
    (("--concurrency", "0"), "--concurrency (PRISMQ_WORKER_CONCURRENCY)=0"),
    (("run", "--health-port", "http"), "--health-port (PRISMQ_WORKER_HEALTH_PORT)='http'"),
    (("run", "--api-url", "ftp://x"), "--api-url (TASKMANAGER_API_URL): the api_url 'ftp://x' is no http"),
    (("run", "--plugin", "no_such_plugin"), "no_such_plugin"),
    (("run", "--plugin", "no_such_file.py"), "there is no file no_such_file.py"),
    (("run",), "there is no handler to run"),
    (("try",), "Missing argument 'TYPE'"),
    (("try", "T.T", "{nope"), "'{nope' is no JSON"),
    (("try", "T.T", "[1]"), "'[1]' is no JSON object"),
    (("submit",), "Missing argument 'TYPE'"),
    (("submit", "T.T", '{"x": NaN}'), "NaN is no JSON number"),
    (("submit", "T.T", '"text"'), "is no JSON object"),
    (("submit", "T.T", '{"x": "\\ud800"}'), "surrogates not allowed"),
    (("submit", "T.T", "{}", "--delay", "later"), "--delay: 'later' is not a duration"),
    (("submit", "T.T", "{}", "--timeout", "-1s"), "--timeout: '-1s' is not a duration"),
    (("submit", "T.T", "{}", "--priority", "high"), "'high' is not a valid integer"),
    (("submit", "T.T", "{}", "--api-url", "nowhere"), "--api-url (TASKMANAGER_API_URL)"),
    (("tasks", "--status", "odd"), "'odd' is not one of"),
    (("tasks", "--limit", "0"), "0 is not in the range"),
    (("tasks", "show"), "Missing argument 'ID'"),
    (("tasks", "nonsense"), "No such command 'nonsense'"),
    (("taskmanager", "--port", "x"), "'x' is not a valid integer"),
    (("taskmanager", "--claim-timeout", "soon"), "--claim-timeout: 'soon' is not a duration"),
]


def by_arguments(one):
    return " ".join(one) if isinstance(one, tuple) else ""


def test_a_variable_of_another_program_is_told_by_a_worker_before_anything_else(cli, monkeypatch):
    monkeypatch.setenv("DEBUG", "app:*")
    shown = cli("run", "--plugin", "no_such_file.py", "--state-dir", "state")

    assert shown.code == 2
    assert "DEBUG='app:*' is passed over: it takes 1 or 0" in shown.err.splitlines()[0]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=by_arguments)
def test_wrong_use_is_told_in_one_sentence_and_exits_with_2(arguments, said, cli):
    shown = cli(*arguments)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err.startswith("prismq-worker: ")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=by_arguments)
def test_where_json_is_wanted_the_sentence_is_one_object(arguments, said, cli, monkeypatch):
    monkeypatch.setenv("PRISMQ_WORKER_LOG_FORMAT", "json")
    shown = cli(*arguments)

    line = json.loads(shown.err)
    assert (shown.code, line["exit_code"], line["level"]) == (2, 2, "CRITICAL")
    assert said in line["message"]
    assert {"ts", "logger", "worker", "task", "type", "attempt"} <= set(line)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log-format", "json", "--concurrency", "0"),
        ("run", "--log-format=json", "--concurrency", "0"),
        ("run", "--log-format", "json", "--plugin", "no_such_plugin"),
        ("run", "--log-format", "json", "--nonsense"),
        ("run", "--log-format", "json", "--debug", "--concurrency", "0"),
        ("run", "--log-format", "json", "--debug"),
        ("taskmanager", "--log-format", "json", "--host", "0.0.0.0"),
    ],
    ids=by_arguments,
)
def test_with_log_format_json_every_line_is_one_object(arguments, cli):
    shown = cli(*arguments)

    lines = [json.loads(line) for line in shown.err.splitlines()]
    assert shown.code == 2
    assert lines[-1]["exit_code"] == 2
    assert ("exception" in lines[-1]) == ("--debug" in arguments)


def test_the_config_file_may_want_json_too(cli, tmp_path):
    (tmp_path / "prismq-worker.toml").write_text('log-format = "json"\nconcurrency = 0\n')

    assert json.loads(cli("run").err)["message"].startswith("--concurrency (PRISMQ_WORKER_CONCURRENCY)=0")
    assert cli("run", "--log-format", "console").err.startswith("prismq-worker: ")


@pytest.mark.parametrize("how", ["option", "variable", "file"])
def test_a_traceback_is_shown_when_debug_is_asked_for(how, cli, monkeypatch, tmp_path):
    arguments = ["--debug"] if how == "option" else []
    if how == "variable":
        monkeypatch.setenv("DEBUG", "1")
    if how == "file":
        (tmp_path / "prismq-worker.toml").write_text("debug = true")
    shown = cli("run", "--concurrency", "0", *arguments)

    assert shown.code == 2
    assert shown.err.startswith("Traceback (most recent call last)")
    assert shown.err.splitlines()[-1].startswith("prismq-worker: --concurrency")


def test_a_server_that_does_not_answer_is_told_in_one_sentence_and_exits_with_1(cli, unused_url):
    for arguments in (("submit", "T.T"), ("tasks",), ("tasks", "show", "x"), ("tasks", "cancel", "x")):
        shown = cli(*arguments, "--api-url", unused_url)
        assert shown.code == 1
        assert shown.err == (
            f"prismq-worker: {unused_url} did not answer: the connection was refused; start the TaskManager, or "
            "check the address (--api-url, TASKMANAGER_API_URL)\n"
        )


BROKEN = """
import os
from prismq_worker_sdk import hookimpl
raise RuntimeError("cannot start with " + os.environ["TASKMANAGER_API_KEY"])
"""


@pytest.mark.parametrize(
    "more", [(), ("--debug",), ("--log-format", "json"), ("--debug", "--log-format", "json")]
)
def test_the_key_is_in_no_complaint_about_a_plugin(more, cli, plugin_file, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    shown = cli("run", "--plugin", plugin_file(BROKEN), *more)

    assert shown.code == 2
    assert "RuntimeError: cannot start with [redacted]" in shown.err
    assert CANARY not in shown.err + shown.out


def test_an_error_nobody_expected_is_told_with_its_kind_and_exits_with_1(cli, monkeypatch):
    def surprise(names):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("prismq_worker_sdk.cli.plugins.load", surprise)
    shown = cli("plugins")

    assert shown.code == 1
    assert shown.err == (
        "prismq-worker: unexpected ZeroDivisionError: nothing to divide by; "
        "run it again with --debug and report the traceback\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code"), [(["run", "--max-runs", "x"], 2), (["submit", "T.T", "{"], 2), (["--version"], 0)]
)
def test_the_exit_code_is_that_of_the_process(arguments, code, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment(),
    )

    assert ended.returncode == code
    assert ended.stderr.count("\n") == (1 if code else 0)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["try", "plugins"])
def test_a_stdout_that_takes_nothing_is_told_in_one_sentence(command, plugin, tmp_path):
    arguments = [command, *(["Test.Some", '{"q": "x"}'] if command == "try" else []), "--plugin", plugin]
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "prismq_worker_sdk", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env=clean_environment(),
        )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "prismq-worker: stdout cannot take the answer (No space left on device); "
        "make room there, or send it somewhere else"
    )
