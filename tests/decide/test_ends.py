"""How the end of a handler becomes an outcome."""

from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.ends import (
    outcome_of_cancel,
    outcome_of_error,
    outcome_when_cancelled,
)
from prismq_worker_sdk.decide.exceptions import MAX_ERROR_CHARS
from prismq_worker_sdk.errors import (
    Defer,
    Fault,
    InvalidParams,
    Permanent,
    TaskCancelled,
    Transient,
    Unavailable,
    UnfitResult,
)
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.outcome import Failed, Released

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def outcome(error):
    return outcome_of_error(error, redact=lambda text: text, now=NOW)


def test_r17_an_unexpected_exception_gives_no_hint_about_a_retry():
    assert outcome(KeyError("x")) == Failed("KeyError: 'x'", "KeyError", retryable=None)


def test_a_library_that_wants_the_main_thread_is_told_where_there_is_one():
    (text, kind) = ("signal only works in main thread of the main interpreter", "ValueError")
    found = outcome(ValueError(text))

    assert found == Failed(
        f'ValueError: {text}; a handler with isolation="process" runs in a main thread', kind, retryable=None
    )


def test_r17_invalid_params_and_permanent_are_not_tried_again():
    assert outcome(Permanent("gone")) == Failed("gone", "Permanent", retryable=False)
    invalid = InvalidParams((Fault("/max_results", "51 is greater than the maximum of 50"),))
    assert outcome(invalid) == Failed(
        "invalid params: /max_results: 51 is greater than the maximum of 50",
        "invalid_params",
        retryable=False,
    )


def test_r17_transient_carries_its_hint_to_the_server():
    assert outcome(Transient("busy", retry_in=30)) == Failed(
        "busy", "Transient", retryable=True, delay_seconds=30.0
    )


def test_r14_a_result_that_cannot_go_is_a_short_permanent_failure():
    assert outcome(UnfitResult("the result is 9 MiB")) == Failed(
        "the result is 9 MiB", "unfit_result", retryable=False
    )


def test_r18_defer_gives_the_task_back_until_its_instant():
    assert outcome(Defer("later", until=NOW + timedelta(minutes=2))) == Released("later", 120.0)
    assert outcome(Defer("past", until=NOW - timedelta(minutes=2))) == Released("past", 0.0)
    assert outcome(Unavailable("quota", retry_in=60)) == Released("quota", 60.0)


def test_a_defer_without_a_time_zone_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="time zone"):
        Defer(until=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (CancelReason.LOST, type(None)),
        (CancelReason.EXPIRED, Released),
        (CancelReason.TIME_LIMIT, Failed),
        (CancelReason.ASKED, Failed),
        (CancelReason.STOPPING, Released),
    ],
)
def test_r15_the_reason_of_a_cancellation_decides(reason, expected):
    assert isinstance(outcome_of_cancel(reason), expected)


def test_r15_a_task_cancelled_on_request_is_not_tried_again():
    asked = outcome_of_cancel(CancelReason.ASKED)

    assert isinstance(asked, Failed)
    assert asked.retryable is False


def test_r15_what_a_handler_says_on_purpose_while_it_ends_stands_unless_the_claim_is_lost():
    def told(error, reason):
        return outcome_when_cancelled(error, reason, redact=str, now=NOW, detail="")

    assert told(Permanent("no such user"), CancelReason.STOPPING) == Failed(
        "no such user", "Permanent", retryable=False
    )
    assert told(RuntimeError("closed pool"), CancelReason.STOPPING) == Released("the worker stops")
    assert told(Permanent("no such user"), CancelReason.LOST) is None
    assert told(Defer("later", retry_in=5), CancelReason.ASKED) == Failed(
        "the task was cancelled on request", "cancelled", retryable=False
    )


def test_task_cancelled_is_not_hidden_by_except_exception():
    assert not issubclass(TaskCancelled, Exception)


def test_error_texts_are_redacted_and_bounded():
    clean = outcome_of_error(ValueError("key=abc " + "x" * 20_000), redact=lambda t: t.replace("abc", "•"))

    assert isinstance(clean, Failed)
    assert "abc" not in clean.error
    assert len(clean.error) < MAX_ERROR_CHARS + 50


def test_r18_a_task_that_is_deferred_for_longer_than_a_server_takes_comes_back_after_the_longest():
    far = NOW + timedelta(days=10_000)

    assert outcome(Defer("later", until=far)) == Released("later", 366 * 86400.0)
