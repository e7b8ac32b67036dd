"""Servers with a fault: the kit finds each, by the checks that say what is broken, and by no others.

The same server without a fault passes all of them: tests/unit/taskmanager/test_conformance.py.
"""

import threading

import pytest

from prismq_worker_sdk.testing.conformance import CHECKS, Outcome, Server, run
from tests.support.base_server import BaseServer, State
from tests.support.conformance import examined, guarded_api
from tests.support.processes import control
from tests.support.server_faults import FAULTS

SLOW = {
    "exchange.a_call_that_carries_something_does_not_wait",
    "exchange.a_claim_waits_for_work",
    "exchange.a_repeat_ends_the_wait",
    "exchange.a_result_that_is_too_large_is_refused_alone",
    "exchange.a_wait_ends_when_work_comes",
    "exchange.an_answer_is_no_larger_than_announced",
    "exchange.ten_unconfirmed_claims_are_free",
    "logs.lines_beyond_the_bounds_are_counted",
    "manage.a_wait_hears_that_its_worker_is_to_be_quiet",
    "manage.params_that_are_too_large_are_refused",
}
"""Checks that are made on those servers only where they are to fail."""


def failed(server, expected):
    """The checks that fail there, with why, of the base and of those bundles that are expected to."""
    bundles = {"base"} | {name.partition(".")[0] for name in expected}
    checks = [
        one for one in CHECKS if one.bundle in bundles and (one.name not in SLOW or one.name in expected)
    ]
    return {one.check.name: one.why for one in run(server, checks) if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "_"))
def test_a_fault_is_found_by_the_name_of_what_is_broken(tmp_path, monkeypatch, fault):
    fault.plant(monkeypatch)
    with guarded_api(tmp_path) as api:
        found = failed(examined(api), fault.found)

    assert found.keys() == set(fault.found), found


def test_a_task_that_is_chosen_and_taken_in_two_steps_goes_to_two_claimers(monkeypatch):
    whole, chosen = State.claim, threading.Barrier(2)

    def claim(state, worker_id, types):
        first = next((one for one in list(state.tasks.values()) if one["type"] in types), None)
        if first is None or first["status"] != "pending":
            return whole(state, worker_id, types)
        try:
            chosen.wait(2)  # for another that has chosen too
        except threading.BrokenBarrierError:
            chosen.reset()
        first.update(status="processing", worker_id=worker_id, claimed_clock=0.0)
        return 200, {name: value for name, value in first.items() if name != "claimed_clock"}

    monkeypatch.setattr(State, "claim", claim)
    with BaseServer() as server:

        def submit(task_type, params):
            control(server.url, add=[{"type": task_type, "params": dict(params)}])

        name = "base.one_task_goes_to_one_of_many_claimers"
        found = [one for one in run(Server(server.url, submit=submit), CHECKS) if one.check.name == name]

    assert [one.outcome for one in found] == [Outcome.FAILED]
