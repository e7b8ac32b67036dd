"""Tasks that are claimed before a slot is free: they begin without a round trip, or go back untouched (R4)."""

import pytest

from prismq_worker_sdk.decide.claims import LONG
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.outcome import Released
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.claim_loop import Claimer, ahead
from prismq_worker_sdk.worker.lease_renewer import LeaseRenewer
from prismq_worker_sdk.worker.prefetch import LONGEST_WAIT, give_back
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.slots import SlotPool
from prismq_worker_sdk.worker.task_path import accept, arrive
from tests.support.loops import ROOM, Work, Workplace, grant
from tests.support.processes import wait_until

BUNDLE = Capabilities(
    max_tasks=128, max_reports=128, lease_seconds=60.0, renews=True, releases=True, creates=True, fences=True
)
NAMES = ("t1", "t2", "t3")


@pytest.fixture
def place(workplace):
    def make(*works, concurrency=1, **config):
        return workplace(*works, capabilities=BUNDLE, concurrency=concurrency, **config)

    return make


@pytest.fixture
def busy(place):
    """A worker whose only slot is busy, with two tasks that wait for it."""
    here = place(Work(gated=True))
    take(here, *NAMES)
    here.works[0].begun.wait(10)
    return here


def take(here, *names):
    """These come with an answer; places are reserved for them."""
    here.services.slots.reserve((), len(names))
    grants = [grant(name, token=f"token-{name}") for name in names]
    accept(here.services, arrive(here.services, grants, here.clock.monotonic()))


def short(here):
    """Handlers were seen to be short."""
    here.services.shared.handler_seconds = 0.01
    return here.services


def test_r04_tasks_that_find_no_slot_wait_and_begin_in_their_order(busy):
    assert [one.ref.task_id for one in busy.services.slots.prefetched] == ["t2", "t3"]
    busy.works[0].gate.set()
    busy.idle()

    assert busy.works[0].ran == [*NAMES]
    assert busy.ends() == [(name, End.COMPLETED) for name in NAMES]
    assert busy.faults() == ()


def test_r04_one_that_finds_no_slot_in_time_goes_back_and_nothing_is_prefetched_any_more(busy):
    assert give_back(short(busy)) == LONGEST_WAIT
    busy.clock.turn(LONGEST_WAIT)
    give_back(busy.services)
    wait_until(lambda: len(busy.ends()) == 2, "both ends", deadline=10)

    assert busy.ends() == [("t2", End.RELEASED), ("t3", End.RELEASED)]
    assert busy.outcomes() == [Released("no slot was free in time")] * 2
    assert (busy.services.slots.free, busy.services.shared.handler_seconds) == (0, LONG)
    busy.works[0].gate.set()
    busy.idle()
    assert busy.works[0].ran == ["t1"]
    assert busy.faults() == ()


def test_r36_what_waits_for_a_slot_goes_back_as_soon_as_the_worker_is_stopped(busy):
    supervised = busy.supervised()
    busy.stop()
    supervised.go_on()
    wait_until(lambda: len(busy.ends()) == 2, "both ends", deadline=10)

    assert busy.ends() == [("t2", End.RELEASED), ("t3", End.RELEASED)]


def quiet(here):
    here.services.shared.command = WorkerCommand.QUIET


def paused(here):
    here.services.availability.pause("Test.Some", 60.0, "not now", now=here.clock.monotonic())


def unready(here):
    here.services.availability.set_ready("Test.Some", "not now")


def asleep(here):
    here.clock.turn(here.services.config.server_claim_timeout + 1)


@pytest.mark.parametrize("happens", [Workplace.stop, quiet, paused, unready, asleep])
def test_r04_nothing_begins_in_its_turn_that_must_not(busy, happens):
    happens(busy)
    busy.works[0].gate.set()
    busy.idle()

    assert busy.works[0].ran == ["t1"]
    assert {name: end for name, end in busy.ends() if name != "t1"} == {
        "t2": End.RELEASED,
        "t3": End.RELEASED,
    }
    assert busy.faults() == ()


def test_r04_what_begins_is_not_given_back_and_what_is_given_back_does_not_begin():
    begun = []
    slots = SlotPool(1, lambda attempts, _threads: begun.extend(attempts))
    first, second, third = (attempt(name) for name in NAMES)
    slots.reserve((), 3)
    slots.start([first, second, third], 0.0)

    assert slots.withdraw([first, second]) == [second]
    slots.returned(first)
    assert begun == [first, third]
    assert slots.withdraw([second, third]) == []
    assert slots.free == -2
    slots.finished([first, second, third])
    assert slots.free == 1


def attempt(name):
    claim = Claim(Identity("s", "v1", name, "Test.Some", "d", "w"), grant(name).task, 0.0, 60.0)
    return Attempt(claim, Work().handler, checkpoint=None, limit_at=100.0)


def test_r07_a_task_that_waits_for_a_slot_is_not_renewed(busy):
    renewer = LeaseRenewer(busy.services)
    busy.clock.turn(0.5)
    assert renewer.next_due() is not None
    call = next(renewer.renew()).request

    assert [one.identity.task_id for one in call.renewals] == ["t1"]


def test_r16_the_time_limit_of_a_task_that_waited_counts_from_its_start(place):
    here = place(Work(gated=True, time_limit=100.0))
    take(here, "t1", "t2")
    (waiting,) = here.services.slots.prefetched
    here.clock.turn(0.4)
    here.works[0].gate.set()
    here.idle()

    assert waiting.started_at is not None
    assert waiting.limit_at == waiting.started_at + 100.0


def test_a_task_that_goes_back_untouched_is_no_run_of_those_that_max_runs_allows(place):
    here = place(Work(gated=True), max_runs=2)
    take(here, "t1", "t2")
    here.stop()
    give_back(here.services)
    wait_until(lambda: len(here.ends()) == 1, "its end", deadline=10)

    assert (here.services.accounting.claimed, here.services.accounting.ended) == (1, 0)


def test_r04_only_short_tasks_that_a_server_takes_back_are_prefetched(place):
    here = place(Work())
    assert ahead(here.services) == 0
    assert ahead(short(here)) == 1


def test_r12_no_more_is_prefetched_than_the_disk_has_room_for(place):
    here = place(Work(), concurrency=8)
    most = BUNDLE.max_result_bytes
    here.disk.space = Space(9 * most + 1)
    assert ahead(short(here)) == 1
    here.disk.space = Space(most)
    assert ahead(here.services) == 0
    here.disk.space = Space(ROOM)


def test_nothing_is_prefetched_where_that_is_turned_off(place):
    here = place(Work(), prefetch="off")

    assert ahead(short(here)) == 0


def test_nothing_is_prefetched_where_giving_back_costs_an_attempt(tmp_path):
    here = Workplace(tmp_path)
    assert ahead(short(here)) == 0
    here.close()


def test_only_claims_that_brought_tasks_tell_how_long_tasks_take_to_come(place):
    here = place(concurrency=4)
    claimer, shared = Claimer(here.services), here.services.shared
    for tasks in ((), (grant("t1"),)):
        assert shared.exchange_seconds == 0.0
        request = claimer.prepare(waits=False)
        here.clock.turn(0.4)
        claimer.accepted(request, claimer.arrived(request, tasks))

    assert shared.exchange_seconds == pytest.approx(0.1)
