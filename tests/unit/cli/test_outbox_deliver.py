"""`prismq-worker outbox deliver`: what waits is sent without a worker."""

import json
import sqlite3
import uuid
from contextlib import closing

import pytest

from prismq_worker_sdk.decide.delivery import Park
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Completed, Failed
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.folder import take_instance
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.system import SystemClock
from tests.support.base_server import BaseServer
from tests.support.outbox import commit, settled

TYPE = "Test.Some"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def base():
    with BaseServer() as running:
        yield running


@pytest.fixture
def left(folder):
    """Leaves an outcome of a claim in an instance, as a worker does that was killed before it could report."""

    def leave(server, task_id, outcome, *, worker="w1", token=None, instance="instance-0", children=()):
        (folder / instance).mkdir(parents=True, exist_ok=True)
        box = Outbox.open(folder / instance / "outbox.db", SystemClock())
        identity = Identity(server, "v1", task_id, TYPE, "d", worker, token)
        box.hold(Claim(identity, Task(id=task_id, type=TYPE), 0.0, 300.0))
        assert commit(box, identity, outcome, children=children)
        box.close()

    return leave


@pytest.fixture
def deliver(cli, folder):
    def run(url, *arguments):
        return cli("outbox", "deliver", "--state-dir", folder, "--api-url", url, *arguments)

    return run


def claimed(base, *workers):
    """One task for each worker, claimed by it; their ids."""
    ids = base.state.add([{"type": TYPE} for _ in workers])
    for worker in workers:
        assert base.state.claim(worker, [TYPE])[1] is not None
    return ids


def waiting(cli, folder):
    shown = cli("outbox", "list", "--state", "waiting", "--json", "--state-dir", folder)
    return [entry["task_id"] for entry in json.loads(shown.out)]


def test_r01_each_report_goes_out_under_the_worker_id_of_its_claim(base, left, deliver):
    one, two = claimed(base, "w1", "w2")
    left(base.url, one, Completed('{"n": 1}'), worker="w1")
    left(base.url, two, Failed("it broke"), worker="w2", instance="instance-1")
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (0, "accepted 2, lost 0, parked 0, left 0\n")
    ends = {
        task["id"]: (task["status"], task["result"] or task["error"]) for task in base.state.tasks.values()
    }
    assert ends == {one: ("completed", {"n": 1}), two: ("failed", "it broke")}
    assert base.state.violations == []
    assert [call["call"] for call in base.state.exchanges if call["call"] == "claim"] == []


def test_a_leased_claim_is_reported_with_its_token_and_its_children(api, left, deliver, cli, folder):
    server = f"{api.url}#{api.call('GET', '/health').json()['server']['instance']}"
    task_id = api.submit(TYPE)
    body = {
        "worker_id": "w1",
        "request_id": uuid.uuid4().hex,
        "claim": {"task_types": [TYPE], "max_tasks": 1, "wait_seconds": 0},
    }
    (task,) = api.call("POST", "/tasks/exchange", body).json()["tasks"]
    children = (Child("0", "Test.Next", "{}"),)
    left(server, task_id, Completed('{"n": 1}'), token=task["lease_token"], children=children)
    shown = deliver(api.url)

    assert (shown.code, shown.out) == (0, "accepted 1, lost 0, parked 0, left 0\n")
    assert api.show(task_id)["result"] == {"n": 1}
    assert api.claim(types=["Test.Next"])["parent_id"] == task_id
    assert waiting(cli, folder) == []


def test_nothing_to_deliver_needs_no_server(deliver, unused_url, folder):
    shown = deliver(unused_url)

    assert (shown.code, shown.out) == (0, "accepted 0, lost 0, parked 0, left 0\n")
    assert f"nothing in {folder}" in shown.err
    assert not folder.exists()


def test_a_server_that_cannot_be_reached_is_1_and_everything_is_kept(left, deliver, unused_url, cli, folder):
    left(unused_url, "t1", Completed("1"))
    shown = deliver(unused_url, "--timeout", "0.1s")

    assert (shown.code, shown.out) == (1, "")
    assert "did not answer" in shown.err.splitlines()[-1]
    assert waiting(cli, folder) == ["t1"]


def test_what_does_not_get_through_in_time_is_left_and_75(base, left, deliver, cli, folder):
    (task_id,) = claimed(base, "w1")
    base.state.faults = {"complete": {"kinds": ["http_503"]}}
    left(base.url, task_id, Completed("1"))
    shown = deliver(base.url, "--timeout", "0.3s")

    assert (shown.code, shown.out) == (75, "accepted 0, lost 0, parked 0, left 1\n")
    assert waiting(cli, folder) == [task_id]
    base.state.faults = {}
    assert deliver(base.url).code == 0


def test_a_report_that_fails_at_first_is_tried_again_within_the_time(base, left, deliver):
    (task_id,) = claimed(base, "w1")
    base.state.faults = {"complete": {"kinds": ["http_503"], "times": 2}}
    left(base.url, task_id, Completed("1"))
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (0, "accepted 1, lost 0, parked 0, left 0\n")
    assert len([call for call in base.state.exchanges if call["call"] == "complete"]) == 3


def test_settings_of_a_worker_alone_stop_no_delivery(base, left, deliver, monkeypatch):
    monkeypatch.setenv("MAX_RUNS", "many")
    (one,) = claimed(base, "w1")
    left(base.url, one, Completed("1"))

    assert deliver(base.url).out == "accepted 1, lost 0, parked 0, left 0\n"


def test_an_instance_with_a_worker_is_named_and_left_to_it(base, left, deliver, cli, folder):
    one, two = claimed(base, "w1", "w1")
    left(base.url, one, Completed("1"))
    left(base.url, two, Completed("2"), instance="instance-1")
    worker = take_instance(folder)
    shown = deliver(base.url)
    worker.release()

    assert (shown.code, shown.out) == (0, "accepted 1, lost 0, parked 0, left 0\n")
    assert "instance-0 is left as it is: a worker runs on instance-0" in shown.err
    assert waiting(cli, folder) == [one]


def test_an_instance_that_the_remains_of_a_dead_worker_hold_counts_as_left(base, left, deliver, folder):
    (one,) = claimed(base, "w1")
    left(base.url, one, Completed("1"))
    worker = take_instance(folder)
    (folder / "instance-0" / "lock").write_text(str(2**22 - 3))
    shown = deliver(base.url)
    worker.release()

    assert (shown.code, shown.out) == (75, "accepted 0, lost 0, parked 0, left 0\n")
    assert "left running by a worker that is dead" in shown.err
    assert "a worker runs on" not in shown.err


def test_r01_reports_of_another_server_stay_and_are_counted(base, left, deliver, cli, folder):
    (task_id,) = claimed(base, "w1")
    left(base.url, task_id, Completed("1"))
    left("http://other.invalid/api", "theirs", Completed("2"))
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (75, "accepted 1, lost 0, parked 0, left 0, 1 of another server\n")
    assert waiting(cli, folder) == ["theirs"]


def test_r26_a_conflict_counts_as_accepted_and_an_unknown_task_is_parked(base, left, deliver):
    (ended,) = claimed(base, "somebody-else")
    left(base.url, ended, Completed("1"))
    left(base.url, str(uuid.uuid4()), Completed("1"))
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (0, "accepted 1, lost 0, parked 1, left 0\n")


def test_a_parked_report_is_delivered_once_it_is_retried(base, left, deliver, cli, folder):
    (task_id,) = claimed(base, "w1")
    left(base.url, task_id, Completed("1"))
    box = Outbox.open(folder / "instance-0" / "outbox.db", SystemClock())
    settled(box, box.due(1)[0], Park("HTTP 413", Failed("refused", "refused", retryable=False)))
    box.close()
    assert cli("outbox", "retry", "--all", "--state-dir", folder).code == 0

    assert deliver(base.url).out == "accepted 1, lost 0, parked 0, left 0\n"
    assert base.state.tasks[task_id]["result"] == 1


def test_a_damaged_instance_is_set_aside_with_a_word_and_the_others_are_delivered(
    base, left, deliver, folder
):
    (task_id,) = claimed(base, "w1")
    left(base.url, task_id, Completed("1"), instance="instance-1")
    (folder / "instance-0").mkdir()
    (folder / "instance-0" / "outbox.db").write_bytes(b"this is no database" * 99)
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (0, "accepted 1, lost 0, parked 0, left 0\n")
    assert "is damaged (file is not a database); it is kept as outbox.db.damaged-" in shown.err


def test_an_instance_of_a_newer_version_is_named_and_counts_as_left(base, left, deliver, folder):
    (task_id,) = claimed(base, "w1")
    left(base.url, task_id, Completed("1"), instance="instance-1")
    (folder / "instance-0").mkdir()
    with closing(sqlite3.connect(folder / "instance-0" / "outbox.db")) as db:
        db.execute("PRAGMA user_version = 99")
    shown = deliver(base.url)

    assert (shown.code, shown.out) == (75, "accepted 1, lost 0, parked 0, left 0\n")
    assert "instance-0 is left as it is: this outbox has format 99" in shown.err


def test_with_json_logs_every_line_of_stderr_is_an_object(base, left, deliver):
    (task_id,) = claimed(base, "w1")
    left(base.url, task_id, Completed("1"))
    shown = deliver(base.url, "--log-format", "json", "--debug")

    assert shown.code == 0
    assert [json.loads(line)["level"] for line in shown.err.splitlines()]


@pytest.mark.parametrize("timeout", ["soon", "-1"])
def test_a_timeout_that_is_no_duration_is_wrong_use(timeout, deliver, base):
    shown = deliver(base.url, "--timeout", timeout)

    assert (shown.code, shown.out) == (2, "")
    assert "--timeout" in shown.err
