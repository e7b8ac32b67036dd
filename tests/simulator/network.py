"""The way between the workers and the server, and all that can happen on it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import Random
from typing import TypeAlias

from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from tests.simulator.model_server import ModelServer, Waits
from tests.simulator.plan import Cut, Disturbed, Outage, Plan, Refusal
from tests.simulator.schedule import Schedule

Answer: TypeAlias = HttpReply | Unreachable
Receive: TypeAlias = Callable[[Answer], None]

PATIENCE = 10.0
"""Seconds after which a worker gives up on an answer."""

LOOK_EVERY = 0.5
POISON_UNTIL = 150.0
"""When the server can deal with everything again, seconds."""

GATEWAY = {
    "500": HttpReply(500, b'{"detail": "disturbed"}'),
    "busy": HttpReply(503, b"{}", {"retry-after": "2"}),
    "html": HttpReply(502, b"<html>", {"content-type": "text/html"}),
    "redirect": HttpReply(301, b"", {"location": "http://elsewhere.invalid/"}),
    "key": HttpReply(401, b'{"detail": "wrong key"}'),
    "gone": HttpReply(404, b'{"detail": "Not Found"}'),
}


class Network:
    """Carries requests and answers, as the plan lets it.

    Attributes:
        carried: Requests so far.
        disturbed: How many requests of each worker went wrong.
    """

    def __init__(self, plan: Plan, schedule: Schedule, server: ModelServer, rng: Random) -> None:
        self._how = {fault.request: fault.how for fault in plan.faults if isinstance(fault, Disturbed)}
        self.carried = 0
        self.disturbed = [0] * plan.workers
        self.plain = not {"late", "twice", "slow"} & set(self._how.values())
        """Whether every request arrives at once, if it arrives, and only once."""
        self._times: list[tuple[int, float]] = []
        self._schedule = schedule
        self._server = server
        self._rng = rng
        self._cuts = [fault for fault in plan.faults if isinstance(fault, Cut)]
        self._outages = [fault for fault in plan.faults if isinstance(fault, Outage)]
        self._refusals = [fault for fault in plan.faults if isinstance(fault, Refusal)]
        self._poison = {
            plan.task_id(number) for number, work in enumerate(plan.works) if work.fate == "poison"
        }
        for outage in self._outages:
            schedule.at(outage.at + outage.seconds, lambda: server.restart(schedule.now))

    def passes(self, worker: int) -> bool:
        """Whether packets pass between this worker and a server that runs."""
        now = self._schedule.now
        down = any(out.at <= now < out.at + out.seconds for out in self._outages)
        return not down and not self._is_cut(worker)

    def undisturbed(self, worker: int, since: float) -> bool:
        """Whether nothing that costs claims fell into the time since then.

        An outage does where nothing can be renewed; else the server spares every claim at its start (R8).
        """
        now = self._schedule.now
        mine: list[Cut | Outage | Refusal] = [cut for cut in self._cuts if cut.worker == worker]
        mine += [one for one in self._refusals if one.sort == "renew" or not self._server.exchange]
        mine += self._outages if not self._server.exchange else []
        return not any(fault.at <= now and fault.at + fault.seconds >= since for fault in mine)

    def was_up(self, since: float) -> bool:
        """Whether the server was there all the time since then."""
        return not any(
            out.at <= self._schedule.now and out.at + out.seconds >= since for out in self._outages
        )

    def takes_reports(self, since: float) -> bool:
        """Whether the server was there and took reports all the time since then."""
        now = self._schedule.now
        bad = [one for one in self._refusals if one.sort == "report"]
        return self.was_up(since) and not any(one.at <= now and one.at + one.seconds >= since for one in bad)

    def disturbances(self, worker: int, since: float) -> int:
        """How many requests of a worker went wrong since then."""
        return sum(1 for who, when in self._times if who == worker and when >= since)

    def send(self, worker: int, request: HttpRequest, receive: Receive) -> None:
        """Sends a request; the answer, or that there was none, is received later."""
        self.carried += 1
        how = self._how.get(self.carried, "")
        if how or self._is_cut(worker) or not (self.passes(worker) or self._server.exchange):
            self._disturb(worker)
        if how == "refused" or not self.passes(worker):
            self._give(receive, Unreachable("connection refused", maybe_seen=False))
            return
        if how in GATEWAY and (how != "gone" or request.segments[-1] == "exchange"):
            self._give(receive, GATEWAY[how])
            return
        exchange = _Exchange(worker, request, receive)
        patience = min(PATIENCE + request.wait, request.within or inf)
        self._schedule.after(patience, lambda: exchange.received(Unreachable("no answer in time")))
        if how != "lost":
            late = {"late": patience + 1.0, "slow": 3.0 * self._rng.random()}.get(how, 0.0)
            answered = how not in {"unanswered", "500 after"}
            self._schedule.after(self._latency() + late, lambda: self._arrive(exchange, answered=answered))
        match how:
            case "500 after":
                self._schedule.after(0.1, lambda: exchange.received(GATEWAY["500"]))
            case "unanswered":
                self._schedule.after(0.1, lambda: exchange.received(Unreachable("connection reset")))
            case "twice":
                again = 0.1 + 8.0 * self._rng.random()
                self._schedule.after(again, lambda: self._arrive(exchange, answered=False))

    def _arrive(self, exchange: _Exchange, *, answered: bool) -> None:
        """The request reaches the server, if it does."""
        now = self._schedule.now
        if not self.passes(exchange.worker):
            exchange.received(Unreachable("connection reset"))
            return
        if self._refuses(exchange.request):
            self._disturb(exchange.worker)
            reply: HttpReply | Waits = GATEWAY["500"]
        else:
            reply = self._server.handle(exchange.request, now)
        if answered:
            self._hold(exchange, reply)

    def _hold(self, exchange: _Exchange, reply: HttpReply | Waits) -> None:
        """Carries the answer back, once there is one."""
        if isinstance(reply, HttpReply):
            self._schedule.after(self._latency(), lambda: self._back(exchange, reply))
            return
        if not self.passes(exchange.worker):
            exchange.received(Unreachable("connection reset"))
            return
        found = self._server.look(reply, self._schedule.now) if reply in self._server.waits else reply.answer
        if found is None and reply not in self._server.waits:
            exchange.received(Unreachable("connection reset"))  # the server was restarted
        elif found is None:
            self._schedule.after(LOOK_EVERY * self._rng.random(), lambda: self._hold(exchange, reply))
        else:
            self._hold(exchange, found)

    def _back(self, exchange: _Exchange, reply: HttpReply) -> None:
        lost = Unreachable("connection reset")
        exchange.received(reply if self.passes(exchange.worker) else lost)

    def _refuses(self, request: HttpRequest) -> bool:
        """Whether the server is in no state to deal with this sort of request."""
        now, body = self._schedule.now, request.body or ""
        sorts = {fault.sort for fault in self._refusals if fault.at <= now < fault.at + fault.seconds}
        poison = now < POISON_UNTIL and any(
            f'{{"task":"{task_id}"}}' in body and '"result"' in body for task_id in self._poison
        )
        return (
            poison
            or ("report" in sorts and ('"outcome"' in body or request.call in {"complete", "fail"}))
            or ("claim" in sorts and ('"task_types"' in body or request.call == "claim"))
            or ("renew" in sorts and ('"leases"' in body or request.call == "renew"))
        )

    def _is_cut(self, worker: int) -> bool:
        now = self._schedule.now
        return any(cut.worker == worker and cut.at <= now < cut.at + cut.seconds for cut in self._cuts)

    def _disturb(self, worker: int) -> None:
        self.disturbed[worker] += 1
        self._times.append((worker, self._schedule.now))

    def _give(self, receive: Receive, answer: Answer) -> None:
        self._schedule.after(self._latency(), lambda: receive(answer))

    def _latency(self) -> float:
        return 0.001 + 0.01 * self._rng.random()


class _Exchange:
    """One request on its way; the first answer counts."""

    def __init__(self, worker: int, request: HttpRequest, receive: Receive) -> None:
        self._receive: Receive | None = receive
        self.worker = worker
        self.request = request

    def received(self, answer: Answer) -> None:
        receive, self._receive = self._receive, None
        if receive is not None:
            receive(answer)
