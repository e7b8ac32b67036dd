import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.model.protocol import ServerInfo
from prismq_worker_sdk.model.task import TaskStatus
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.wire.client import health
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import CAPABILITIES
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import read_task, task_id
from prismq_worker_sdk.wire.dialects.prismq_client.values import (
    result_text,
    stored_bytes,
    unwrapped,
    with_run_key,
    worker_params,
)
from tests.support.prismq_talk import NOTHING, Talk, raw, refused, said, task

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("value", [{}, [], 0, False, "", "0", 0.0, -0.0])
def test_a_result_of_which_null_would_be_left_survives(value):
    sent = result_text(compact(value))

    assert sent != compact(value)
    back = unwrapped(json.loads(sent))
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize("value", [None, 1, "x", [0], {"n": 0}, True, {"prismq_json": 1, "more": 2}])
def test_any_other_result_is_sent_as_it_is(value):
    text = compact(value)

    assert unwrapped(json.loads(result_text(text))) == value
    if not text.startswith('{"prismq_json"'):
        assert result_text(text) == text


@pytest.mark.parametrize("value", [{"prismq_json": "{}"}, {"prismq_json": "no json"}, {"prismq_json": "1"}])
def test_a_result_that_looks_wrapped_comes_back_as_it_was(value):
    assert unwrapped(json.loads(result_text(compact(value)))) == value


def test_a_text_under_the_key_that_is_no_json_is_left_alone():
    assert unwrapped({"prismq_json": "{"}) == {"prismq_json": "{"}


@given(value=VALUES)
def test_the_size_is_never_less_than_what_the_server_stores(value):
    text = compact(value)

    assert stored_bytes(text) >= len(php.encode(php.decode(text)).encode("utf-8"))


@pytest.mark.parametrize(
    "number", [1e16, -1.5e16, 99999999999999984.0, 1e17, 1e-5, 2**63, -(2**63) - 1, 10**30]
)
def test_numbers_that_the_server_writes_otherwise_are_counted_as_it_writes_them(number):
    text = compact([number, 2**63 - 1, 0.5, "1e16"])
    stored = php.encode(php.decode(text))

    assert text != stored
    assert len(stored) <= stored_bytes(text) <= len(stored) + 2


@pytest.mark.parametrize("text", [compact({"hex": "5e1" * 1000}), compact(["1e5", '\\"1e5', "1e5\\"])])
def test_digits_around_an_e_in_a_text_take_no_more_than_they_are(text):
    assert stored_bytes(text) == len(text)


@given(value=VALUES)
def test_what_a_handler_returns_is_null_there_only_when_it_is_null(value):
    sent = php.decode(result_text(compact(value)))

    assert php.truthy(sent) is (value is not None)


def test_params_lose_their_run_key_and_a_list_without_entries_is_an_object():
    assert worker_params({"n": 1, "prismq_run_key": "x"}) == {"n": 1}
    assert worker_params([]) == {}
    with pytest.raises(ValueError, match="list, not an object"):
        worker_params([1])


def test_a_run_key_joins_params_with_and_without_entries():
    assert json.loads(with_run_key('{"n":1}', 'a "b"')) == {"n": 1, "prismq_run_key": 'a "b"'}
    assert json.loads(with_run_key("{}", "")) == {"prismq_run_key": ""}


@pytest.mark.parametrize(
    ("value", "found"),
    [(20, "20"), ("20", "20"), (0, None), (True, None), ("1abc", None), (None, None), ("-1", None)],
)
def test_an_id_is_a_number_however_it_is_written(value, found):
    assert task_id(value) == found


def test_states_and_errors_are_read_by_the_state_and_not_by_what_an_earlier_attempt_left():
    waiting = read_task(task(status="pending", error_message="first try", completed_at="2026-11-23 14:40:06"))
    assert (waiting.status, waiting.error, waiting.message) == (TaskStatus.PENDING, None, "first try")
    assert waiting.completed_at is None

    failed = read_task(task(status="failed", error_message="broken", result={"old": 1}))
    assert (failed.status, failed.error, failed.result) == (TaskStatus.FAILED, "broken", None)

    done = read_task(task(status="completed", result={"prismq_json": "[]"}, claimed_by="w/1"))
    assert (done.status, done.result, done.worker_id) == (TaskStatus.COMPLETED, [], "w/1")

    assert read_task(task(status="claimed")).status is TaskStatus.PROCESSING


HEALTHY = said({"status": "healthy", "timestamp": 1, "database": "connected"})


def test_the_key_is_checked_at_start_since_health_says_nothing_of_it():
    talk = Talk()

    assert talk.walk(health(), HEALTHY, NOTHING) == ServerInfo("prismq-client", CAPABILITIES)
    assert talk.paths == ["GET /health", "GET /tasks"]
    assert talk.asked[1].query == (("limit", "1"),)


def test_r34_a_refused_key_is_found_at_start():
    found = Talk().walk(health(), HEALTHY, raw(401, {"error": "Unauthorized", "message": "Invalid API key."}))

    assert found.reason == "Invalid API key."


def test_r33_the_dialect_that_was_asked_for_must_be_met():
    assert Talk().walk(health("prismq-client"), HEALTHY, NOTHING).dialect == "prismq-client"
    assert "prismq-client, not v1" in Talk().walk(health("v1"), HEALTHY).reason


def test_a_server_whose_database_is_down_is_not_there_yet():
    found = Talk().walk(health(), refused(500, "Internal server error"))

    assert "500" in found.reason


def test_warnings_before_the_health_do_not_hide_the_server():
    warned = raw(200, b"Deprecated: something {odd}\n" + HEALTHY.body)

    assert Talk().walk(health(), warned, NOTHING).dialect == "prismq-client"
