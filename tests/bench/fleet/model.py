"""The fleet, event by event: each worker is a few numbers, and waits as the rules of the product say."""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random

from prismq_worker_sdk.decide.backoff import after_failure
from prismq_worker_sdk.decide.claims import Pace, longest_wait, pace_after
from prismq_worker_sdk.model.protocol import Unreachable
from tests.bench.fleet.server import Deployment, Server

WAY = 0.0025
"""Seconds from a worker to the server, and back."""

ONLY_EVERY = 0.05
"""Seconds between two looks at how long a task waits that one worker alone may take."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to a fleet.

    Attributes:
        seconds: How long it is looked at.
        start_within: All workers start within so many seconds.
        backlog: Tasks that are there at the beginning.
        arrivals: Tasks that come in a second.
        task_seconds: The longest time of a task; they are spread evenly up to it.
    """

    seconds: float
    workers: int = 10_000
    slots: int = 4
    poll_interval: float = 10.0
    start_within: float = 1.0
    deployment: Deployment = field(default_factory=Deployment)
    backlog: int = 0
    arrivals: float = 0.0
    task_seconds: float = 20.0
    seed: int = 1


class Worker:
    """What one worker knows."""

    __slots__ = ("claiming", "failures", "free", "pace", "sending", "unsent")

    def __init__(self, slots):
        self.pace = Pace()
        self.free = slots
        self.claiming = True
        self.unsent = 0
        self.sending = False
        self.failures = 0


class Fleet:
    """Runs a scenario.

    Attributes:
        requests: What reached for the server, by the tenth of a second.
        refused: How many requests met no server, or its refusal.
        served_at: When each worker was first answered, since the start or since the server came back.
        pickups: (when it came, seconds that it waited) of tasks that any worker may take.
        own: The same of tasks that one worker alone may take, had there been some.
        dry_at: When the last task of the backlog was handed out.
    """

    def __init__(self, scenario):
        self.scenario = scenario
        self.requests = Counter()
        self.refused = 0
        self.served_at, self.pickups, self.own = {}, [], []
        self.dry_at = 0.0
        self._dice = Random(scenario.seed)
        self._server = Server(scenario.deployment)
        self._batches = scenario.deployment.can.max_tasks > 1
        self._workers = [Worker(scenario.slots) for _ in range(scenario.workers)]
        self._only = {}
        self._queue, self._order, self._now = [], count(), 0.0

    def run(self):
        """Everything until the end of the scenario; gives itself."""
        there = self.scenario
        for worker in range(there.workers):
            self._at(self._dice.random() * there.start_within, self._start, worker)
        for begin, end in there.deployment.away:
            self._at(begin, self._cut)
            self._at(end, self._back)
        self._server.tasks.extend([0.0] * there.backlog)
        if there.arrivals:
            self._at(self._dice.expovariate(there.arrivals), self._arrive)
        self._at(ONLY_EVERY, self._look)
        while self._queue and self._queue[0][0] < there.seconds:
            self._now, _, step, arguments = heapq.heappop(self._queue)
            step(*arguments)
        return self

    def _at(self, when, step, *arguments):
        heapq.heappush(self._queue, (when, next(self._order), step, arguments))

    def _after(self, seconds, step, *arguments):
        self._at(self._now + seconds, step, *arguments)

    def _send(self, number, served, failed):
        """One request of a worker; what is done when it is served, or with the failure."""
        self.requests[int(self._now * 10)] += 1
        reached = self._server.reach(self._now)
        if isinstance(reached, float):
            self._at(reached + WAY, self._serve, number, served)
        else:
            self.refused += 1
            self._after(2 * WAY, failed, number, reached)

    def _serve(self, number, served):
        self.served_at.setdefault(number, self._now)
        served(number)

    def _start(self, number):
        self._send(number, self._found, self._not_found)

    def _found(self, number):
        self._workers[number].failures = 0
        self._after(WAY, self._claim, number)

    def _not_found(self, number, failure):
        worker = self._workers[number]
        worker.failures += 1
        self._after(after_failure(failure, worker.failures, self._dice.random()), self._start, number)

    def _claim(self, number):
        worker = self._workers[number]
        worker.claiming = worker.free > 0
        if worker.claiming:
            self._send(number, self._claimed, self._answer)

    def _claimed(self, number):
        """The server looks for tasks; it answers, or holds the claim open."""
        if number in self._only:
            came = self._only.pop(number)
            self.own.append((came, self._now - came))
        handed = self._hand_out(number, self._workers[number].free if self._batches else 1)
        wait = self._wait()
        if handed or not wait:
            self._after(WAY, self._answer, number, handed)
            return
        ticket = self._server.waiting[number] = object()
        self._after(wait, self._wait_over, number, ticket)

    def _wait(self):
        return longest_wait(self.scenario.deployment.can, self.scenario.poll_interval, self._dice.random())

    def _wait_over(self, number, ticket):
        if self._server.waiting.get(number) is ticket:
            del self._server.waiting[number]
            self._workers[number].pace = Pace()
            self._after(2 * WAY, self._claim, number)

    def _hand_out(self, number, most):
        """Gives the oldest tasks to a worker; how many."""
        worker, tasks = self._workers[number], self._server.tasks
        handed = min(most, worker.free, len(tasks))
        for _ in range(handed):
            came = tasks.popleft()
            self.pickups.append((came, self._now - came))
            self.dry_at = self._now if came == 0.0 else self.dry_at
            worker.free -= 1
            self._after(WAY + self._dice.random() * self.scenario.task_seconds, self._end, number)
        return handed

    def _answer(self, number, answer):
        """The worker has an answer to its claim, and waits as the rules say."""
        worker = self._workers[number]
        worker.pace = pace_after(
            worker.pace, answer, poll_interval=self.scenario.poll_interval, jitter=self._dice.random()
        )
        self._after(worker.pace.wait, self._claim, number)

    def _end(self, number):
        """A task has ended: its slot is free, and its report goes out."""
        worker = self._workers[number]
        worker.free += 1
        worker.unsent += 1
        if not worker.sending:
            worker.sending = True
            self._report(number)
        if not worker.claiming and not self._batches:
            self._claim(number)

    def _report(self, number):
        self._send(number, self._reported, self._not_reported)

    def _reported(self, number):
        """A report is taken; where the server can, it brings the next tasks along."""
        worker = self._workers[number]
        worker.failures = 0
        worker.unsent = 0 if self._batches else worker.unsent - 1
        worker.sending = worker.unsent > 0
        if worker.sending:
            self._after(2 * WAY, self._report, number)
        if self._batches and not self._hand_out(number, worker.free) and not worker.claiming:
            self._after(WAY, self._claim, number)

    def _not_reported(self, number, failure):
        worker = self._workers[number]
        worker.failures += 1
        self._after(after_failure(failure, worker.failures, self._dice.random()), self._report, number)

    def _arrive(self):
        self._server.tasks.append(self._now)
        self._after(self._dice.expovariate(self.scenario.arrivals), self._arrive)
        if self._server.waiting:
            number = next(iter(self._server.waiting))
            del self._server.waiting[number]
            self._after(WAY, self._answer, number, self._hand_out(number, 1))

    def _look(self):
        number = self._dice.randrange(self.scenario.workers)
        if number in self._server.waiting:
            self.own.append((self._now, 0.0))
        else:
            self._only.setdefault(number, self._now)
        self._after(ONLY_EVERY, self._look)

    def _back(self):
        """The server is there again; whom it answers from now on counts."""
        self.served_at, self.refused = {}, 0

    def _cut(self):
        """The server goes away, and with it every connection."""
        waiting, self._server.waiting = self._server.waiting, {}
        for number in waiting:
            self._after(WAY, self._answer, number, Unreachable("reset", maybe_seen=True))
