"""`prismq-worker try`: one run of a handler, without a server."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.surroundings import clean_environment

CANARY = "canary-62d7-do-not-show"
AFTER = r"after [\d.]+m?s"
PLUGIN = """
import logging
import warnings

from pydantic import SecretStr
from prismq_worker_sdk import (
    Defer, Permanent, PluginSettings, TaskHandler, Transient, Unavailable, hookimpl, task_handler
)

class Settings(PluginSettings):
    trial_pin: SecretStr | None = None

@task_handler("Test.Greet", params={"name": {"type": "string", "required": True, "min": 1}})
def greet(params: dict, ctx):
    ctx.log.info("greeting", name=params["name"])
    return {"hello": params["name"]}

@task_handler("Test.Ends")
def ends(params: dict, ctx):
    raise {
        "permanent": Permanent("no such thing"),
        "transient": Transient("not now", retry_in=3),
        "soon": Transient("soon"),
        "defer": Defer("too early", retry_in=60),
        "unavailable": Unavailable("quota used up", retry_in=90),
        "bug": KeyError("x"),
    }[params["how"]]

@task_handler("Test.Leaky")
def leaky(params: dict, ctx):
    pin = ctx.settings.trial_pin.get_secret_value()
    logging.getLogger("somebody.else").warning("calling https://some.host/?pin=%s", pin)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{pin} is old", stacklevel=1)
    ctx.log.warning(f"with {pin}", note=f"and {pin}", token="short")
    raise RuntimeError(f"{pin} was refused")

def careful(pin):
    raise KeyError(pin) if len("canary-62d7-do-not-show") else None

@task_handler("Test.Chained")
def chained(params: dict, ctx):
    try:
        careful(1)
    except KeyError as error:
        raise RuntimeError("could not read") from error

class Never(TaskHandler):
    task_type = "Test.Never"

    def ready(self):
        pin = self.settings.trial_pin
        return "TRIAL_PIN is not set" if pin is None else f"{pin.get_secret_value()} is used up"

    def process(self, params: dict, ctx):
        return {}

@task_handler("Test.Asynchronous")
async def asynchronous(params: dict, ctx):
    return ["ü", None]

@task_handler("Test.Settings")
def settings(params: dict, ctx):
    return {"pin": repr(ctx.settings.trial_pin)}

@hookimpl
def prismq_task_handlers():
    return [greet, ends, leaky, chained, Never, asynchronous, settings]

@hookimpl
def prismq_plugin_settings():
    return Settings
"""


@pytest.fixture
def attempt(cli, plugin_file):
    path = plugin_file(PLUGIN)
    return lambda *arguments: cli("try", *arguments, "--plugin", path)


def test_a_completed_run_prints_the_result_and_its_log(attempt):
    shown = attempt("Test.Greet", '{"name": "Zoë"}')

    assert (shown.code, json.loads(shown.out)) == (0, {"hello": "Zoë"})
    assert re.fullmatch(rf"info: greeting name=Zoë\ncompleted \({AFTER}\)\n", shown.err)


def test_no_command_of_a_text_reaches_the_terminal(attempt):
    shown = attempt("Test.Greet", json.dumps({"name": "a\x1b[31m\x9b31m\u202eb"}))

    assert json.loads(shown.out)["hello"] == "a\x1b[31m\x9b31m\u202eb"
    assert "name=a\\x1b[31m\\x9b31m\\u202eb" in shown.err
    assert (shown.out + shown.err).replace("\n", "").isprintable()


def test_an_async_handler_runs_and_params_may_be_left_out(attempt):
    shown = attempt("Test.Asynchronous")

    assert (shown.code, json.loads(shown.out)) == (0, ["ü", None])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("permanent", rf"failed: no such thing \({AFTER}, not retryable\)"),
        ("transient", rf"failed: not now \({AFTER}, worth another try, retry_in 3s\)"),
        ("soon", rf"failed: soon \({AFTER}, worth another try\)"),
        ("defer", rf"given back: too early \({AFTER}, retry_in 1m\)"),
        ("unavailable", rf"given back: quota used up \({AFTER}, retry_in 1m 30s\)"),
        ("bug", rf"failed: KeyError: 'x' \(some_plugin.py:\d+, in ends\) \({AFTER}\)"),
    ],
)
def test_any_other_end_is_told_and_exits_with_1(attempt, how, said):
    shown = attempt("Test.Ends", json.dumps({"how": how}))

    assert (shown.code, shown.out) == (1, "")
    assert re.fullmatch(said, shown.err.splitlines()[-1])


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_chain_of_errors_is_shown_without_secrets_in_every_kind_of_slot(attempt, monkeypatch, isolation):
    monkeypatch.setenv("TRIAL_PIN", CANARY)
    shown = attempt("Test.Chained", "--isolation", isolation)

    assert CANARY not in shown.err
    assert 'raise KeyError(pin) if len("[redacted]")' in shown.err
    assert (
        "KeyError: 1\n\nThe above exception was the direct cause of the following exception:\n" in shown.err
    )
    assert re.search(r"failed: RuntimeError: could not read \(some_plugin.py:\d+, in chained\)", shown.err)
    assert "prismq_worker_sdk" not in shown.err


def test_an_unexpected_error_shows_the_frames_of_the_handler_and_no_others(attempt):
    shown = attempt("Test.Ends", '{"how": "bug"}')

    assert shown.err.startswith("Traceback (most recent call last):\n  File ")
    assert "in ends\n" in shown.err
    assert "\nKeyError: 'x'\nfailed: " in shown.err
    assert "prismq_worker_sdk" not in shown.err
    assert "Traceback" not in attempt("Test.Ends", '{"how": "transient"}').err


def test_invalid_params_are_told_field_by_field(attempt):
    shown = attempt("Test.Greet", '{"name": "", "colour": "red"}')

    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("failed: invalid params: ")
    assert "/name" in shown.err
    assert "/colour" in shown.err


def test_a_type_that_is_not_ready_says_why_and_exits_with_2(attempt):
    shown = attempt("Test.Never")

    assert (shown.code, shown.out) == (2, "")
    assert shown.err == "prismq-worker: Test.Never is not ready: TRIAL_PIN is not set\n"


def test_an_unknown_type_is_told_with_those_that_exist(attempt):
    shown = attempt("Test.Gret")

    assert (shown.code, shown.out) == (2, "")
    assert "no handler is for 'Test.Gret'; there are handlers for: Test.Greet, Test.Ends," in shown.err


def test_a_secret_is_in_no_line(attempt, monkeypatch):
    monkeypatch.setenv("TRIAL_PIN", CANARY)
    shown = attempt("Test.Leaky")

    assert shown.code == 1
    for said in (
        "pin=[redacted]",
        "[redacted] is old",
        "with [redacted]",
        "failed: RuntimeError: [redacted] was refused",
    ):
        assert said in shown.err
    assert CANARY not in shown.err + shown.out
    assert "short" not in shown.err


def test_the_reason_of_a_type_that_is_not_ready_shows_no_secret(attempt, monkeypatch):
    monkeypatch.setenv("TRIAL_PIN", CANARY)
    shown = attempt("Test.Never")

    assert (shown.code, shown.err) == (2, "prismq-worker: Test.Never is not ready: [redacted] is used up\n")


def test_the_handler_has_the_settings_of_its_plugin(attempt, monkeypatch):
    monkeypatch.setenv("TRIAL_PIN", CANARY)

    assert json.loads(attempt("Test.Settings").out) == {"pin": "SecretStr('**********')"}


def test_installed_plugins_are_used_and_a_broken_one_is_told(cli, install):
    install("good", PLUGIN)
    install("broken", "raise RuntimeError('no such luck')")
    shown = cli("try", "Test.Greet", '{"name": "you"}')

    assert (shown.code, json.loads(shown.out)) == (0, {"hello": "you"})
    assert "plugin broken does not load and is left out" in shown.err
    assert "RuntimeError: no such luck" in shown.err


def test_a_named_plugin_that_does_not_load_ends_the_try(cli, plugin_file):
    shown = cli("try", "Test.Greet", "--plugin", plugin_file("import no_such_module_anywhere"))

    assert (shown.code, shown.out) == (2, "")
    assert "no_such_module_anywhere" in shown.err


AUTHORS = """
import logging, os, threading
from prismq_worker_sdk import RetryPolicy, TaskHandler, Transient, task_handler

@task_handler("Test.Long", time_limit="0.2s")
def long(params: dict, ctx):
    for step in range(10_000):
        ctx.progress(step / 100, f"step {step}")
        ctx.sleep(0.01)

@task_handler("Test.Deaf", time_limit="0.1s")
def deaf(params: dict, ctx):
    threading.Event().wait()

@task_handler("Test.Parent")
def parent(params: dict, ctx):
    ctx.progress(50, "half")
    ctx.progress(100, "all")
    ctx.submit("Test.Child", {"n": 1})
    ctx.submit("Test.Child", {"n": 2}, priority=9)
    return "done"

@task_handler("Test.Exits", isolation="process")
def exits(params: dict, ctx):
    print("the last words")
    os._exit(3)

@task_handler("Test.Where", isolation="process")
def where(params: dict, ctx):
    return [os.getpid() == params["pid"], ctx.checkpoint(1), ctx.last_checkpoint]

@task_handler("Test.Pid")
def pid(params: dict, ctx):
    return os.getpid()

@task_handler("Test.Twice", retry=RetryPolicy(max_attempts=2, initial=0.001, ceiling=0.001))
def twice(params: dict, ctx):
    raise Transient("busy")

@task_handler("Test.Logs")
def logs(params: dict, ctx):
    logging.getLogger("prismq.task.library").warning("%d of %d", 1)

class Unset(TaskHandler):
    task_type = "Test.Unset"

    def setup(self):
        raise OSError("no such disk")

    def process(self, params: dict, ctx):
        return {}
"""


@pytest.fixture
def of_author(cli, plugin_file):
    path = plugin_file(AUTHORS)
    return lambda *arguments: cli("try", *arguments, "--plugin", path)


def test_r16_the_time_limit_holds_and_progress_is_shown(of_author):
    shown = of_author("Test.Long")

    assert shown.code == 1
    assert "progress: 0 % step 0\n" in shown.err
    assert "the handler did not end within its time limit of 0.2s" in shown.err.splitlines()[-1]


def test_r16_a_handler_that_does_not_end_is_given_up_and_shown_where_it_is(of_author, monkeypatch):
    for place in ("prismq_worker_sdk.decide.leases", "prismq_worker_sdk.worker.lease_loop"):
        monkeypatch.setattr(f"{place}.ABANDON_AFTER", 0.1)
    shown = of_author("Test.Deaf")

    assert shown.code == 1
    assert "error: the handler does not end; it is here:\n" in shown.err
    assert "in deaf\n" in shown.err
    assert "nor 0 s after it was told to" in shown.err.splitlines()[-1]


def test_children_that_a_server_would_create_are_listed(of_author):
    shown = of_author("Test.Parent")

    assert (shown.code, json.loads(shown.out)) == (0, "done")
    assert shown.err.splitlines()[:-1] == [
        "progress: 50 % half",
        "progress: 100 % all",
        'would create Test.Child {"n":1}',
        'would create Test.Child {"n":2} with priority 9',
    ]


def test_a_handler_that_wants_a_process_gets_one_and_its_end_is_told(of_author):
    shown = of_author("Test.Exits")

    assert (shown.code, shown.out) == (1, "")
    assert "the last words\n" in shown.err
    assert "\nfailed: crashed: exit code 3 (after" in shown.err
    assert json.loads(of_author("Test.Where", json.dumps({"pid": os.getpid()})).out) == [False, None, 1]


def test_a_handler_that_does_not_say_where_it_runs_runs_where_workers_are_told_to(of_author, monkeypatch):
    here = [
        json.loads(of_author("Test.Pid", *more).out) == os.getpid()
        for more in ((), ("--isolation", "process"))
    ]
    monkeypatch.setenv("PRISMQ_WORKER_ISOLATION", "process")
    here += [
        json.loads(of_author("Test.Pid", *more).out) == os.getpid()
        for more in ((), ("--isolation", "thread"))
    ]

    assert here == [True, False, False, True]


def test_a_try_inside_the_claim_is_told(of_author):
    shown = of_author("Test.Twice")

    assert "warning: a try failed and is repeated tries=1" in shown.err


def test_a_bad_log_call_fails_no_task_here_either(of_author):
    shown = of_author("Test.Logs")

    assert shown.code == 0
    assert "warning: '%d of %d' (its arguments do not fit: TypeError(" in shown.err


def test_a_setup_that_raises_is_told_as_a_type_that_is_not_ready(of_author):
    shown = of_author("Test.Unset")

    assert (shown.code, shown.out) == (2, "")
    assert shown.err.splitlines()[-1].startswith(
        "prismq-worker: Test.Unset is not ready: setup() raised OSError: no such disk (some_plugin.py:"
    )
    assert "in setup\n" in shown.err


@pytest.mark.parametrize("how", ["option", "variable"])
def test_debug_shows_the_whole_traceback(how, attempt, monkeypatch):
    if how == "variable":
        monkeypatch.setenv("DEBUG", "1")
    shown = attempt("Test.Ends", '{"how": "bug"}', *["--debug"] * (how == "option"))

    assert "Traceback (most recent call last)" in shown.err
    assert "handler_call.py" in shown.err


PRINTS = """
import atexit, os, subprocess, sys, threading, time
from prismq_worker_sdk import PluginSettings, TaskHandler, hookimpl

def say(what):
    print(what)
    sys.__stdout__.write(f"{what} by another name\\n")
    os.write(1, f"{what} by a library\\n".encode())
    subprocess.run(["echo", what, "by a program"])

say("import")
atexit.register(say, "the end")
threading.Thread(target=lambda: [print("meanwhile", flush=True) for _ in iter(lambda: time.sleep(0.001), 1)],
                 daemon=True).start()

class Settings(PluginSettings):
    def __init__(self, **given):
        say("settings")
        super().__init__(**given)

class Prints(TaskHandler):
    task_type = "Test.Prints"

    def ready(self):
        say("ready")

    def quotas(self):
        say("quotas")
        return ()

    def setup(self):
        say("setup")

    def process(self, params: dict, ctx):
        say("process")
        return {"ok": True}

@hookimpl
def prismq_plugin_settings():
    return Settings

@hookimpl
def prismq_task_handlers():
    return [Prints]
"""


def printed(plugin, folder, *command):
    """What a command prints whose plugin prints as well, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", *command, "--plugin", plugin],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=folder,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("try", "Test.Prints"),
        ("plugins", "--json"),
        ("doctor", "--json", "--api-url", "http://127.0.0.1:9", "--state-dir", "state"),
    ],
    ids=lambda command: command[0],
)
def test_stdout_carries_only_what_was_asked_for_whatever_a_plugin_prints(command, plugin_file, tmp_path):
    done = printed(plugin_file(PRINTS), tmp_path, *command)

    assert isinstance(json.loads(done.stdout), dict), done.stderr
    for what in ("import", "settings", "ready", "the end"):
        for how in ("", " by another name", " by a library", " by a program"):
            assert f"{what}{how}\n" in done.stderr


def test_what_is_told_in_lines_is_on_stdout_alone_too(plugin_file, tmp_path, api):
    path = plugin_file(PRINTS)

    assert printed(path, tmp_path, "plugins").stdout.splitlines() == [
        f"{path}  ({path})",
        "  Test.Prints  ready",
    ]
    published = printed(path, tmp_path, "plugins", "--publish", "--api-url", api.url)
    assert published.stdout == "Test.Prints  published\n"
    examined = printed(path, tmp_path, "doctor", "--api-url", api.url, "--state-dir", "state").stdout
    assert "import" not in examined
    assert "a worker would run" in examined.splitlines()[-1]
