"""What the end of a process in the middle of a task means."""

import pytest

from prismq_worker_sdk.decide.crashes import crashed
from prismq_worker_sdk.decide.ends import outcome_of_error, outcome_when_cancelled
from prismq_worker_sdk.decide.shutdown import stop_plan
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.outcome import Failed


@pytest.mark.parametrize(
    ("code", "signal", "out_of_memory", "failed"),
    [
        (3, None, False, Failed("crashed: exit code 3", "crashed")),
        (0, None, True, Failed("crashed: exit code 0, before the handler returned", "crashed")),
        (-11, "SIGSEGV", True, Failed("crashed: SIGSEGV", "crashed")),
        (-9, "SIGKILL", True, Failed("out of memory", "out_of_memory")),
        (-9, "SIGKILL", False, Failed("crashed: SIGKILL (killed from outside, or out of memory)", "crashed")),
    ],
)
def test_a_crash_is_named_and_left_to_the_attempts_of_the_server(code, signal, out_of_memory, failed):
    assert outcome_of_error(crashed(code, signal, out_of_memory=out_of_memory), redact=str) == failed
    assert failed.retryable is None


def test_r15_a_crash_after_the_handler_was_told_to_end_is_the_noise_of_ending():
    error = crashed(3, None, out_of_memory=False)
    given = outcome_when_cancelled(error, CancelReason.TIME_LIMIT, redact=str, now=None, detail="too long")

    assert given == Failed("too long", "time_limit")


@pytest.mark.parametrize(("grace", "kill_at"), [(25.0, 22.0), (3.0, 2.35), (0.0, 0.0)])
def test_r36_processes_are_killed_just_before_the_deadline(grace, kill_at):
    plan = stop_plan(100.0, grace)

    assert plan.kill_at == pytest.approx(100.0 + kill_at)
    assert plan.cancel_at <= plan.kill_at <= plan.deadline
