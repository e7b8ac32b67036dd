"""A handler ends in the same way in a thread slot, in a process slot, in the harness and in `try`."""

import pytest

from prismq_worker_sdk.cli.try_ import run_once
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Released
from prismq_worker_sdk.testing import HandlerHarness
from tests.support.children import SECRET, Probes, children, probes

CAN = Capabilities(creates=True, releases=True, renews=True, lease_seconds=300.0)
HANDLERS = {one.task_type: one for one in probes()}
SLOTS = ("thread", "process")
PLACES = (*SLOTS, "harness", "try")
CASES = {
    "sync": ("Returns", {"what": "text"}, Completed),
    "model": ("Returns", {"what": "model"}, Completed),
    "nothing": ("Returns", {"what": "nothing"}, Completed),
    "coroutine": ("GroupOfOne", {"what": "text"}, Completed),
    "decorated": ("Decorated", {}, Completed),
    "method of a class": ("Method", {}, Completed),
    "awaitable": ("Awaitable", {}, Completed),
    "children": ("Submit", {"n": 1}, Completed),
    "tries": ("Tries", {}, Completed),
    "no JSON": ("Returns", {"what": "nan"}, Failed),
    "of no JSON type": ("Returns", {"what": "set"}, Failed),
    "too large": ("Returns", {"what": "large"}, Failed),
    "bad params": ("Checked", {"folder": 5}, Failed),
    "checkpoint": ("Checkpoint", {}, Failed),
    "bad checkpoint": ("BadCheckpoint", {}, Failed),
    "unexpected": ("Raises", {"what": "services"}, Failed),
    "with a cause": ("Raises", {"what": "caused"}, Failed),
    "without words": ("Raises", {"what": "unspeakable"}, Failed),
    "sys.exit": ("Raises", {"what": "exit"}, Failed),
    "async sys.exit": ("AsyncRaises", {"what": "exit"}, Failed),
    "async interrupt": ("AsyncRaises", {"what": "interrupt"}, Failed),
    "async transient": ("AsyncRaises", {"what": "transient"}, Failed),
    "async unexpected": ("AsyncRaises", {"what": "services"}, Failed),
    "interrupt": ("Raises", {"what": "interrupt"}, Failed),
    "permanent": ("Raises", {"what": "permanent"}, Failed),
    "transient": ("Raises", {"what": "transient"}, Failed),
    "transient in a group": ("GroupOfOne", {"what": "transient"}, Failed),
    "defer": ("Raises", {"what": "defer"}, Released),
    "unavailable": ("Raises", {"what": "unavailable"}, Released),
    "group of many": ("Raises", {"what": "many"}, Failed),
}


@pytest.fixture(scope="module")
def pool():
    made = children()
    made.start()
    yield made
    made.close(5.0)


@pytest.fixture
def slot(tmp_path, clock, pool):
    """Runs a task in a slot of a worker."""
    made = []

    def make(place):
        folder = tmp_path / place
        folder.mkdir()
        here = Probes(folder, pool if place == "process" else None, clock=clock, capabilities=CAN)
        made.append(here)
        return here

    yield make
    for one in made:
        one.close()


@pytest.fixture
def end(slot):
    """How a task ends: its outcome, and the children that come with it."""

    def run(place, kind, params):
        handler = HANDLERS[f"Probe.{kind}"]
        if place == "harness":
            found = HandlerHarness(handler).run(params)
            return found.outcome, found.children
        if place == "try":
            report = run_once(handler, params, Redactor([SECRET]), lambda event: None).report
            return report.outcome, report.children
        here = slot(place)
        here.does(kind, **params)
        (report,) = here.waiting()
        return report.outcome, report.children

    return run


@pytest.mark.parametrize("case", CASES)
def test_a_handler_ends_in_the_same_way_wherever_it_runs(case, end):
    kind, params, outcome = CASES[case]
    ends = {place: end(place, kind, params) for place in PLACES}

    assert isinstance(ends["thread"][0], outcome)
    assert ends == dict.fromkeys(PLACES, ends["thread"])


def test_children_come_with_the_result_wherever_it_is_made(end):
    assert end("try", "Submit", {"n": 1})[1] == (Child("0", "Test.Child", '{"n":1}', 3),)


@pytest.mark.parametrize("kind", ["Checked", "Sleeps", "Awaits"])
@pytest.mark.parametrize("reason", [CancelReason.ASKED, CancelReason.STOPPING, CancelReason.TIME_LIMIT])
def test_a_handler_that_is_told_to_end_ends_in_the_same_way_wherever_it_runs(reason, kind, slot, tmp_path):
    outcomes = {}
    for place in SLOTS:
        here = slot(place)
        attempt, _pid = here.begins(kind)
        attempt.cancel(reason)
        here.idle()
        (outcomes[place],) = here.outcomes()
    harness = HandlerHarness(HANDLERS[f"Probe.{kind}"])
    outcomes["harness"] = harness.run({"folder": str(tmp_path)}, cancel=reason).outcome

    assert outcomes == dict.fromkeys(outcomes, outcomes["thread"])
