"""The bundle exchange: what is handed out, and until when."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.base import instant, whole
from prismq_worker_sdk.testing.conformance.checks import NotChecked, bundle, has, holds, same
from prismq_worker_sdk.testing.conformance.trial import ANOTHER, ONE, Trial, ids

check = bundle("exchange")
MIB = 1024 * 1024
MOST_SENT = 64 * MIB
WAIT = 12.0
"""Seconds that a claim waits, where the server lets it wait so long."""


@check()
def the_bundle_is_announced_whole(server: Trial) -> None:
    """`/health` tells `max_tasks`, `max_bytes`, `max_wait_seconds` and `lease_seconds`, numbers above 0."""
    for name in ("max_tasks", "max_bytes", "max_wait_seconds", "lease_seconds"):
        found = server.server.exchange.get(name)
        fits = isinstance(found, int | float) and not isinstance(found, bool) and found > 0
        holds(fits, f"capabilities.exchange.{name} is {found!r}, no number above 0")


@check()
def an_empty_exchange_is_answered(server: Trial) -> None:
    """An exchange of a worker id alone answers with empty lists and what is wanted of the worker: `run`."""
    empty = {"reports": [], "leases": [], "tasks": [], "worker": "run"}
    found = server.exchange()
    has("the answer", found, empty)


@check()
def a_task_comes_with_its_claim(server: Trial) -> None:
    """A claimed task is whole, and has a token, the seconds of its lease, and the number of its attempt."""
    server.submit({"n": 1})
    task = server.taken()
    whole(task)
    same("its status and params", (task["status"], task["params"]), ("processing", {"n": 1}))
    instant(task, "claimed_at")
    holds(isinstance(task.get("lease_token"), str) and task["lease_token"], "the task has no lease_token")
    same("its lease_seconds", task.get("lease_seconds"), server.server.lease_seconds)
    same("its attempt", task.get("attempt"), 1)


@check()
def no_more_tasks_come_than_are_asked_for(server: Trial) -> None:
    """A claim is given `max_tasks` at most, and what is left by the next one."""
    server.submit_many(3)
    same("tasks for a claim of two, and for the next", (len(server.take(2)), len(server.take(2))), (2, 1))


@check()
def one_task_goes_to_one_of_many_claims(server: Trial) -> None:
    """Of eight exchanges at the same time each is given other tasks."""
    server.submit_many(5)
    calls = [lambda name=f"w{number}": server.take(1, name) for number in range(8)]
    found = ids(task for tasks in server.at_once(*calls) for task in tasks)
    found += ids(server.take(5))
    same("how many tasks were handed out", (len(found), len(set(found))), (5, 5))


@check()
def tokens_are_new_for_each_claim(server: Trial) -> None:
    """Each claim has a token of its own, also of the same task (R2)."""
    server.submit_many(2)
    first = server.take(2)
    for task in first:
        same("the verdict on the release", server.report(task, "released"), "accepted")
    second = server.again(lambda: server.take(2))
    tokens = [task["lease_token"] for task in first + second]
    same("tokens of four claims", len(set(tokens)), 4)


@check()
def reports_are_applied_before_the_claim(server: Trial) -> None:
    """In one exchange reports and renewals come first: what a report frees can be claimed by it."""
    task = server.submit_and_take()
    report = server.of(task, outcome="failed", error="again", retryable=True, delay_seconds=0)
    found = server.exchange(reports=[report], claim={"task_types": [server.type_of()]})
    same("the tasks of the exchange that freed one", ids(found["tasks"]), [task["id"]])


@check(needs=("manage",))
def an_answer_is_no_larger_than_announced(server: Trial) -> None:
    """An answer has `max_bytes` at most: fewer tasks are handed out, and the others by the next claim."""
    most, tasks = int(server.server.exchange["max_bytes"]), int(server.server.exchange["max_tasks"])
    size = min(MIB - 64, most // 4)
    number = most // size + 2
    if number > tasks or number * size > MOST_SENT:
        raise NotChecked(f"{tasks} tasks of 1 MiB do not come to {most} bytes, or these are too many to send")
    for _ in range(number):
        server.submit({"x": "a" * size})
    wanted = {"worker_id": server.worker(), "claim": {"task_types": [server.type_of()], "max_tasks": number}}
    answer = server.post("/tasks/exchange", wanted, longer=30)
    holds(len(answer.content) <= most, f"an answer of {len(answer.content)} bytes; {most} are announced")
    first = [server.hold(task) for task in answer.json(200)["tasks"]]
    holds(0 < len(first) < number, f"{len(first)} of {number} tasks were handed out")
    same("how many tasks came in two answers", len(first) + len(server.take(number)), number)


@check()
def a_repeat_of_a_request_is_given_the_same_tasks(server: Trial) -> None:
    """A repeat of a `request_id` is given the tasks of its first sending, with the seconds that remain (R6)."""
    server.submit_many(3)
    first = server.take(2, request_id="r1")
    again = server.take(2, request_id="r1")
    tokens = [[task["lease_token"] for task in tasks] for tasks in (first, again)]
    same("the tokens of the repeat", sorted(tokens[1]), sorted(tokens[0]))
    seconds = [task["lease_seconds"] for task in again]
    holds(
        all(0 < one <= server.server.lease_seconds for one in seconds),
        f"the repeat has leases of {seconds} s",
    )


@check()
def another_worker_has_requests_of_its_own(server: Trial) -> None:
    """The same `request_id` of another worker is another request (R6)."""
    server.submit_many(2)
    one, another = server.take(1, ONE, request_id="r1"), server.take(1, ANOTHER, request_id="r1")
    same("different tasks", len(set(ids(one + another))), 2)


@check()
def a_repeat_claims_afresh_once_its_tasks_have_ended(server: Trial) -> None:
    """A repeat is given no task that has ended, but others (R6)."""
    first, second = server.submit(), server.submit()
    (task,) = server.take(1, request_id="r1")
    server.report(task, result=1)
    (fresh,) = server.take(1, request_id="r1")
    holds(fresh["id"] != task["id"], "a repeat was given a task that has completed")
    if first:
        same("what was handed out", {task["id"], fresh["id"]}, {first, second})


@check()
def a_claim_waits_for_work(server: Trial) -> None:
    """A claim that finds nothing waits for `wait_seconds`, and answers empty then."""
    found, seconds = server.while_waiting(lambda: server.take(1, wait=1), lambda: None)
    same("the tasks", found, [])
    in_time = 0.5 <= seconds < 1 + WAIT  # noqa: PLR2004
    holds(in_time, f"a claim that may wait 1 s was answered after {seconds:.1f} s")


@check()
def a_wait_ends_when_work_comes(server: Trial) -> None:
    """A claim that waits is given a task as soon as there is one."""
    server.submit(kind="First")  # whoever cannot create tasks is told before the wait begins
    wait, enough = _wait(server)
    found, seconds = server.while_waiting(lambda: server.take(1, wait=wait), server.submit)
    same("tasks of a claim that waited while one came", len(found), 1)
    holds(seconds < enough, f"the task came {seconds:.1f} s after a claim that may wait {wait:.0f} s")


@check()
def a_repeat_ends_the_wait(server: Trial) -> None:
    """A repeat of a request that waits ends the wait at once, and both are given the same answer (R6)."""
    wait, enough = _wait(server)
    wanted = {"task_types": [server.type_of()], "max_tasks": 1, "wait_seconds": wait}
    again: list[dict[str, Any]] = []

    def ask() -> dict[str, Any]:
        return server.exchange(claim=wanted, request_id="r1", longer=WAIT)

    first, seconds = server.while_waiting(ask, lambda: again.append(ask()))
    same("the answers to both", (first["tasks"], again[0]["tasks"]), ([], []))
    holds(seconds < enough, f"a wait of {wait:.0f} s that was ended ended after {seconds:.1f} s")


@check()
def a_call_that_carries_something_does_not_wait(server: Trial) -> None:
    """The call waits for work only when it carries nothing else: no verdict is held up."""
    server.submit(kind="Held")
    task = server.taken(kind="Held")
    wait, enough = _wait(server)
    wanted = {"task_types": [server.type_of()], "wait_seconds": wait}

    def ask() -> dict[str, Any]:
        return server.exchange(leases=[server.of(task)], claim=wanted, longer=WAIT)

    _found, seconds = server.while_waiting(ask, lambda: None)
    holds(seconds < enough, f"a renewal that came with a claim was answered after {seconds:.1f} s")


@check(waits=1)
def an_expired_claim_is_handed_out_again(server: Trial) -> None:
    """A task whose lease ran out is handed out again, under a new token; not before."""
    first = server.submit_and_take(ONE)
    same("a claim before the lease ran out", server.take(1, ANOTHER), [])
    server.let_run_out()
    again = server.again(lambda: server.take(1, ANOTHER))
    same("what was handed out again", ids(again), [first["id"]])
    holds(again[0]["lease_token"] != first["lease_token"], "the second claim has the token of the first")


@check(waits=1.5)
def a_renewal_keeps_a_claim(server: Trial) -> None:
    """A renewal answers `renewed` with `lease_seconds`, and the lease counts from then on."""
    task = server.submit_and_take()
    server.server.pass_time(server.server.lease_seconds * 0.7)
    (verdict,) = server.exchange(leases=[server.of(task)])["leases"]
    wanted = {"task_id": task["id"], "verdict": "renewed", "lease_seconds": server.server.lease_seconds}
    has("the renewal", verdict, wanted)
    server.server.pass_time(server.server.lease_seconds * 0.7)
    same("a claim after the first lease and within the second", server.take(1, ANOTHER), [])
    same("the verdict on its report", server.report(task), "accepted")


@check(waits=1)
def an_attempt_counts_once_it_was_confirmed(server: Trial) -> None:
    """A claim that was renewed counts as an attempt when it runs out; one that nobody confirmed does not (R7)."""
    server.submit({"confirmed": True})
    server.submit({"confirmed": False})
    for task in server.take(2):
        if task["params"]["confirmed"]:
            same("the renewal", server.renew(task), "renewed")
    server.let_run_out()
    again = server.again(lambda: server.take(2, ANOTHER))
    again += server.again(lambda: server.take(1, ANOTHER)) if len(again) == 1 else []
    found = {task["params"]["confirmed"]: task["attempt"] for task in again}
    same("the attempts of a confirmed and an unconfirmed claim that ran out", found, {True: 2, False: 1})


@check(waits=11)
def ten_unconfirmed_claims_are_free(server: Trial) -> None:
    """Ten claims of a task in a row that run out unconfirmed do not count as attempts, the next one does (R7)."""
    server.submit()
    attempts = []
    for _claim in range(12):
        (task,) = server.again(lambda: server.take(1))
        attempts.append(task["attempt"])
        server.let_run_out()
    same("the attempts of twelve claims that nobody confirmed", attempts, [1] * 11 + [2])


def _wait(server: Trial) -> tuple[float, float]:
    """How long a claim waits, and within how many seconds it must have ended when it is ended."""
    wait = min(WAIT, float(server.server.exchange["max_wait_seconds"]))
    if wait < 2:  # noqa: PLR2004
        raise NotChecked(f"the server lets a claim wait for {wait} s only, too short to tell")
    return wait, 0.9 * wait
