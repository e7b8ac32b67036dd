"""The outbox: one commit point, and nothing that was committed is lost."""

import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import Again, Park, Settle
from prismq_worker_sdk.errors import OutboxError, StateFolderError
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.folder import free_siblings, take_instance
from prismq_worker_sdk.outbox.left_behind import inherit
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import TABLES, open_database
from prismq_worker_sdk.outbox.store import Answered, Drop, Held, Lapse
from prismq_worker_sdk.testing import FakeClock
from tests.support.outbox import commit, settled
from tests.support.processes import wait_until


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def outbox(tmp_path, clock):
    opened = Outbox.open(tmp_path / "outbox.db", clock)
    yield opened
    opened.close()


def claim_of(task_id="t1", *, worker="w1", digest="d", token=None):
    identity = Identity("http://s/api", "v1", task_id, "T", digest, worker, token)
    return Claim(identity, Task(id=task_id, type="T", attempt=2), 0.0, 300.0)


def committed(outbox, claim, outcome):
    outbox.hold(claim)
    assert commit(outbox, claim.identity, outcome, attempt=2)
    return outbox.due(100)[-1]


def test_r10_the_first_end_of_a_claim_wins_and_the_second_is_dropped(outbox):
    claim = claim_of()
    outbox.hold(claim)

    assert commit(outbox, claim.identity, Completed("1"))
    assert not commit(outbox, claim.identity, Failed("late"))
    assert outbox.end(Drop(claim.identity)) == [False]
    assert [report.outcome for report in outbox.due(9)] == [Completed("1")]


def test_r10_an_outcome_without_a_hold_is_not_taken(outbox):
    assert not commit(outbox, claim_of().identity, Completed("1"))
    assert outbox.count("waiting") == 0


@pytest.mark.parametrize(
    "outcome", [Completed('{"a":"ž"}'), Failed("e", "E", False, 3.0), Released("r", 2.0)]
)
def test_what_is_committed_comes_back_as_it_was(outbox, outcome):
    claim = claim_of(token="lease")
    children = (Child("0", "C", "{}", 5), Follower("then", "L", "{}", 1))
    outbox.hold(claim)
    commit(outbox, claim.identity, outcome, children=children, attempt=2)
    report = outbox.due(1)[0]

    assert (report.identity, report.outcome, report.children) == (claim.identity, outcome, children)
    assert (report.attempt, report.tries, report.maybe_seen) == (2, 0, False)


def test_reports_come_oldest_first_and_each_has_its_own_next_try(outbox, clock):
    first = committed(outbox, claim_of("a"), Completed("1"))
    committed(outbox, claim_of("b"), Completed("2"))
    settled(outbox, replace(first, tries=1), Again("503", maybe_seen=True), retry_in=60.0)

    assert [report.identity.task_id for report in outbox.due(9)] == ["b"]
    assert outbox.seconds_to_next() == 0.0
    clock.turn(60)
    due = outbox.due(9)
    assert [report.identity.task_id for report in due] == ["a", "b"]
    assert (due[0].tries, due[0].maybe_seen) == (1, True)


def test_r36_a_sweep_sees_every_report_whatever_its_next_try(outbox):
    first = committed(outbox, claim_of("a"), Completed("1"))
    settled(outbox, first, Again("503", maybe_seen=True), retry_in=60.0)

    swept = outbox.after(0, 1)
    assert [report.identity.task_id for report in swept] == ["a"]
    assert outbox.after(swept[0].number, 1) == []


def test_r05_a_clock_that_was_set_back_does_not_hold_reports_up(outbox, clock):
    first = committed(outbox, claim_of("a"), Completed("1"))
    settled(outbox, first, Again("503", maybe_seen=True), retry_in=60.0)
    clock.jump(-86_400)

    assert len(outbox.due(1)) == 1


def test_a_settled_report_is_gone_and_cannot_be_settled_twice(outbox):
    report = committed(outbox, claim_of(), Completed("1"))

    assert settled(outbox, report, Settle(Settlement.ACCEPTED))
    assert not settled(outbox, report, Settle(Settlement.ACCEPTED))
    assert outbox.count("waiting") == 0


def test_r25_a_lost_result_answers_the_same_task_when_it_comes_again(outbox):
    report = committed(outbox, claim_of(worker="w1"), Completed("[1]"))
    settled(outbox, report, Settle(Settlement.LOST, keep=True))
    again = claim_of(worker="w2")

    assert outbox.hold(again) == Answered(Completed("[1]"), superseded=0)
    assert [(r.identity.worker_id, r.outcome) for r in outbox.due(9)] == [("w2", Completed("[1]"))]


def test_r22_a_kept_result_keeps_its_children(outbox):
    children = (Child("0", "C", "{}"), Follower("then", "L", "{}"))
    outbox.hold(claim_of(token="first"))
    commit(outbox, claim_of(token="first").identity, Completed("1"), children=children)
    settled(outbox, replace(outbox.due(1)[0], tries=1), Settle(Settlement.LOST, keep=True))
    outbox.hold(claim_of(token="second"))

    assert [(report.identity.token, report.children) for report in outbox.due(9)] == [("second", children)]


def test_r25_a_waiting_result_is_bound_to_the_new_claim(outbox):
    committed(outbox, claim_of(worker="w1"), Completed("[1]"))

    assert outbox.hold(claim_of(worker="w2")) == Answered(Completed("[1]"), superseded=1)
    assert [r.identity.worker_id for r in outbox.due(9)] == ["w2"]


def test_r23_a_result_that_does_not_pass_is_the_same_one_under_its_next_claim(outbox):
    report = committed(outbox, claim_of(worker="w1"), Completed("[1]"))
    settled(outbox, replace(report, tries=9, passed=7), Again("reset", maybe_seen=True), retry_in=60.0)
    outbox.hold(claim_of(worker="w2"))

    (again,) = outbox.due(9)
    assert (again.identity.worker_id, again.passed, again.maybe_seen) == ("w2", 7, True)


@pytest.mark.parametrize("maybe_seen", [True, False])
def test_r26_what_stands_in_for_a_report_that_may_have_been_seen_knows_it(outbox, maybe_seen):
    report = committed(outbox, claim_of(), Completed("[1]"))
    settled(outbox, report, Park("reset", Failed("short", "refused", retryable=False), maybe_seen=maybe_seen))

    assert [one.maybe_seen for one in outbox.due(9)] == [maybe_seen]


def test_r25_other_params_are_another_task(outbox):
    report = committed(outbox, claim_of(digest="d1"), Completed("[1]"))
    settled(outbox, report, Settle(Settlement.LOST, keep=True))

    assert outbox.hold(claim_of(digest="d2")) == Held()


def test_r25_a_stored_failure_is_superseded_and_the_task_runs(outbox):
    committed(outbox, claim_of(), Failed("e"))

    assert outbox.hold(claim_of(worker="w2")) == Held(superseded=1)
    assert outbox.count("waiting") == 0


def test_r25_a_result_is_kept_for_a_day(tmp_path, clock):
    outbox = Outbox.open(tmp_path / "o.db", clock)
    for days, expected in ((0.9, Answered), (1.1, Held)):
        report = committed(outbox, claim_of(str(days)), Completed("1"))
        settled(outbox, report, Settle(Settlement.LOST, keep=True))
        clock.turn(days * 86_400)
        outbox.recover()
        assert isinstance(outbox.hold(claim_of(str(days))), expected)
    outbox.close()


def test_r24_a_parked_report_is_kept_and_its_replacement_takes_its_place(outbox):
    report = committed(outbox, claim_of(), Completed("1"))
    short = Failed("the server refused the result", "refused", retryable=False)
    settled(outbox, report, Park("too large", short))

    assert outbox.count("parked") == 1
    assert [r.outcome for r in outbox.due(9)] == [short]


def test_r27_orphans_lapse_twice_and_are_reported_at_the_third_crash(outbox):
    for crash in (1, 2, 3):
        outbox.hold(claim_of())
        ((identity, outcome),) = outbox.resolve_orphans(retried=lambda _attempt: False)
        assert identity.task_id == "t1"
        assert (outcome is None) == (crash < 3)
    assert [r.outcome.error_type for r in outbox.due(9)] == ["crashed"]
    assert outbox.resolve_orphans(retried=lambda _attempt: False) == []


def test_r26_a_report_of_an_earlier_process_may_have_been_seen_and_is_due_at_once(tmp_path, clock):
    before = Outbox.open(tmp_path / "o.db", clock)
    report = committed(before, claim_of(), Completed("1"))
    settled(before, report, Again("503", maybe_seen=False), retry_in=60)
    before.close()

    after = Outbox.open(tmp_path / "o.db", clock)
    assert after.recover() == 1
    assert [(r.maybe_seen, r.identity) for r in after.due(9)] == [(True, claim_of().identity)]
    after.close()


def test_a_start_writes_no_stored_result_anew_that_says_already_what_it_must(outbox):
    committed(outbox, claim_of(), Completed(f'"{"x" * 1_000_000}"'))
    assert outbox.recover() == 1

    def changes():
        return outbox.transactions.run(lambda db: db.execute("SELECT total_changes()").fetchone()[0])

    before = changes()
    assert outbox.recover() == 1
    assert changes() == before


def test_r09_a_running_attempt_takes_over_the_new_claim_unless_it_has_ended(outbox):
    old, new = claim_of(token="a"), claim_of(token="b")
    outbox.hold(old)

    assert outbox.rehold(old.identity, new)
    assert not commit(outbox, old.identity, Completed("1"))
    assert commit(outbox, new.identity, Completed("1"))
    assert not outbox.rehold(new.identity, claim_of(token="c"))


def test_r30_the_last_checkpoint_comes_with_the_next_claim_until_the_task_is_done(outbox):
    first = claim_of(worker="w1")
    outbox.hold(first)
    outbox.checkpoint(first.identity.task_key, '{"page":1}')
    outbox.end(Drop(first.identity))
    second = claim_of(worker="w2")

    assert outbox.hold(second) == Held(checkpoint='{"page":1}')
    commit(outbox, second.identity, Completed("1"))
    settled(outbox, outbox.due(1)[0], Settle(Settlement.ACCEPTED))
    assert outbox.hold(claim_of(worker="w3")) == Held()


def test_r18_a_pause_survives_a_restart_until_its_time_is_over(tmp_path, clock):
    before = Outbox.open(tmp_path / "o.db", clock)
    before.pause("T", 100.0, "quota used up")
    before.close()

    after = Outbox.open(tmp_path / "o.db", clock)
    clock.turn(40)
    assert after.pauses() == {"T": (60.0, "quota used up")}
    clock.turn(60)
    assert after.pauses() == {}
    after.close()


def test_r05_a_pause_lasts_no_longer_than_it_was_to_though_the_clock_was_set_back(tmp_path, clock):
    before = Outbox.open(tmp_path / "o.db", clock)
    before.pause("T", 100.0, "quota used up")
    before.close()

    clock.jump(-86_400)
    after = Outbox.open(tmp_path / "o.db", clock)
    assert after.pauses() == {"T": (100.0, "quota used up")}
    after.close()


def test_r11_many_threads_share_transactions_and_every_commit_is_there(outbox):
    def work(number):
        for task in range(20):
            claim = claim_of(f"{number}-{task}")
            outbox.hold(claim)
            assert commit(outbox, claim.identity, Completed("1"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outbox.count("waiting") == 320


def test_r11_outcomes_are_committed_with_a_full_sync(tmp_path):
    connection = open_database(tmp_path / "o.db")

    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_an_outbox_is_opened_beside_somebody_who_reads_it(tmp_path):
    open_database(tmp_path / "o.db").close()
    reader = sqlite3.connect(tmp_path / "o.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM outcomes").fetchall()

    connection = open_database(tmp_path / "o.db")

    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
    reader.close()


def test_what_is_locked_by_another_program_is_told_from_a_full_disk_and_found_free_again(tmp_path, clock):
    outbox = Outbox.open(tmp_path / "o.db", clock)
    outbox.transactions.run(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchone())
    with closing(sqlite3.connect(tmp_path / "o.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="another program holds the outbox locked"):
            outbox.hold(claim_of())
        assert outbox.transactions.trouble.startswith(
            "another program holds the outbox locked (database is locked)"
        )
    outbox.look()

    assert outbox.transactions.trouble is None
    outbox.close()


def test_all_that_waits_for_a_locked_outbox_waits_once(tmp_path, clock):
    outbox = Outbox.open(tmp_path / "o.db", clock)
    begun, gate, tries = threading.Event(), threading.Event(), []

    def locked(_db):
        tries.append(1)
        raise sqlite3.OperationalError("database is locked")

    def blocked(_db):
        begun.set()
        gate.wait(10)

    def run(operation):
        with suppress(OutboxError):
            outbox.transactions.run(operation)

    threads = [threading.Thread(target=run, args=(one,)) for one in (blocked, locked, locked, locked)]
    threads[0].start()
    begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: outbox.transactions._queue.qsize() == 3, "all of them in the queue")
    gate.set()
    for thread in threads:
        thread.join()

    assert tries == [1]
    outbox.close()


def test_a_loop_stores_on_its_own_thread_where_nobody_else_writes_and_shares_a_transaction_where_somebody_does(
    tmp_path, clock
):
    outbox = Outbox.open(tmp_path / "o.db", clock)
    begun, gate, told = threading.Event(), threading.Event(), []

    def here(_db):
        told.append(threading.current_thread())
        return len(told)

    def blocked(_db):
        begun.set()
        gate.wait(10)

    assert outbox.transactions.run(here, here=True, then=told.append) == 1
    assert told == [threading.current_thread(), 1]

    threads = [threading.Thread(target=outbox.transactions.run, args=(blocked,))]
    threads[0].start()
    begun.wait(10)
    threads.append(threading.Thread(target=lambda: outbox.transactions.run(here, here=True)))
    threads[1].start()
    wait_until(lambda: outbox.transactions._queue.qsize() == 1, "it to wait with the others")
    gate.set()
    for thread in threads:
        thread.join()

    assert told[2].name == "prismq-outbox"
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        outbox.transactions.run(here, here=True)


def test_what_a_loop_could_not_store_is_told_and_the_next_one_is_stored(tmp_path, clock):
    outbox = Outbox.open(tmp_path / "o.db", clock)

    def full(_db):
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(OutboxError, match="disk is full"):
        outbox.transactions.run(full, here=True)
    assert "disk is full" in outbox.transactions.trouble

    outbox.transactions.run(lambda _db: None, here=True)
    assert outbox.transactions.trouble is None
    outbox.close()


@pytest.mark.parametrize("here", [True, False])
def test_what_is_raised_after_a_commit_is_for_the_one_that_asked_and_the_next_one_is_stored(
    tmp_path, clock, here
):
    outbox = Outbox.open(tmp_path / "o.db", clock)

    def then(_result):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        outbox.transactions.run(lambda _db: 1, then=then, here=here)

    assert outbox.transactions.run(lambda _db: 2, here=here) == 2
    outbox.close()


def test_r21_who_renews_claims_does_not_wait_for_the_disk(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("prismq_worker_sdk.outbox.outbox.LOOK_LIMIT", 0.01)
    outbox = Outbox.open(tmp_path / "o.db", clock)
    gate = threading.Event()
    writing = threading.Thread(target=outbox.transactions.run, args=(lambda _db: gate.wait(10),))
    writing.start()
    with pytest.raises(OutboxError, match="has not answered within"):
        outbox.claims_waiting(9)
    gate.set()
    writing.join()

    assert outbox.claims_waiting(9) == []
    outbox.close()


def test_one_bad_operation_does_not_spoil_its_neighbours(tmp_path, clock):
    connection = open_database(tmp_path / "o.db")
    outbox = Outbox.open(tmp_path / "o2.db", clock)
    gate = threading.Event()
    results = {}

    def blocked(_db):
        gate.wait(10)

    def run(name, operation):
        try:
            results[name] = outbox.transactions.run(operation)
        except OutboxError as error:
            results[name] = str(error)

    def broken(db):
        db.execute("INSERT INTO nowhere VALUES (1)")

    threads = [
        threading.Thread(target=run, args=("blocked", blocked)),
        threading.Thread(target=run, args=("broken", broken)),
        threading.Thread(target=run, args=("good", lambda _db: "good")),
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    outbox.close()
    connection.close()

    assert results["good"] == "good"
    assert "no such table" in results["broken"]


def test_a_closed_outbox_says_so(tmp_path, clock):
    outbox = Outbox.open(tmp_path / "o.db", clock)
    outbox.close()
    outbox.close()

    with pytest.raises(OutboxError, match="closed"):
        outbox.due(1)


def test_r39_each_process_takes_the_lowest_free_instance(tmp_path):
    first = take_instance(tmp_path)
    second = take_instance(tmp_path)
    assert [first.path.name, second.path.name] == ["instance-0", "instance-1"]
    first.release()
    third = take_instance(tmp_path)

    assert third.path.name == "instance-0"
    second.release()
    third.release()


def test_r39_a_named_instance_in_use_is_refused(tmp_path):
    held = take_instance(tmp_path, "blue")

    with pytest.raises(StateFolderError, match="in use"):
        take_instance(tmp_path, "blue")
    with pytest.raises(StateFolderError, match="instance name"):
        take_instance(tmp_path, "../up")
    held.release()


def test_r39_what_free_siblings_left_is_taken_over_and_what_busy_ones_hold_is_not(tmp_path, clock):
    for name, task in (("instance-0", "free"), ("instance-1", "busy")):
        (tmp_path / name).mkdir()
        left = Outbox.open(tmp_path / name / "outbox.db", clock)
        committed(left, claim_of(task), Completed("1"))
        left.hold(claim_of(f"{task}-running"))
        left.close()
    busy = take_instance(tmp_path, "instance-1")
    mine = take_instance(tmp_path, "mine")
    connection = open_database(mine.database)
    for sibling in free_siblings(tmp_path, mine, tell=pytest.fail):
        inherit(connection, sibling)
        inherit(connection, sibling)
        sibling.release()
    connection.close()
    taken = Outbox.open(mine.database, clock)

    assert [r.identity.task_id for r in taken.due(9)] == ["free"]
    assert [i.task_id for i, _ in taken.resolve_orphans(retried=lambda _attempt: False)] == ["free-running"]
    taken.close()
    for instance in (busy, mine):
        instance.release()


def filled(db, mark):
    """A row in every table; whatever is no key says who wrote it."""
    for table in TABLES:
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        row = {}
        for _, name, kind, _, _, key in columns:
            number = {"times": mark, "kind": "completed", "state": "waiting", "uid": f"u{mark}"}
            row[name] = number.get(name, ("k" if key else f"m{mark}") if kind == "TEXT" else float(mark))
        row.pop("number", None)
        marks = ", ".join("?" for _ in row)
        db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def test_r39_every_table_of_a_free_sibling_is_taken_over(tmp_path):
    (tmp_path / "instance-0").mkdir()
    with closing(open_database(tmp_path / "instance-0" / "outbox.db")) as left:
        filled(left, 2)
    sibling = take_instance(tmp_path)
    with closing(open_database(tmp_path / "own.db")) as own:
        inherit(own, sibling)

        assert {table: own.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES} == (
            dict.fromkeys(TABLES, 1)
        )
    sibling.release()


def test_r39_counts_of_both_outboxes_are_added_and_the_newer_checkpoint_and_the_longer_pause_win(tmp_path):
    (tmp_path / "instance-0").mkdir()
    with closing(open_database(tmp_path / "instance-0" / "outbox.db")) as left:
        filled(left, 5)
    sibling = take_instance(tmp_path)
    with closing(open_database(tmp_path / "own.db")) as own:
        filled(own, 3)
        inherit(own, sibling)

        for table in ("crashes", "lapses"):
            assert own.execute(f"SELECT times, last_at FROM {table}").fetchall() == [(8, 5.0)]
        assert own.execute("SELECT value, stored_at FROM checkpoints").fetchall() == [("m5", 5.0)]
        assert own.execute("SELECT until, reason FROM pauses").fetchall() == [(5.0, "m5")]
        assert own.execute("SELECT result FROM recent").fetchall() == [("m3",)]
    sibling.release()


def test_r18_a_task_that_was_given_back_often_runs_after_its_outbox_was_taken_over(tmp_path, clock):
    (tmp_path / "instance-0").mkdir()
    left = Outbox.open(tmp_path / "instance-0" / "outbox.db", clock)
    for _ in range(22):
        left.hold(claim_of())
        left.end(Lapse(claim_of().identity))
    left.close()
    sibling = take_instance(tmp_path)
    with closing(open_database(tmp_path / "own.db")) as own:
        inherit(own, sibling)
    sibling.release()
    taken = Outbox.open(tmp_path / "own.db", clock)

    assert taken.hold(claim_of()) == Held(lapses=22)
    taken.close()


def test_a_crash_while_taking_over_leaves_no_outcome_and_no_count_twice(tmp_path, clock):
    left = Outbox.open(tmp_path / "left.db", clock)
    left.hold(claim_of("given back"))
    left.end(Lapse(claim_of("given back").identity))
    committed(left, claim_of(), Completed("1"))
    left.close()
    (tmp_path / "instance-0").mkdir()
    image = (tmp_path / "left.db").read_bytes()
    (tmp_path / "instance-0" / "outbox.db").write_bytes(image)
    sibling = take_instance(tmp_path)
    own = open_database(tmp_path / "own.db")
    inherit(own, sibling)
    (tmp_path / "instance-0" / "outbox.db").write_bytes(image)
    inherit(own, sibling)

    assert own.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)
    assert own.execute("SELECT times FROM lapses").fetchall() == [(1,)]
    own.close()
    sibling.release()


def test_an_outbox_of_a_newer_version_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "o.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StateFolderError, match="newer SDK"):
        open_database(tmp_path / "o.db")


def test_a_damaged_file_is_said_so_and_left_as_it_is(tmp_path):
    path = tmp_path / "o.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 40)

    with pytest.raises(StateFolderError, match="cannot be used"):
        open_database(path)
    assert path.read_bytes().startswith(b"not a database")


def test_r39_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "state").write_text("")

    with pytest.raises(StateFolderError, match="cannot be made"):
        take_instance(tmp_path / "state")


def test_r01_reports_and_claims_of_another_server_stay_as_they_are(outbox):
    here = outbox.of("http://s/api")
    elsewhere = replace(claim_of("t2").identity, server="http://other/api")
    foreign = replace(claim_of("t2"), identity=elsewhere)
    committed(outbox, claim_of("t1"), Completed("1"))
    committed(outbox, foreign, Completed("2"))
    held = replace(claim_of("t3"), identity=replace(elsewhere, task_id="t3"))
    outbox.hold(held)

    assert [report.identity.task_id for report in here.due(9)] == ["t1"]
    assert [report.identity.task_id for report in here.after(0, 9)] == ["t1"]
    assert (here.count("waiting"), here.recover(), here.resolve_orphans(retried=lambda _attempt: False)) == (
        1,
        1,
        [],
    )
    assert here.elsewhere() == {"http://other/api": 1}
    assert settled(here, here.due(1)[0], Settle(Settlement.ACCEPTED))
    assert here.seconds_to_next() is None
    assert [report.identity.task_id for report in outbox.of("http://other/api").due(9)] == ["t2"]


def test_r25_verdicts_and_tasks_of_one_answer_are_stored_together_or_not_at_all(outbox):
    report = committed(outbox, claim_of("t1", worker="w1"), Completed("[1]"))
    lost = (report, Settle(Settlement.LOST, keep=True), 0.0)
    again, other = claim_of("t1", worker="w2"), claim_of("t2")
    broken = replace(other, identity=replace(other.identity, worker_id=None))
    with pytest.raises(OutboxError, match="worker_id"):
        outbox.settle_and_hold([lost], [again, broken])
    assert [left.identity.worker_id for left in outbox.due(9)] == ["w1"]

    changed, holds = outbox.settle_and_hold([lost], [again, other])
    assert changed == [True]
    assert holds == [Answered(Completed("[1]")), Held()]
    assert [left.identity.worker_id for left in outbox.due(9)] == ["w2"]
