"""`prismq-worker doctor` on servers of the documented protocol, and without any."""

import json
from contextlib import contextmanager

import pytest

from prismq_worker_sdk.cli.doctor.command import results_of
from prismq_worker_sdk.cli.doctor.server import Doctor
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.wire.checks import Recorder
from prismq_worker_sdk.worker.config import WorkerConfig
from tests.support.api import running_api
from tests.support.base_server import BaseServer
from tests.support.doctor import CANARY, PLUGIN
from tests.support.raw_server import answer, raw_server, says

SLOW = PLUGIN.replace("1m", "1h")


@contextmanager
def guarded(folder, *keys):
    folder.mkdir()
    with running_api(folder, keys=tuple(ApiKey.of(text, scope) for text, scope in keys)) as api:
        yield api


def doctor_of(config, **known):
    return Doctor(
        config=config, handlers=[], plugins=[], server=Recorder(config.api_url, config.key), **known
    )


def publish(api, plugin, **changed):
    (handler,) = load([plugin]).handlers
    body = {"version": "1", "param_schema": {**handler.params.schema, **changed}}
    assert api.call("PUT", "/task-types/Test.Some", body).status_code in {200, 201}


def test_where_all_is_well_each_check_has_its_line_and_the_exit_code_is_0(cli, api, plugin, tmp_path):
    publish(api, plugin)
    shown = cli("doctor", "--api-url", api.url, "--plugin", plugin, "--state-dir", tmp_path / "state")

    assert (shown.code, shown.err) == (0, "")
    *lines, last = shown.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["ok"] * len(lines)
    checks = ["plugins", "server", "dialect", "key", "type", "rate limit", "claim time", "state"]
    assert [line[6:18].strip() for line in lines] == checks
    assert last == "a worker would run"


def test_without_probe_it_only_looks(doctor, api, tmp_path):
    doctor(api.url)

    assert api.call("GET", "/tasks").json()["tasks"] == []
    assert api.call("GET", "/task-types").json()["task_types"] == []
    assert not (tmp_path / "state").exists()


def test_the_dialect_is_told_with_what_it_can_do(doctor, api):
    found = doctor(api.url)

    assert found.said["dialect"] == "v1"
    assert "v1: leases of 1m, renewed, gives tasks back, waits 30s for work" in found.text("dialect")


def test_a_base_server_is_good_enough_and_what_it_lacks_is_told(doctor, plugin_file):
    with BaseServer() as server:
        found = doctor(server.url, plugins=[plugin_file(SLOW, "slow")])

    assert found.code == 0
    assert "v1: no leases, nothing given back" in found.text("dialect")
    assert found.level("key") == found.level("type") == ["skip"]
    assert found.level("claim time") == ["warn"]
    assert "Test.Some gets 4m 45s of 1h" in found.text("claim time")


def test_a_worker_id_that_replicas_may_share_is_a_warning_on_a_base_server_only(doctor, api):
    with BaseServer() as server:
        assert doctor(server.url, "--worker-id", "w").level("worker id") == ["warn"]
    assert doctor(api.url, "--worker-id", "w").level("worker id") == ["ok"]


def test_where_nobody_listens_it_says_so_and_looks_at_the_rest(doctor, unused_url):
    found = doctor(unused_url)

    assert found.code == 1
    assert found.level("server") == ["fail"]
    assert "the connection was refused; start the TaskManager" in found.text("server")
    assert found.level("key") == ["skip"]
    assert found.level("state") == ["ok"]


def test_a_socks_proxy_that_nothing_here_can_talk_to_is_told_with_what_to_install(doctor, monkeypatch):
    def fails(_name):
        raise ModuleNotFoundError("No module named 'socks'", name="socks")

    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:9")
    monkeypatch.setattr("prismq_worker_sdk.wire.requests_connection.import_module", fails)
    found = doctor("http://tm.invalid/api")

    assert found.level("server") == ["fail"]
    assert "pip install 'prismq-worker-sdk[socks]'" in found.text("server")
    assert found.level("state") == ["ok"]


def test_a_redirect_is_told_with_its_place_and_without_what_is_secret_in_it(doctor):
    there = f"https://u:{CANARY}@tm.example/new/api/health?key={CANARY}"
    with raw_server(says(answer(301, b"", location=there))) as server:
        found = doctor(server.url)

    assert found.level("server") == ["fail"]
    assert "give --api-url https://tm.example/new/api (" in found.text("server") + " ("
    assert CANARY not in json.dumps(found.said)


@pytest.mark.parametrize("path", ["", "/api/v1", "/api/health"])
def test_a_wrong_path_is_told_with_the_right_one(path, doctor, api):
    found = doctor(api.url.removesuffix("/api") + path)

    assert found.code == 1
    assert f"give --api-url {api.url} (TASKMANAGER_API_URL)" in found.text("server")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(404, b"<html>", content_type="text/html"), "HTTP 404 with text/html"),
        (answer(200, b"<html>", content_type="text/html"), "text/html, not JSON"),
        (answer(200, b'{"hello": 1}'), "another service"),
        (answer(500, b'{"detail": "no database"}'), "HTTP 500: no database; look into the server's log"),
        (answer(503, b"{}", retry_after=7), "takes no more requests now (HTTP 503); ask again in 7s"),
        (answer(403, b'{"detail": "not you"}'), "refuses even to tell its health (not you)"),
    ],
)
def test_what_else_answers_is_told_in_its_own_words(said, told, doctor):
    with raw_server(says(said)) as server:
        found = doctor(server.url)

    assert found.level("server") == ["fail"]
    assert told in found.text("server")


def test_another_dialect_than_the_one_that_is_wanted_is_a_failure(doctor, api):
    found = doctor(api.url, "--dialect", "prismq-client")

    assert found.code == 1
    assert found.text("dialect") == (
        "the server speaks v1, --dialect asks for prismq-client; leave --dialect at auto"
    )


def test_a_key_is_missing_wrong_for_something_else_or_right_and_never_shown(doctor, tmp_path, monkeypatch):
    keys = ((f"{CANARY}-worker", Scope.WORKER), (f"{CANARY}-producer", Scope.PRODUCER))
    with guarded(tmp_path / "server", *keys) as api:
        missing = doctor(api.url)
        monkeypatch.setenv("TASKMANAGER_API_KEY", f"{CANARY}-wrong")
        wrong = doctor(api.url)
        monkeypatch.setenv("TASKMANAGER_API_KEY", f"{CANARY}-producer")
        other = doctor(api.url)
        monkeypatch.delenv("TASKMANAGER_API_KEY")
        (tmp_path / "key").write_text(f"{CANARY}-worker\n")
        monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(tmp_path / "key"))
        right = doctor(api.url)

    assert [one.code for one in (missing, wrong, other, right)] == [1, 1, 1, 0]
    assert "asks for a key, and none is set (HTTP 401" in missing.text("key")
    assert "refuses it (HTTP 401" in wrong.text("key")
    assert "not one for workers; use a key of scope worker" in other.text("key")
    assert right.all("key")[0]["text"] == "the server takes it"
    assert CANARY not in "".join(json.dumps(one.said) for one in (missing, wrong, other, right))


def test_a_key_that_nobody_asks_for_is_a_warning(doctor, api, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    found = doctor(api.url)

    assert (found.code, found.level("key")) == (0, ["warn"])
    assert CANARY not in json.dumps(found.said)


def test_a_key_that_may_be_an_ordinary_word_is_a_warning(doctor, monkeypatch):
    with BaseServer() as server:
        monkeypatch.setenv("TASKMANAGER_API_KEY", "password")
        found = doctor(server.url)

    assert found.level("key") == ["warn", "skip"]
    assert "made like an ordinary word" in found.text("key")


def test_a_type_is_not_registered_or_with_other_params_first_at_a_pointer(doctor, api, plugin):
    missing = doctor(api.url)
    publish(api, plugin, properties={"q": {"type": "integer"}})
    other = doctor(api.url)

    assert (missing.code, missing.level("type")) == (0, ["warn"])
    assert f"prismq-worker plugins --publish --plugin {plugin}" in missing.text("type")
    assert (other.code, other.level("type")) == (0, ["warn"])
    assert "first at /properties/q/type" in other.text("type")


def test_the_probe_takes_a_task_all_the_way_and_leaves_no_other_behind(doctor, api):
    left = api.submit("PrismQ.Doctor.Probe", {"nonce": "an earlier one"})
    found = doctor(api.url, "--probe")

    assert (found.code, found.level("probe")) == (0, ["ok"])
    tasks = api.call("GET", "/tasks").json()["tasks"]
    assert {task["status"] for task in tasks} == {"completed"}
    assert left in {task["id"] for task in tasks}


def test_the_probe_is_left_out_where_no_task_can_be_created(doctor, tmp_path, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with guarded(tmp_path / "server", (CANARY, Scope.WORKER)) as api:
        assert doctor(api.url, "--probe").level("probe") == ["skip"]
    monkeypatch.delenv("TASKMANAGER_API_KEY")
    with BaseServer() as server:
        assert doctor(server.url, "--probe").level("probe") == ["skip"]


def test_an_address_that_nobody_gave_is_told_when_nothing_answers_there(unused_url, tmp_path):
    config = WorkerConfig(api_url=unused_url, state_dir=tmp_path)
    said = [
        [one.text for one in results_of(doctor_of(config, address_given=given))] for given in (True, False)
    ]

    assert "no address was given, so that it is the default" not in said[0]
    assert "no address was given, so that it is the default" in said[1]


def test_https_on_a_port_that_speaks_http_is_told(doctor):
    with raw_server(lambda peer: peer.send(answer(400, b"{}"))) as server:  # to what is no request line
        found = doctor(server.url.replace("http://", "https://"))

    assert found.level("server") == ["fail"]
    assert "what answers there speaks http, not https; write http:// in --api-url" in found.text("server")
