"""The measurements of other workers: what they are made of, without the others."""

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.bench import plain
from tests.bench.peers import environments, measure, ours, services
from tests.bench.peers.apps import marks
from tests.bench.peers.cells import cells
from tests.bench.peers.peer import APPS, PEERS, Peer
from tests.support.processes import ROOT

BASE = Peer("base", "base", (), ours.base, ours.worker, (2,))
PIECES = Peer("pieces", "pieces", (), partial(ours.base, pieces=True), ours.worker, (4,))
MARKING = (
    "import marks, sys; [marks.run(number) for number in (7, 9, 7)]; print(flush=True); sys.stdin.read()"
)


def marking(folder, *, pause=""):
    """A process that marks three tasks."""
    told = {marks.FOLDER: str(folder), marks.PAUSE: pause, "PYTHONPATH": str(APPS)}
    return subprocess.Popen(
        [sys.executable, "-c", MARKING], env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_marks_outlive_a_process_that_is_killed(tmp_path):
    with marking(tmp_path) as running:
        running.stdout.readline()
        running.send_signal(signal.SIGKILL)

    assert [number for number, _at in marks.Reader(tmp_path, "started").marks()] == [7, 9, 7]
    assert marks.Reader(tmp_path, "ended").count() == 0, "tasks that take no time are noted once"


def test_marks_of_several_processes_are_read_together_and_by_time(tmp_path):
    reader = marks.Reader(tmp_path, "ended")
    assert reader.count() == 0
    for _ in range(2):
        with marking(tmp_path, pause="0.001") as running:
            running.communicate()

    assert reader.count() == 6
    assert [number for number, _at in reader.marks()] == [7, 9, 7] * 2


@pytest.fixture
def lean():
    """The lean base server, and a call to it."""
    with ours.lean_server() as url, requests.Session() as session:
        yield lambda path, body: session.post(url.removesuffix("/api") + path, json=body, timeout=10)


def test_the_lean_server_hands_each_task_out_once_and_takes_its_end_from_its_worker_alone(lean):
    lean("/bench/add", 2)
    claim = {"task_types": ["Bench.Nothing"]}
    first, second = (lean("/api/tasks/claim", {**claim, "worker_id": name}).json() for name in "ab")

    assert first["id"] != second["id"]
    assert lean("/api/tasks/claim", {**claim, "worker_id": "c"}).json() is None
    end = f"/api/tasks/{first['id']}/complete"
    assert lean(end, {"worker_id": "b", "result": {}}).status_code == 409
    assert lean(end, {"worker_id": "a", "result": {}}).json() == {"status": "success"}
    assert lean(end, {"worker_id": "a", "result": {}}).status_code == 409


def test_the_stand_in_of_conductor_hands_out_what_was_put_there_until_it_is_ended():
    with services.conductor(None) as told, requests.Session() as session:
        url = told["BENCH_CONDUCTOR"]
        for number in range(3):
            session.post(f"{url}/bench/add", data=str(number), timeout=10)
        poll = f"{url}/api/tasks/poll/batch/nothing?count=2&timeout=0"
        first, rest = session.get(poll, timeout=10).json(), session.get(poll, timeout=10).json()
        ended = session.post(f"{url}/api/tasks", json={"taskId": "0", "status": "COMPLETED"}, timeout=10)

    assert [task["inputData"]["number"] for task in (*first, *rest)] == [0, 1, 2]
    assert ended.status_code == 200


def test_a_backlog_is_worked_off_and_looked_at_from_outside():
    found = measure.drain(BASE, 2, 20)

    assert found["rate"] > 0
    assert found["start"] > 0
    assert found["memory"] > 10
    assert found["cpu"] >= 0


def test_a_waiting_worker_is_given_tasks_one_by_one():
    found = measure.idle(Peer("ours", "ours", (), ours.taskmanager, ours.worker), 2, 3)

    assert 0 < found["p50"] <= found["p99"]
    assert found["memory"] > 10


def test_a_killed_worker_is_followed_by_another_that_is_given_its_patience():
    found = measure.killed(BASE, 2, 30, patience=3.0)

    assert 0 <= found["lost"] <= 4, (
        "at most what ran, or was reported, when it was killed: its claims have not run out"
    )
    assert 0 <= found["twice"] <= 4


def test_a_worker_that_begins_nothing_is_an_error_with_its_last_words(monkeypatch):
    monkeypatch.setattr(measure, "START", 0.5)
    broken = Peer(
        "broken", "broken", (), ours.base, lambda _slots: ("python", "-c", "print('no such thing')")
    )

    with pytest.raises(RuntimeError, match="no such thing"):
        measure.drain(broken, 1, 1)


@pytest.mark.parametrize("service", [ours.base, PIECES.service])
def test_the_loop_that_ours_is_measured_against_works_on_a_base_server(service):
    assert plain.base(service, 5)["rate"] > 0


def test_the_loop_that_ours_is_measured_against_works_on_the_server_in_production_far_away():
    assert 0 < plain.prismq_client(ours.far(ours.prismq_client, 0.01), 5)["rate"] < 50


def test_an_environment_is_made_once_for_the_same_packages(tmp_path, monkeypatch):
    done = []

    def run(words, **_options):
        done.append([str(word) for word in words])
        if "venv" in done[-1]:
            Path(done[-1][-1]).mkdir(parents=True)

    monkeypatch.setattr(environments, "KEPT", tmp_path)
    monkeypatch.setattr(environments.subprocess, "run", run)
    first = environments.environment("some", ("some==1",))
    again = environments.environment("some", ("some==1",))
    other = environments.environment("some", ("some==2",))

    assert first == again != other
    assert len(done) == 4
    assert done[1][-1] == "some==1"


@pytest.mark.parametrize(
    ("service", "package"), [(services.redis, "redis-server"), (services.postgres, "postgresql")]
)
def test_what_is_missing_is_said_in_one_line(service, package, tmp_path, monkeypatch):
    monkeypatch.setattr(services.shutil, "which", lambda _program: None)
    monkeypatch.setattr(services, "POSTGRES", tmp_path)

    with pytest.raises(services.MissingError, match=f"^[^\n]*apt-get install {package}"), service(tmp_path):
        pytest.fail("it began")


def test_the_worker_of_ours_imports_nothing_of_its_producer():
    look = "print([name for name in sys.modules if name.startswith(('tests.support', 'requests'))])"
    code = f"import sys, tests.bench.peers.apps.ours_app; {look}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_every_peer_has_its_app_and_exact_versions():
    for peer in PEERS:
        assert (APPS / f"{peer.app}.py").exists()
        assert all("==" in pin for pin in peer.pins)


def test_every_peer_is_measured_in_each_way():
    names = [cell.name for cell in cells()]

    assert len(set(names)) == len(names)
    for peer in PEERS:
        ways = {f"{peer.name}-{slots}" for slots in peer.slots} | {f"{peer.name}-idle", f"{peer.name}-killed"}
        assert ways <= set(names)


def test_a_producer_says_when_it_put_each_task_there(tmp_path):
    (tmp_path / "some_app.py").write_text("put = print\n")
    words = [sys.executable, APPS / "produce.py", "some_app", "pace", "2"]
    told = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, env=told, capture_output=True, text=True, check=True)
    *numbers, spans = done.stdout.splitlines()

    assert numbers == ["1", "2"]
    assert all(begin <= end for begin, end in json.loads(spans))
