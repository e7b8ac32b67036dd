"""What a worker's metrics read at the moment they are asked for."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.handlers.handler import Quota
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.readings import QuotaReading
from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.system import usage_of
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.supervision.read import MetricsReader
from tests.support.children import Probes, children
from tests.support.loops import TYPE, Work, grant
from tests.support.processes import wait_until

LEASES = replace(BASE, renews=True, releases=True, lease_seconds=60.0)
STATUS = WorkerStatus(
    worker_id="w", version="1", server="s", phase="running", health=Health(live=True, ready=True), slots=2
)


def read(place):
    return MetricsReader(place.services).read(STATUS)


def test_the_oldest_report_is_as_old_as_its_commit(workplace, clock):
    place = workplace()
    assert read(place).oldest_report == 0.0
    place.run("t1")
    clock.turn(100)
    place.run("t2")
    clock.turn(20)

    assert read(place).oldest_report == pytest.approx(120)


def test_the_age_of_a_report_outlives_its_process(workplace, clock):
    workplace().run("t1")
    clock.turn(600)

    assert read(workplace()).oldest_report == pytest.approx(600)


def test_a_parked_report_is_not_the_oldest_that_waits(workplace, clock):
    place = workplace()
    place.run("t1")
    place.transactions.run(lambda db: db.execute("UPDATE outcomes SET state = 'parked'").rowcount)
    clock.turn(100)
    place.run("t2")

    assert place.outbox.backlog() == (1, 0.0)


def test_both_sums_hold_while_a_task_runs_and_after_it(workplace):
    place = workplace(Work(gated=True))
    place.start()
    assert read(place).imbalance == {"claims": 0, "reports": 0}
    place.works[0].gate.set()
    place.idle()

    assert read(place).imbalance == {"claims": 0, "reports": 0}


def test_a_sum_that_is_off_tells_by_how_many(workplace):
    place = workplace()
    place.services.accounting.claim(2)
    place.run("t1")
    place.outbox.delete(place.waiting()[0].number)

    assert read(place).imbalance == {"claims": 2, "reports": 1}


def test_what_is_off_for_a_moment_only_is_not_told(workplace):
    place = workplace()
    place.services.accounting.claim()
    looks = []

    def late():
        looks.append(1)
        if len(looks) == 2:
            place.services.accounting.end(1)
        return ()

    place.services.attempts.all = late
    found = read(place).imbalance
    del place.services.attempts.all

    assert found["claims"] == 0


def test_an_outbox_that_cannot_be_read_takes_no_other_number_away(workplace):
    place = workplace()
    place.lock_disk()
    found = read(place)
    place.free_disk()

    assert (found.oldest_report, found.imbalance) == (None, {"claims": 0})
    assert found.disk_free > 0


def test_a_renewal_that_is_overdue_is_told_with_how_long(workplace, clock):
    place = workplace(Work(gated=True), capabilities=LEASES)
    place.give(replace(grant("t1", token="k"), lease_seconds=60.0))
    wait_until(place.works[0].begun.is_set, "the handler")

    assert read(place).lease_lateness == 0.0
    clock.turn(19)
    assert read(place).lease_lateness == 0.0
    clock.turn(8)
    assert read(place).lease_lateness == pytest.approx(7)


def test_where_claims_are_not_renewed_no_lateness_is_told(workplace):
    assert read(workplace()).lease_lateness is None


def test_the_room_on_the_disk_and_what_the_outbox_takes_of_it_are_told(workplace):
    place = workplace()
    place.disk.space = Space(free=500, stored=20, log=3)

    assert (read(place).disk_free, read(place).outbox_bytes) == (500, 23)


def test_a_disk_that_cannot_be_looked_at_is_left_out(workplace):
    def broken():
        raise OSError("gone")

    place = workplace()
    place.disk.look = broken

    assert (read(place).disk_free, read(place).outbox_bytes) == (None, None)


def test_limits_of_types_are_told(workplace):
    found = read(workplace(Work(max_concurrent=3, rate="6/min")))

    assert (found.most, found.rates) == ({TYPE: 3}, {TYPE: 0.1})


def with_quotas(place, quotas):
    handlers = [replace(one, quotas=quotas) for one in place.services.registry.handlers]
    services = replace(place.services, registry=SimpleNamespace(handlers=handlers))
    return MetricsReader(services)


def test_what_is_left_of_quotas_is_told_once_whoever_shares_them(workplace):
    place = workplace(Work(), Work(task_type="Test.Other"))
    reader = with_quotas(place, lambda: [Quota(name="search calls", used=30, limit=100)])

    assert reader.read(STATUS).quotas == (QuotaReading("search calls", 70, 100),)


@pytest.mark.parametrize("broken", [lambda: 1 / 0, lambda: [None], lambda: 7])
def test_quotas_that_cannot_be_told_are_warned_of_once_and_take_nothing_else_away(workplace, broken):
    place = workplace()
    reader = with_quotas(place, broken)
    found = [reader.read(STATUS), reader.read(STATUS)]

    assert [one.quotas for one in found] == [(), ()]
    assert found[0].disk_free > 0
    (said,) = place.of(Notice)
    assert said.level == "warning"
    assert f"quotas() of {TYPE} raised" in said.message


def test_quotas_that_hang_are_asked_for_once_and_hold_up_no_other_look(workplace):
    asked = []

    def slow():
        asked.append(1)
        found.append(reader.read(STATUS).quotas)  # somebody else comes meanwhile
        return [Quota(name="calls", used=0, limit=1)]

    found = []
    reader = with_quotas(workplace(), slow)
    found.append(reader.read(STATUS).quotas)

    assert found == [(), (QuotaReading("calls", 1, 1),)]
    assert len(asked) == 1


def test_the_processes_of_handlers_are_counted_with_their_memory_and_time(tmp_path):
    pool = children(size=1)
    pool.start()
    place = Probes(tmp_path, pool)
    try:
        place.does("Nothing")
        found = read(place).children
    finally:
        pool.close(5.0)
        place.close()

    assert found.number >= 1
    assert found.memory > 2**20
    assert found.cpu > 0


def test_a_process_that_has_ended_uses_nothing():
    assert usage_of([2**22 + 1])[0] == 0
    assert usage_of([os.getpid()])[0] > 2**20


def test_a_commit_of_a_clock_that_was_set_back_is_not_younger_than_now(workplace):
    place = workplace()
    place.run("t1")
    place.transactions.run(
        lambda db: db.execute("UPDATE outcomes SET committed_at = committed_at + 50").rowcount
    )

    assert place.outbox.backlog() == (1, 0.0)
