"""`prismq-worker doctor` on this machine: plugins, settings, state folder, ports."""

import json

from prismq_worker_sdk.outbox import folder as outbox_folder
from prismq_worker_sdk.outbox.folder import take_instance
from tests.support.doctor import PLUGIN

SHY = """
from prismq_worker_sdk import TaskHandler

class Shy(TaskHandler):
    task_type = "Test.Shy"

    def ready(self):
        return "SHY_KEY is not set"

    def process(self, params: dict, ctx):
        return {}
"""


def test_a_plugin_that_does_not_load_or_is_not_there_is_a_failure(doctor, api, plugin_file):
    broken = doctor(api.url, plugins=[plugin_file("raise RuntimeError('no such luck')", "broken")])
    missing = doctor(api.url, plugins=["no_such_plugin"])

    assert (broken.code, missing.code) == (1, 1)
    assert "RuntimeError: no such luck" in broken.text("plugins")
    assert "there is no such plugin" in missing.text("plugins")
    assert broken.level("server") == ["ok"]


def test_an_installed_plugin_that_does_not_load_is_a_warning(cli, api, install, tmp_path):
    install("good", PLUGIN)
    install("broken", "raise RuntimeError('no such luck')")
    shown = cli("doctor", "--json", "--api-url", api.url, "--state-dir", tmp_path / "state")
    plugins = [one for one in json.loads(shown.out)["checks"] if one["check"] == "plugins"]

    assert shown.code == 0
    assert [one["level"] for one in plugins] == ["warn", "ok"]
    assert "broken does not load and is left out: RuntimeError: no such luck" in plugins[0]["text"]


def test_without_any_handler_or_with_two_for_one_type_nothing_would_run(
    cli, doctor, api, plugin, plugin_file
):
    nothing = cli("doctor", "--api-url", api.url)
    twice = doctor(api.url, plugins=[plugin, plugin_file(PLUGIN, "other")])

    assert (nothing.code, twice.code) == (1, 1)
    assert "there is no handler to run; install a plugin" in nothing.out
    assert "two handlers are for Test.Some" in twice.text("plugins")


def test_types_that_are_not_registered_are_one_warning(doctor, api, plugin_file):
    handler = "@task_handler('Test.N{0}')\ndef n{0}(params: dict, ctx): ...\n"
    text = "from prismq_worker_sdk import task_handler\n" + "".join(handler.format(n) for n in range(5))
    file = plugin_file(text)
    found = doctor(api.url, plugins=[file])

    assert found.level("type") == ["warn"]
    assert "Test.N0, Test.N1, Test.N2 and 2 more are not registered: tasks are created with" in found.text(
        "type"
    )
    assert f"prismq-worker plugins --publish --plugin {file}" in found.text("type")


def test_a_type_that_is_not_ready_is_a_warning_with_its_reason(doctor, api, plugin_file):
    found = doctor(api.url, plugins=[plugin_file(SHY)])

    assert (found.code, found.level("plugins")) == (0, ["ok", "warn"])
    assert "SHY_KEY is not set" in found.text("plugins")


def test_a_type_whose_ready_leaves_the_interpreter_is_a_warning_too(doctor, api, plugin_file):
    found = doctor(api.url, plugins=[plugin_file(SHY.replace("return", "raise SystemExit(3); return", 1))])

    assert (found.code, found.level("plugins")) == (0, ["ok", "warn"])
    assert "ready() raised SystemExit: 3" in found.text("plugins")


def test_wrong_settings_are_wrong_use_as_they_are_for_run(cli, plugin):
    shown = cli("doctor", "--plugin", plugin, "--poll-interval", "soon")

    assert (shown.code, shown.out) == (2, "")
    assert "--poll-interval (POLL_INTERVAL)='soon'" in shown.err


def test_a_state_folder_that_cannot_be_used_is_a_failure(doctor, api, tmp_path):
    (tmp_path / "file").write_text("")
    found = doctor(api.url, "--state-dir", tmp_path / "file" / "state")

    assert (found.code, found.level("state")) == (1, ["fail"])
    assert "it is no folder; give --state-dir" in found.text("state")
    assert doctor(api.url, "--instance", "../x").level("state") == ["fail"]


def test_an_instance_is_taken_from_no_worker(doctor, api, tmp_path):
    mine = take_instance(tmp_path / "state", "a")
    try:
        held, other = doctor(api.url, "--instance", "a"), doctor(api.url, "--instance", "b")
        still = take_instance(tmp_path / "state", "b")
        still.release()
    finally:
        mine.release()
    free = doctor(api.url, "--instance", "a")

    assert (held.code, other.code, free.code) == (1, 0, 0)
    assert "a worker runs on --instance a" in held.text("state")


def test_what_a_dead_worker_left_running_is_told_from_a_worker(doctor, api, tmp_path):
    mine = take_instance(tmp_path / "state", "a")
    mine.database.touch()
    (mine.path / "lock").write_text(str(2**22 - 3))
    try:
        named, other = doctor(api.url, "--instance", "a"), doctor(api.url)
    finally:
        mine.release()

    assert (named.code, other.code) == (1, 0)
    for found in (named, other):
        assert "a of " in found.text("state")
        assert "left running by a worker that is dead" in found.text("state")


def test_a_state_folder_on_doubtful_locks_is_a_warning(doctor, api, monkeypatch):
    monkeypatch.setattr(outbox_folder, "unproven_file_system", lambda path: "virtiofs")
    found = doctor(api.url)

    assert (found.code, found.level("state")) == (0, ["warn", "ok"])
    assert "is on virtiofs" in found.text("state")


def test_a_variable_of_another_program_is_a_warning(doctor, api, monkeypatch):
    monkeypatch.setenv("DEBUG", "app:*")
    found = doctor(api.url)

    assert (found.code, found.level("settings")) == (0, ["warn"])
    assert "DEBUG='app:*' is passed over" in found.text("settings")


def test_a_health_port_that_is_taken_is_a_failure(doctor, api, unused_url):
    taken = unused_url.split(":")[2].split("/")[0]

    assert doctor(api.url, "--health-port", taken).level("health port") == ["fail"]
    assert doctor(api.url, "--health-port", "0").level("health port") == ["ok"]


def test_a_key_file_that_cannot_be_read_is_wrong_use(cli, api, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(tmp_path / "none"))
    shown = cli("doctor", "--plugin", plugin, "--api-url", api.url)

    assert (shown.code, shown.out) == (2, "")
    assert "TASKMANAGER_API_KEY_FILE names" in shown.err


def test_a_state_folder_that_everybody_can_write_is_a_warning(doctor, api, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    found = doctor(api.url)

    assert (found.code, found.level("state")) == (0, ["warn", "ok"])
    assert f"can be written by everybody on this machine; chmod 700 {tmp_path / 'state'}" in found.text(
        "state"
    )
