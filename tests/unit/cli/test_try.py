"""`prismq-worker try`: one run of a handler, without a server."""

import json

import pytest

CANARY = "canary-62d7-do-not-show"
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
    return [greet, ends, leaky, Never, asynchronous, settings]

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
    assert shown.err == "info: greeting name=Zoë\n"


def test_an_async_handler_runs_and_params_may_be_left_out(attempt):
    shown = attempt("Test.Asynchronous")

    assert (shown.code, json.loads(shown.out), shown.err) == (0, ["ü", None], "")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("permanent", "failed: no such thing\n"),
        ("transient", "failed: not now\n"),
        ("defer", "given back for 60 s: too early\n"),
        ("unavailable", "given back for 90 s: quota used up\n"),
        ("bug", "failed: KeyError: 'x'\n"),
    ],
)
def test_any_other_end_is_told_and_exits_with_1(attempt, how, said):
    shown = attempt("Test.Ends", json.dumps({"how": how}))

    assert (shown.code, shown.out) == (1, "")
    assert shown.err == said


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
        "failed: RuntimeError: [redacted]",
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
