import json
import os
import signal
import sqlite3
import subprocess
import sys
from functools import partial

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope, TaskManagerConfig, read_keys
from prismq_worker_sdk.taskmanager.db.database import connect, open_to_read
from prismq_worker_sdk.taskmanager.server import RunningServer
from tests.support.api import TYPE, Api, running_api

KEYS = {scope: f"{scope}-key-1234" for scope in Scope}
UNKNOWN = "/tasks/00000000-0000-4000-8000-000000000000"


def command(folder):
    options = ["--port", "0", "--database", str(folder / "tasks.db"), "--log-format", "json"]
    return [sys.executable, "-m", "prismq_worker_sdk", "taskmanager", *options]


def start(folder):
    process = subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        message = json.loads(line)["message"]
        if message.startswith("TaskManager at "):
            return process, message.split()[2].rstrip(",")
    raise AssertionError("the server did not start")


@pytest.fixture
def guarded(tmp_path):
    with running_api(tmp_path, keys=tuple(ApiKey.of(text, scope) for scope, text in KEYS.items())) as api:
        yield api


def test_health_answers_a_head_request_like_a_get_without_the_body(guarded):
    answer = guarded.call("HEAD", "/health")

    assert (answer.status_code, answer.content) == (200, b"")


def test_health_takes_no_key_and_every_right_one(guarded):
    for key in (None, *KEYS.values()):
        assert guarded.call("GET", "/health", key=key).json()["status"] == "healthy"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("key", ["wrong-key-1234", ""])
def test_r34_health_refuses_a_wrong_key_so_that_its_worker_ends_at_start(guarded, method, key):
    assert guarded.call(method, "/health", key=key).status_code == 401


def test_health_of_a_server_without_keys_takes_any(api):
    assert api.call("GET", "/health", key="any-key-1234").status_code == 200


def test_a_refused_key_is_not_repeated(guarded):
    assert "wrong-key-1234" not in guarded.call("GET", "/stats", key="wrong-key-1234").text


def test_without_keys_only_loopback_is_listened_on(tmp_path):
    with pytest.raises(SettingsError, match="no API key is set"):
        RunningServer(TaskManagerConfig(database=str(tmp_path / "tasks.db"), host="0.0.0.0"))
    assert not (tmp_path / "tasks.db").exists()


def test_a_key_file_names_the_bad_line_without_its_key(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# ours\nworker good-key-1\n\nboss secret-key-1\n")
    with pytest.raises(SettingsError, match=r"keys:4 is no key") as raised:
        read_keys(file)
    assert "secret-key-1" not in str(raised.value)
    file.write_text("worker good-key-1\nadmin other-key\n")
    assert [key.scope for key in read_keys(file)] == [Scope.WORKER, Scope.ADMIN]


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/tasks", None, 405),
        ("POST", "/tasks", b"{nope", 400),
        ("POST", "/tasks", b'{"type": "T.T", "params": {"x": NaN}}', 400),
        ("POST", "/tasks", b"[" * 100_000, 400),
        ("POST", "/tasks", b"\xff\xfe", 400),
        ("POST", "/tasks", b"[]", 422),
        ("POST", "/tasks", b"{}", 422),
        ("POST", "/tasks", b'{"type": "no type!"}', 422),
        ("POST", "/tasks", b'{"type": "T.T", "unknown": 1}', 422),
        ("POST", "/tasks", b'{"type": "T.T", "params": {"x": "\\ud800"}}', 422),
        ("POST", "/tasks/claim", b'{"worker_id": "", "task_types": ["T"]}', 422),
        ("POST", "/tasks/claim", b'{"worker_id": "a\\u0007b", "task_types": ["T"]}', 422),
        ("POST", "/tasks/claim", b'{"worker_id": "w", "task_types": []}', 422),
        ("PUT", "/task-types/no%20type", b"{}", 422),
        ("GET", UNKNOWN, None, 404),
    ],
)
def test_every_refusal_is_a_problem_that_says_why(api, method, path, data, status):
    answer = api.call(method, path, data=data)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_sizes_are_limited_at_their_exact_bounds(api):
    def params(size):
        return {"type": TYPE, "params": {"x": "a" * (size - len('{"x":""}'))}}

    assert api.call("POST", "/tasks", params(2**20)).status_code == 201
    assert api.call("POST", "/tasks", params(2**20 + 1)).status_code == 413
    task_id = api.claim()["id"]
    assert api.fail(task_id, error="e" * (64 * 1024 + 1)) == 413
    assert api.complete(task_id, result="a" * (8 * 2**20 - 1)) == 413
    assert api.call("POST", "/tasks", data=b" " * (16 * 2**20 + 1)).status_code == 413
    assert api.complete(task_id, result="a" * (8 * 2**20 - 2)) == 200


def test_two_servers_on_one_database_hand_a_task_out_once(tmp_path):
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        ids = {one.submit() for _ in range(10)}
        got = [api.claim(f"w{n}")["id"] for n, api in enumerate((one, two) * 5)]

        assert sorted(got) == sorted(ids)
        assert one.claim() is None
        assert one.call("GET", "/health").json()["server"] == two.call("GET", "/health").json()["server"]


def test_everything_is_there_after_a_restart(tmp_path):
    with running_api(tmp_path) as api:
        done, held = api.submit(), api.submit()
        api.claim()
        api.claim()
        api.complete(done, result=[1])
        instance = api.call("GET", "/health").json()["server"]["instance"]
    with running_api(tmp_path) as api:
        assert api.show(done)["result"] == [1]
        assert api.complete(held) == 200
        assert api.call("GET", "/health").json()["server"]["instance"] == instance


def test_r11_what_was_answered_survives_a_kill(tmp_path):
    process, url = start(tmp_path)
    api = Api(url)
    with api.session:
        ids = [api.submit() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait(20)
    process.stderr.close()

    with sqlite3.connect(tmp_path / "tasks.db") as db:
        stored = {row[0] for row in db.execute("SELECT id FROM tasks")}
    db.close()
    assert stored == set(ids)


def test_sigterm_ends_the_server_with_0(tmp_path):
    process, _url = start(tmp_path)
    process.terminate()

    assert process.wait(20) == 0
    process.stderr.close()


def test_a_database_that_is_none_is_said_in_one_sentence(tmp_path):
    (tmp_path / "tasks.db").write_text("this is no database at all, " * 100)
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert "tasks.db" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("opened", [connect, open_to_read])
def test_a_database_that_is_none_is_not_left_open(tmp_path, monkeypatch, opened):
    left = []

    class Noting(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            left.append(self)

        def close(self):
            left.remove(self)
            super().close()

    monkeypatch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.connect, factory=Noting))
    (tmp_path / "tasks.db").write_text("this is no database at all, " * 100)
    with pytest.raises(SettingsError):
        opened(f"sqlite:///{tmp_path / 'tasks.db'}")

    assert left == []
