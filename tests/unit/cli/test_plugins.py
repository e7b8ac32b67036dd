"""`prismq-worker plugins`: what is installed, whether it loads, and whether it can work."""

import json

GREETING = """
from pydantic import SecretStr
from prismq_worker_sdk import PluginSettings, TaskHandler, hookimpl, task_handler

class Settings(PluginSettings):
    greeting_pin: SecretStr | None = None
    greeting_limit: int = 1

@task_handler("Test.Greet", params={"name": {"type": "string", "required": True}}, time_limit="2m")
def greet(params: dict, ctx):
    return {}

class Shy(TaskHandler):
    task_type = "Test.Shy"

    def ready(self):
        pin = self.settings and self.settings.greeting_pin
        return f"no door for {pin.get_secret_value()}" if pin else "GREETING_PIN is not set"

    def process(self, params: dict, ctx):
        return {}

@hookimpl
def prismq_task_handlers():
    return [greet, Shy]

@hookimpl
def prismq_plugin_settings():
    return Settings
"""
BROKEN = "raise RuntimeError('no such luck, api_key=canary-3b1f')"
CANARY = "canary-90aa-do-not-show"


def test_without_any_plugin_it_says_what_to_do(cli):
    shown = cli("plugins")

    assert (shown.code, shown.err) == (0, "")
    assert (
        shown.out == "no plugin is installed; pip install one, or name a module or a .py file with --plugin\n"
    )
    assert json.loads(cli("plugins", "--json").out) == {"plugins": [], "broken": []}


def test_each_plugin_is_listed_with_its_types_and_why_one_cannot_be_claimed(cli, install):
    install("greeting", GREETING)
    shown = cli("plugins")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        "greeting  (greeting 1.0)",
        "  Test.Greet  ready",
        "  Test.Shy  not ready: GREETING_PIN is not set",
    ]


def test_as_json_it_tells_everything_schemas_included(cli, install):
    module = install("greeting", GREETING)
    shown = cli("plugins", "--json")
    (plugin,) = json.loads(shown.out)["plugins"]

    greet, shy = plugin["task_types"]
    assert (plugin["name"], plugin["source"]) == ("greeting", "greeting 1.0")
    assert greet["handler"] == f"{module}:greet"
    assert (greet["time_limit_seconds"], greet["unready"]) == (120.0, None)
    assert greet["params_schema"]["properties"] == {"name": {"type": "string"}}
    assert shy["unready"] == "GREETING_PIN is not set"


def test_a_plugin_that_does_not_load_is_told_with_its_traceback_and_hides_no_other(cli, install):
    install("greeting", GREETING)
    install("broken", BROKEN)
    shown = cli("plugins")

    assert shown.code == 1
    assert "  Test.Greet  ready" in shown.out
    assert shown.err.startswith("broken  (broken 1.0)  does not load:\nTraceback")
    assert "RuntimeError: no such luck" in shown.err
    assert "canary" not in shown.err

    shown = cli("plugins", "--json")
    found = json.loads(shown.out)
    assert shown.code == 1
    assert [one["name"] for one in found["plugins"]] == ["greeting"]
    assert [(one["name"], one["source"]) for one in found["broken"]] == [("broken", "broken 1.0")]
    assert "canary" not in shown.out


def test_a_plugin_that_ends_the_process_while_it_loads_is_only_broken(cli, install):
    install("leaving", "raise SystemExit(7)")
    shown = cli("plugins")

    assert shown.code == 1
    assert "SystemExit: 7" in shown.err


def test_settings_that_cannot_be_used_are_the_reason_why_no_type_is_ready(cli, install, monkeypatch):
    install("greeting", GREETING)
    monkeypatch.setenv("GREETING_LIMIT", "many")
    monkeypatch.setenv("GREETING_PIN", CANARY)
    shown = cli("plugins")

    assert shown.code == 0
    assert shown.out.count("not ready: GREETING_LIMIT='many': Input should be a valid integer") == 2
    assert CANARY not in shown.out


def test_a_reason_shows_no_secret_of_the_settings(cli, install, monkeypatch):
    install("greeting", GREETING)
    monkeypatch.setenv("GREETING_PIN", CANARY)

    assert "not ready: no door for [redacted]" in cli("plugins").out
    assert CANARY not in cli("plugins", "--json").out


def test_a_ready_that_raises_is_a_reason_too(cli, install):
    install("greeting", GREETING.replace('return f"no', 'return 1 / 0 or f"no').replace("if pin", "if 1"))
    shown = cli("plugins")

    assert shown.code == 0
    assert "  Test.Greet  ready" in shown.out
    assert "  Test.Shy  not ready: ready() raised ZeroDivisionError: division by zero" in shown.out


def test_a_named_plugin_is_listed_alone(cli, install, plugin_file):
    install("greeting", GREETING)
    path = plugin_file(GREETING.replace("Test.", "Other."))

    assert "Other.Greet" in cli("plugins", "--plugin", path).out
    assert "Test.Greet" not in cli("plugins", "--plugin", path).out
    assert cli("plugins", "--plugin", "greeting").out == cli("plugins").out


def test_a_plugin_that_is_nowhere_is_told_with_those_that_exist(cli, install):
    install("greeting", GREETING)
    shown = cli("plugins", "--plugin", "greting")

    assert (shown.code, shown.out) == (2, "")
    assert "plugin 'greting': there is no such plugin; installed are: greeting;" in shown.err
