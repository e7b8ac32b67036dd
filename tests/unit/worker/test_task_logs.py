"""What a handler logs on its way to the server: with renewals, the rest with the report, without secrets."""

import logging
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.redaction import MARK
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import ExchangeResponse, LeaseAnswer, LeaseVerdict, Unreachable
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.worker.attempt_log import REPORT_BYTES
from prismq_worker_sdk.worker.lease_loop import lease_loop
from tests.support.children import SECRET, Probes, children
from tests.support.loops import Stepped, Work, grant

BARE = Capabilities(
    max_tasks=128, max_reports=128, lease_seconds=60.0, renews=True, releases=True, creates=True, fences=True
)
LOGS = replace(BARE, max_log_lines=1000, max_log_bytes=256 * 1024)


@pytest.fixture
def place(workplace):
    def made(*works, capabilities=LOGS, **config):
        return workplace(*works, capabilities=capabilities, concurrency=4, secrets=[SECRET], **config)

    return made


def leased(task_id="t1", **params):
    return replace(grant(task_id, token=f"token-{task_id}", **params), lease_seconds=60.0)


def texts(part):
    return [] if part is None else [line.text for line in part.lines]


def running(place, number=1):
    """Handlers that run, the loop that has just renewed their claims, and their contexts."""
    here = place(Work(gated=True))
    here.give(*[leased(f"t{one}") for one in range(1, number + 1)])
    work = here.works[0]
    while len(work.contexts) < number:
        assert work.begun.wait(10)
    loop = Stepped(lease_loop(here.services))
    here.clock.turn(1)
    loop.go_on()
    renewed(loop)
    return here, loop, sorted(work.contexts, key=lambda ctx: ctx.task.id)


def renewed(loop):
    answers = tuple(LeaseAnswer(LeaseVerdict.RENEWED, 60.0) for _ in loop.request.renewals)
    return loop.answer(ExchangeResponse(renewals=answers))


def next_call(here, loop):
    """The next renewals, and after how many seconds."""
    since = here.clock.monotonic()
    while getattr(loop.effect, "request", None) is None:
        here.clock.turn(loop.wait)
        loop.go_on()
    return loop.request.renewals, here.clock.monotonic() - since


def test_lines_of_a_running_task_are_told_within_two_seconds_and_once(place):
    here, loop, (ctx,) = running(place)
    ctx.log.info("page read", shorts=25)
    (renewal,), seconds = next_call(here, loop)
    assert seconds < 2
    assert texts(renewal.log) == ["page read shorts=25"]
    renewed(loop)
    ctx.log.warning("one is missing")
    (renewal,), seconds = next_call(here, loop)
    assert 1 < seconds < 2, "what comes meanwhile is told together"
    assert (renewal.log.first, texts(renewal.log)) == (2, ["one is missing"])
    renewed(loop)

    (renewal,), seconds = next_call(here, loop)
    assert (renewal.log, seconds > 10) == (None, True), "who says nothing costs no call"


def test_a_line_wakes_the_loop_that_rests_once(place):
    here, loop, (ctx,) = running(place)
    here.clock.turn(2.0)
    loop.go_on()
    woken = []
    here.services.wakeups.lease = lambda: woken.append(True)
    for number in range(5):
        ctx.log.info("line", number=number)
    assert woken == [True]
    loop.go_on()
    assert texts(loop.request.renewals[0].log) == [f"line number={number}" for number in range(5)]


def test_lines_whose_renewal_met_no_server_go_again_once_it_answers(place):
    here, loop, (ctx,) = running(place)
    ctx.log.info("one")
    next_call(here, loop)
    loop.answer(Unreachable("away"))
    ctx.log.info("two")
    (renewal,), _ = next_call(here, loop)
    assert renewal.log is None, "the claim comes first"
    renewed(loop)

    (renewal,), _ = next_call(here, loop)
    assert (renewal.log.first, texts(renewal.log)) == (1, ["one", "two"])


def test_one_call_has_room_for_so_many_lines_only_and_the_next_takes_the_rest(place):
    here, loop, contexts = running(place, 2)
    for ctx in contexts:
        for _ in range(15):
            ctx.log.info("x" * 10_000)
    found, _ = next_call(here, loop)
    first = [len(texts(one.log)) for one in found]
    assert 20 < sum(first) <= 26
    renewed(loop)
    more, seconds = next_call(here, loop)

    assert seconds < 2
    assert sum(first) + sum(len(texts(one.log)) for one in more) == 30


def test_so_many_lines_that_the_report_cannot_take_them_do_not_wait(place):
    here, loop, (ctx,) = running(place)
    ctx.log.info("first")
    next_call(here, loop)
    renewed(loop)
    woken = []
    here.services.wakeups.lease = lambda: woken.append(True)
    for _ in range(50):
        ctx.log.info("x" * 1_000)
    assert woken
    loop.go_on()

    _, seconds = next_call(here, loop)
    assert seconds < 0.5


@pytest.mark.parametrize("level", [logging.DEBUG, logging.CRITICAL])
def test_what_the_log_of_the_worker_leaves_out_is_told_all_the_same_but_for_debug(place, level):
    log = logging.getLogger("prismq.task")
    before, _ = log.level, log.setLevel(level)
    try:
        here = place(Work(lambda ctx: [ctx.log.debug("a"), ctx.log.info("b"), ctx.log.error("c")]))
        here.give(leased())
        here.idle()
    finally:
        log.setLevel(before)
    (report,) = here.waiting()

    assert texts(report.log) == (["a", "b", "c"] if level == logging.DEBUG else ["b", "c"])


def test_the_traceback_of_an_unexpected_error_is_the_last_line(place):
    def breaks(ctx):
        ctx.log.info("calling", url=f"https://h/?key={SECRET}")
        raise RuntimeError(f"no answer with {SECRET}")

    here = place(Work(breaks))
    here.give(leased())
    here.idle()
    (report,) = here.waiting()
    said, trace = report.log.lines

    assert said.text == f"calling url=https://h/?key={MARK}"
    assert trace.level == "error"
    assert trace.text.startswith("Traceback (most recent call last):\n")
    assert trace.text.endswith(f"RuntimeError: no answer with {MARK}")


def test_what_was_told_already_is_not_in_the_report(place):
    here, loop, (ctx,) = running(place)
    ctx.log.info("one")
    next_call(here, loop)
    renewed(loop)
    ctx.log.info("two")
    here.works[0].gate.set()
    here.idle()

    (report,) = here.waiting()
    assert (report.log.first, texts(report.log), report.log.logged) == (2, ["two"], 2)


def test_the_lines_of_a_report_wait_with_it_on_the_disk(place):
    here = place(Work(lambda ctx: ctx.log.info("the end")))
    here.give(leased())
    here.idle()
    later = Outbox(here.transactions, here.clock)

    assert [texts(report.log) for report in later.after(0, 9)] == [["the end"]]
    assert [texts(report.log) for report in later.due(9)] == [["the end"]]


def test_lines_that_cannot_be_read_any_more_keep_no_report(place):
    here = place(Work(lambda ctx: ctx.log.info("the end")))
    here.give(leased())
    here.idle()
    here.transactions.run(lambda db: db.execute("UPDATE outcomes SET log = '[1'"))
    later = Outbox(here.transactions, here.clock)

    assert later.park_unreadable() == []
    assert [report.log for report in later.after(0, 9)] == [None]


def test_a_report_is_small_however_much_is_logged(place):
    def talks(ctx):
        for number in range(3_000):
            ctx.log.info("x" * 200, number=number)

    here = place(Work(talks))
    here.give(leased())
    here.idle()
    (report,) = here.waiting()

    assert report.size < 1.5 * REPORT_BYTES
    assert report.log.logged == 3_000
    assert report.log.last == 1_000


def test_a_server_that_takes_no_lines_gets_none(place):
    here = place(Work(lambda ctx: ctx.log.info("the end")), capabilities=BARE)
    here.give(leased())
    here.idle()

    assert [report.log for report in here.waiting()] == [None]


def test_a_handler_in_a_process_is_heard_alike(tmp_path, clock):
    pool = children()
    pool.start()
    here = Probes(tmp_path, pool, clock=clock, capabilities=LOGS)
    try:
        here.give(replace(grant("t1", "Probe.Logs", token="k"), lease_seconds=60.0))
        here.idle()
        (report,) = here.waiting()
    finally:
        here.close()
        pool.close(5.0)
    first, error = report.log.lines

    assert first.text.startswith(f"page read shorts=25 api_key={MARK} ")
    assert error.text.startswith("it went wrong\nTraceback")
    assert error.text.endswith(f"ValueError: {MARK}")


def test_a_short_task_wakes_nobody_for_its_lines(place):
    here = place(Work(gated=True))
    here.give(leased())
    assert here.works[0].begun.wait(10)
    Stepped(lease_loop(here.services))
    woken = []
    here.services.wakeups.lease = lambda: woken.append(True)
    here.works[0].contexts[0].log.info("one")
    assert not woken, "the first renewal comes in half a second anyway"
