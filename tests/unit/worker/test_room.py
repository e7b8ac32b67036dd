"""The outbox is bounded: nothing is claimed while it is full, and readiness says why."""

import sqlite3
from contextlib import closing

import pytest

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.worker import room
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.standing_by import DISK_PAUSE
from tests.support.loops import ROOM, Stepped, Work

MIB = 1024 * 1024


def test_nothing_is_claimed_while_too_many_reports_wait_and_it_goes_on_by_itself(workplace, monkeypatch):
    monkeypatch.setattr(room, "MOST_REPORTS", 2)
    place = workplace()
    place.run("t1", "t2")
    loop = Stepped(claim_loop(place.services))

    assert loop.wait == DISK_PAUSE
    (told,) = place.of(Notice)
    assert (told.level, told.message[:31]) == ("error", "2 reports wait for the server; ")
    assert place.services.shared.disk_trouble == told.message
    Stepped(delivery_loop(place.services)).verdict(Verdict.ACCEPTED)
    place.clock.turn(DISK_PAUSE)
    loop.go_on()
    assert loop.request.claim is not None
    assert place.services.shared.disk_trouble is None
    assert len(place.of(Notice)) == 1


def test_nothing_is_claimed_while_the_outbox_holds_too_many_bytes(workplace, monkeypatch):
    monkeypatch.setattr(room, "MOST_BYTES", 3 * MIB)
    place = workplace(Work(lambda ctx: "x" * MIB))
    place.disk.space = Space(ROOM, stored=4 * MIB)
    place.run("t1", "t2", "t3")
    loop = Stepped(claim_loop(place.services))

    assert loop.wait == DISK_PAUSE
    assert (
        "the outbox holds 3 MiB; nothing is claimed until reports are delivered"
        in place.of(Notice)[0].message
    )
    Stepped(delivery_loop(place.services)).verdict(Verdict.ACCEPTED)
    place.clock.turn(DISK_PAUSE)
    loop.go_on()
    assert loop.request.claim is not None


def test_a_large_file_that_is_mostly_free_is_not_full(workplace, monkeypatch):
    monkeypatch.setattr(room, "MOST_BYTES", 3 * MIB)
    place = workplace()
    place.disk.space = Space(ROOM, stored=400 * MIB)

    assert Stepped(claim_loop(place.services)).request.claim is not None


def test_a_log_that_a_reader_keeps_full_counts_is_emptied_before_anything_is_told_and_else_named(
    workplace, monkeypatch
):
    monkeypatch.setattr(room, "MOST_BYTES", 3 * MIB)
    monkeypatch.setattr(room, "JOURNAL_BYTES", MIB)
    place = workplace()
    sizes = {"log": 4 * MIB, "after": 4 * MIB}

    def empty():
        sizes["log"] = sizes["after"]
        place.disk.space = Space(ROOM, log=sizes["log"])
        return "4 MiB are the log, which cannot be emptied; end it" if sizes["log"] else None

    place.disk.space, place.disk.empty_log = Space(ROOM, log=sizes["log"]), empty
    loop = Stepped(claim_loop(place.services))
    assert loop.wait == DISK_PAUSE
    (told,) = place.of(Notice)
    assert told.message.startswith("the outbox holds 4 MiB; nothing is claimed")
    assert told.message.endswith("; 4 MiB are the log, which cannot be emptied; end it")

    sizes["after"] = 0
    place.clock.turn(DISK_PAUSE)
    loop.go_on()
    assert loop.request.claim is not None
    assert place.services.shared.disk_trouble is None


def test_a_log_that_takes_the_room_that_is_needed_is_emptied_however_small_it_is(workplace):
    place = workplace()

    def empty():
        place.disk.space = Space(ROOM)

    place.disk.space, place.disk.empty_log = Space(0, log=MIB), empty

    assert Stepped(claim_loop(place.services)).request.claim is not None
    assert place.of(Notice) == []


def test_nothing_is_claimed_while_another_program_holds_the_outbox_locked(workplace, tmp_path):
    place = workplace()
    place.transactions.run(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchone())
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError):
            place.outbox.look()
        loop = Stepped(claim_loop(place.services))

        assert loop.wait == DISK_PAUSE
        assert place.services.shared.disk_trouble.startswith(
            "another program holds the outbox locked (database is locked)"
        )
    place.clock.turn(DISK_PAUSE)
    loop.go_on()
    assert loop.request.claim is not None
    assert place.services.shared.disk_trouble is None


def test_once_everything_is_delivered_the_disk_space_is_given_back_and_the_loop_rests(workplace):
    place = workplace(Work(lambda ctx: "x" * MIB))
    place.run(*(f"t{number}" for number in range(14)))
    size = place.outbox.used_bytes()
    loop = Stepped(delivery_loop(place.services))
    while getattr(loop.effect, "request", None) is not None:
        loop.verdict(Verdict.ACCEPTED)
    steps = 0
    while loop.wait is not None:
        assert loop.wait < 1.0
        steps += 1
        loop.go_on()

    assert steps >= 2
    pages = place.transactions.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    assert pages * 4096 < size / 2
    loop.go_on()
    assert loop.wait is None
