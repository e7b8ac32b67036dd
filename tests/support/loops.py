"""A worker's parts without its threads: loops stepped by hand over a real outbox, real slots and a fake clock."""

import threading
from dataclasses import replace
from random import Random
from types import SimpleNamespace

from prismq_worker_sdk import task_handler
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Registry
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.events import ClaimEnded
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Grant,
    ReportAnswer,
    ServerInfo,
)
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import open_database
from prismq_worker_sdk.outbox.transactions import GroupCommit
from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.commit_loop import commit_loop
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Call, LoopThread, Wait, no_calls
from prismq_worker_sdk.worker.handler_run import run
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.services import build, environment
from prismq_worker_sdk.worker.slots import SlotPool, SlotThreads
from prismq_worker_sdk.worker.supervision.supervise_loop import supervise
from tests.support.processes import wait_until

SERVER = "http://server.invalid/api"
TYPE = "Test.Some"
ROOM = 1 << 40


class Stepped:
    """A loop driven by hand: its effect is looked at, its reply is given."""

    def __init__(self, loop):
        self._loop = loop
        self.effect = None
        self.ended = False
        self.answer(None)

    def answer(self, reply):
        """Gives the reply to a call; gives the next effect, None at the end."""
        try:
            self.effect = self._loop.send(reply)
        except StopIteration:
            self.effect, self.ended = None, True
        return self.effect

    def go_on(self):
        """Ends a rest, as a change or the clock would."""
        assert isinstance(self.effect, Wait), self.effect
        return self.answer(None)

    @property
    def request(self):
        assert isinstance(self.effect, Call), self.effect
        return self.effect.request

    @property
    def wait(self):
        assert isinstance(self.effect, Wait), self.effect
        return self.effect.seconds

    @property
    def report(self):
        """The report that is being sent."""
        (report,) = self.request.reports
        return report

    def verdict(self, verdict, detail=""):
        """Answers the report that is being sent."""
        return self.answer(ExchangeResponse(reports=(ReportAnswer(verdict, detail),)))

    def hand_out(self, *grants):
        """Answers the claim that is being sent."""
        assert isinstance(self.request, ExchangeRequest)
        assert self.request.claim is not None
        return self.answer(ExchangeResponse(tasks=grants))


class WorkerThreads:
    """Other loops that are well."""

    claiming = False
    delivering = True

    def troubles(self):
        return ()


class Work:
    """A handler that does as the test says: it begins, waits for its gate when it has one, and ends."""

    def __init__(self, end=lambda ctx: {"done": ctx.task.id}, *, gated=False, task_type=TYPE, **options):
        self.ran = []
        self.contexts = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        if not gated:
            self.gate.set()
        self.end = end

        @task_handler(task_type, **options)
        def work(params: dict, ctx):
            self.contexts.append(ctx)
            self.ran.append(ctx.task.id)  # last: tests wait for it
            self.begun.set()
            self.gate.wait()
            return self.end(ctx)

        self.handler = replace(work, origin=f"{work.origin}:{task_type}")


class Workplace:
    """What the loops of one worker share, on an outbox in a folder; everything is real but the clock."""

    def __init__(
        self,
        folder,
        *works,
        clock=None,
        server=SERVER,
        worker_id="w1",
        capabilities=BASE,
        stored_sent=True,
        **config,
    ):
        self.works = works or (Work(),)
        self.clock = clock or FakeClock()
        self.events = []
        self.disk = SimpleNamespace(space=Space(ROOM), look=lambda: self.disk.space, empty_log=lambda: None)
        self.transactions = GroupCommit(open_database(folder / "outbox.db"))
        given = {"api_url": server, "state_dir": folder, "concurrency": 2, **config}
        handlers = [work.handler for work in self.works]
        settings = WorkerConfig(**given)
        self.threads = SlotThreads()
        self.threads.work = lambda attempt: run(self.services, attempt)
        here = environment(
            settings,
            Registry(handlers),
            clock=self.clock,
            redactor=Redactor(settings.secrets),
            emit=lambda *events: self.events.extend(events),
            rng=Random(1),
            worker_id=worker_id,
        )
        for handler in handlers:
            here.availability.set_ready(handler.task_type, None)
        self.services = build(
            here,
            ServerInfo("v1", capabilities),
            Outbox(self.transactions, self.clock),
            disk=self.disk,
            slots=SlotPool(settings.concurrency, self.threads.begin, handlers),
        )
        self.services.shared.stored_sent = stored_sent
        self.outbox = self.services.outbox
        self.commits = LoopThread(
            "commit",
            commit_loop(self.services),
            perform=no_calls,
            clock=self.clock,
            ended=lambda: None,
        )
        self.services.wakeups.commit = self.commits.waker.wake
        self.commits.start()

    def give(self, *grants):
        """One claim that is answered with these; gives the loop as it stands after it."""
        loop = Stepped(claim_loop(self.services))
        loop.hand_out(*grants)
        return loop

    def start(self, task_id="t1", **params):
        """Claims one task and waits until its handler runs; gives the attempt."""
        self.give(grant(task_id, **params))
        work = self.works[0]
        wait_until(lambda: task_id in work.ran, "the start of the handler", deadline=10)
        (attempt,) = [found for found in self.services.attempts.all() if found.ref.task_id == task_id]
        return attempt

    def idle(self):
        """Waits until every handler has left its slot."""
        slots = self.services.slots
        wait_until(lambda: not self.services.attempts.all() and not slots._running, "free slots", deadline=10)

    def run(self, *task_ids):
        """Claims tasks one by one and runs each to its commit."""
        for task_id in task_ids:
            self.give(grant(task_id))
            self.idle()

    def waiting(self):
        return self.outbox.after(0, 1000)

    def outcomes(self):
        return [report.outcome for report in self.waiting()]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def ends(self):
        """How the claims ended, in order: (task id, end)."""
        return [(event.ref.task_id, event.end) for event in self.of(ClaimEnded)]

    def faults(self):
        return self.services.accounting.faults(waiting=self.outbox.count("waiting"))

    def supervised(self):
        """The supervising loop, stepped by hand."""
        return Stepped(supervise(self.services, WorkerThreads()))

    def stop(self, grace=25.0):
        self.services.lifecycle.ask_stop("the test stops it", grace=grace, now=self.clock.monotonic())

    def advance(self, *, busy=False, flushed=False):
        return self.services.lifecycle.advance(now=self.clock.monotonic(), busy=busy, flushed=flushed)

    def fill_disk(self):
        """From now on the outbox can grow no more, as on a full disk."""
        self.transactions.run(lambda db: db.execute("PRAGMA max_page_count = 1").fetchone())

    def lock_disk(self):
        """From now on nothing can be written, as on a disk that was made read-only."""
        self.transactions._commit = refuse  # its connection is its own thread's: nobody else may touch it

    def free_disk(self):
        vars(self.transactions).pop("_commit", None)
        self.transactions.run(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())

    def close(self):
        for work in self.works:
            work.gate.set()
        self.commits.waker.wake()
        self.idle()
        self.threads.close()
        self.services.shared.closed = True
        self.commits.waker.wake()
        self.commits.join(10)
        assert not self.commits.error, self.commits.error
        self.outbox.close()


def refuse(batch):
    """What a writer does whose disk takes nothing."""
    for _operation, _then, future in batch:
        future.set_exception(
            OutboxError("the outbox could not be written (attempt to write a readonly database)")
        )


def grant(task_id="t1", task_type=TYPE, *, token=None, **params):
    return Grant(Task(id=task_id, type=task_type, params=params), token)
