from datetime import datetime

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.model.protocol import BadGrant, Grant, Unreachable
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire.dialects.v1.base import read_task
from tests.support.dialect import reply, value

TASK = {"id": "t1", "type": "Test.Some", "params": {}}


def claimed(raw):
    (found,) = value("claim", reply(200, raw))
    return found


def nested(depth):
    inside = {}
    for _ in range(depth - 1):
        inside = {"x": inside}
    return inside


def test_a_task_is_read_with_everything_the_server_says_of_it():
    raw = {
        **TASK,
        "status": "processing",
        "params": {"text": "ü", "deep": [{"n": 1.5}]},
        "created_at": "2026-11-23T10:00:00Z",
        "claimed_at": "2026-11-23T12:00:01.250+02:00",
        "completed_at": None,
        "worker_id": "w/1",
        "attempt": 2,
        "max_attempts": 3,
        "unknown": "passed over",
    }

    assert claimed(raw) == Grant(
        Task(
            id="t1",
            type="Test.Some",
            status=TaskStatus.PROCESSING,
            params={"text": "ü", "deep": [{"n": 1.5}]},
            created_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
            claimed_at=datetime(2026, 11, 23, 10, 0, 1, 250_000, tzinfo=UTC),
            worker_id="w/1",
            attempt=2,
            max_attempts=3,
        )
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00.123456Z", datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-23T10:00:00-05:30", datetime(2026, 11, 23, 15, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_is_utc_and_one_without_a_zone_is_taken_for_it(written, read):
    assert claimed({**TASK, "created_at": written}).task.created_at == read


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": []}, "params"),
        ({"params": None}, "params"),
        ({"params": "{}"}, "params"),
        ({"params": {"x": float("nan")}}, "params"),
        ({"params": {"x": [{"y": float("-inf")}]}}, "params"),
        ({"params": nested(300)}, "params"),
        ({"status": "running"}, "status"),
        ({"status": ["pending"]}, "status"),
        ({"status": {}}, "status"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": 1700000000}, "created_at"),
        ({"claimed_at": "0001-01-01T00:00:00+23:59"}, "claimed_at"),
        ({"completed_at": "9999-12-31T23:59:59-23:59"}, "completed_at"),
        ({"attempt": float("inf")}, "attempt"),
        ({"attempt": 10**30}, "attempt"),
        ({"max_attempts": "many"}, "max_attempts"),
        ({"priority": []}, "priority"),
        ({"progress": 10**400}, "progress"),
        ({"progress": {}}, "progress"),
        ({"type": None}, "type"),
        ({"type": ""}, "type"),
        ({"type": 7}, "type"),
    ],
)
def test_r03_a_task_that_cannot_be_read_is_told_with_its_id_and_the_field_at_fault(more, named):
    found = claimed({**TASK, **more})

    assert isinstance(found, BadGrant)
    assert (found.task_id, found.reason.split()[:2]) == ("t1", ["its", named])
    assert len(found.reason) < 300


@pytest.mark.parametrize("task_id", [None, "", 7, [], {}, ".", "..", "\ud800", "a\udfff"])
def test_r03_an_id_that_nothing_could_be_reported_under_is_none(task_id):
    found = claimed({**TASK, "id": task_id})

    assert isinstance(found, BadGrant)
    assert found.task_id is None


@pytest.mark.parametrize("raw", [{}, {"status": "ok"}, {"task": TASK}, {"id": 1, "type": []}])
def test_r03_an_object_that_is_no_task_is_told_without_an_id(raw):
    found = claimed(raw)

    assert (found.task_id, found.task_type) == (None, "?")


@pytest.mark.parametrize("kind", ["\ud800", 7, None, ""])
def test_r03_a_type_that_could_not_be_stored_is_not_carried_on(kind):
    assert claimed({**TASK, "type": kind, "params": []}).task_type == "?"


@pytest.mark.parametrize("raw", [[], [TASK], "t1", 7, True])
def test_a_claim_answered_with_no_object_is_no_answer(raw):
    assert isinstance(value("claim", reply(200, raw)), Unreachable)


def test_params_as_deep_as_the_limit_are_read():
    assert claimed({**TASK, "params": nested(256)}) == Grant(
        Task(id="t1", type="Test.Some", params=nested(256))
    )


@pytest.mark.parametrize("raw", [None, [], "t1", 7])
def test_only_an_object_is_a_task(raw):
    with pytest.raises(ValueError, match="a task is an object"):
        read_task(raw)
