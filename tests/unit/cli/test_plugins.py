"""`prismq-worker plugins`: what is installed, whether it loads, and whether it can work."""

import json

import pytest

GREETING = """
from pydantic import Field, SecretStr
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
SILENT = """
from prismq_worker_sdk import TaskHandler

class Silent(TaskHandler):
    task_type = "Test.Silent"

    def ready(self):
        raise {raised}

    def process(self, params: dict, ctx): ...
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


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt(3)"])
def test_a_question_that_leaves_the_interpreter_hides_no_other_plugin(cli, install, raised):
    install("greeting", GREETING)
    install("leaving", COUNTING.replace("used = len", f"raise {raised}; used = len"))
    install("silent", SILENT.format(raised=raised))
    text, kind = cli("plugins"), raised.split("(")[0]

    assert "  Test.Greet  ready" in text.out
    assert f"  Test.Silent  not ready: ready() raised {kind}: 3" in text.out
    assert f"  quotas() of Test.Search raised {kind}: 3" in cli("plugins", "--quota").out


def test_settings_whose_making_leaves_the_interpreter_are_a_reason_too(cli, install):
    install(
        "greeting",
        GREETING.replace("greeting_limit: int = 1", "greeting_limit: int = Field(default_factory=exit)"),
    )
    install("other", COUNTING)
    shown = cli("plugins")

    assert "  Test.Shy  not ready: making the settings Settings raised SystemExit" in shown.out
    assert "  Test.Search  ready" in shown.out


def test_two_handlers_of_one_type_are_not_ready_and_say_why(cli, plugin_file):
    twice = GREETING.replace("[greet, Shy]", "[greet, Shy, again]").replace(
        "class Shy", "again = task_handler('Test.Greet')(lambda p, c: 1)\n\nclass Shy"
    )
    shown = cli("plugins", "--plugin", plugin_file(twice))

    assert (
        shown.out.count("  Test.Greet  not ready: two handlers are for Test.Greet: some_plugin:greet and ")
        == 2
    )
    assert shown.out.count("; give one of them another type") == 2
    assert "  Test.Shy  not ready: GREETING_PIN is not set" in shown.out


@pytest.mark.parametrize("said", ['plugin = "here.py"', 'plugin = ["here.py"]'])
@pytest.mark.parametrize("command", [("plugins",), ("try", "Test.Greet", '{"name": "x"}'), ("doctor",)])
def test_the_config_file_may_name_the_plugins(cli, install, tmp_path, said, command):
    install("counting", COUNTING)
    (tmp_path / "here.py").write_text(GREETING)
    (tmp_path / "prismq-worker.toml").write_text(f"{said}\napi_url = 'http://127.0.0.1:9/api'\n")
    shown = cli(*command)

    assert {"plugins": "here.py  (here.py)", "try": "{}", "doctor": "plugins     here.py: 2 task types"}[
        command[0]
    ] in shown.out
    assert "counting" not in shown.out


def test_a_config_file_that_names_no_plugins_is_wrong_use(cli, tmp_path):
    (tmp_path / "prismq-worker.toml").write_text("plugin = 3\n")
    shown = cli("plugins")

    assert (shown.code, shown.err) == (
        2,
        'prismq-worker: prismq-worker.toml has plugin=3; write plugin = ["my_handlers.py"]\n',
    )


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


COUNTING = """
from datetime import datetime, timezone
from pydantic import BaseModel
from prismq_worker_sdk import Quota, TaskHandler, task_handler
from prismq_worker_sdk.settings import plugin_state_dir

class Found(BaseModel):
    text: str

class Search(TaskHandler):
    task_type = "Test.Search"

    def quotas(self):
        resets_at = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
        used = len(list(plugin_state_dir("counting").glob("*")))
        return [
            Quota(name="search calls", used=used, limit=95, resets_at=resets_at),
            Quota(name="units", used=7, limit=10_000, resets_at=resets_at, blocked="the server says so"),
        ]

    def process(self, params: dict, ctx) -> Found:
        return Found(text="x")

class Other(Search):
    task_type = "Test.Other"
"""


def test_quotas_of_outside_services_are_shown_once_for_all_handlers_that_share_them(cli, install, tmp_path):
    install("counting", COUNTING)
    kept = tmp_path / "state" / "plugins" / "counting"
    kept.mkdir(parents=True)
    (kept / "one").touch()
    shown = cli("plugins", "--quota", "--state-dir", tmp_path / "state")

    assert shown.code == 0
    assert shown.out.splitlines() == [
        "counting  (counting 1.0)",
        "  search calls                  94 of 95 left until 2026-11-26T08:00:00Z",
        "  units                          0 of 10000 left until 2026-11-26T08:00:00Z  (the server says so)",
    ]


def test_as_json_quotas_and_the_schema_of_the_results_are_told_too(cli, install):
    install("counting", COUNTING)
    (plugin,) = json.loads(cli("plugins", "--json").out)["plugins"]

    assert plugin["quotas"][1] == {
        "name": "units",
        "used": 7,
        "limit": 10_000,
        "left": 0,
        "resets_at": "2026-11-26T08:00:00Z",
        "blocked": "the server says so",
    }
    assert plugin["task_types"][0]["result_schema"]["properties"] == {
        "text": {"title": "Text", "type": "string"}
    }


def test_a_plugin_without_quotas_says_so_and_one_whose_quotas_raise_hides_no_other(cli, install):
    install("greeting", GREETING)
    install("odd", COUNTING.replace("resets_at = datetime", "resets_at = nothing"))
    shown = cli("plugins", "--quota")

    assert shown.code == 0
    assert "greeting  (greeting 1.0)\n  no quotas" in shown.out
    assert "  quotas() of Test.Search raised NameError: name 'nothing' is not defined" in shown.out
