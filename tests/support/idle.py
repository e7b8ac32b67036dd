"""Workers without work, on a clock that is turned: how many requests they send to the server in production."""

import heapq
import json
from dataclasses import replace
from email.utils import formatdate
from itertools import count
from random import Random
from urllib.parse import urlencode

from prismq_worker_sdk.decide.claims import lanes
from prismq_worker_sdk.model.protocol import ServerInfo
from prismq_worker_sdk.testing import FakeClock, PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.application import Application
from prismq_worker_sdk.testing.prismq_client.call import Request
from prismq_worker_sdk.testing.prismq_client.store import Store
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import CAPABILITIES, NAME
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.rate_limits import RateLimits
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.driver import Wait
from tests.support.loops import Stepped, Work, Workplace

NOON = 1_795_435_200.4
MINUTE = 60.0
SLOTS = 16
OURS, ANOTHERS = "10.0.0.1", "10.0.0.2"


class Idle:
    """Claim loops of some workers in one process, with nothing to claim; everything is real but time and sockets.

    Args:
        types: How many task types each worker has.
        rate_limit: Requests in a minute that the server takes on each path; 0 for any number.
    """

    def __init__(self, folder, *, workers, types, rate_limit=0, poll_interval=10.0):
        self._clock = FakeClock()
        self._store = Store(":memory:")
        self._application = Application(
            PrismqClientDeployment(rate_limit=rate_limit), self._store, lambda: NOON + self._clock.monotonic()
        )
        self._limits = RateLimits(self._clock.monotonic)
        self.statuses = []
        names = [f"Idle.T{number}" for number in range(types)]
        for name in names:
            said = {"name": name, "version": "1", "param_schema": {"type": "object"}}
            self._answered("POST", "/task-types/register", json.dumps(said), peer=ANOTHERS)
        self._places = [
            self._workplace(folder / f"w{number}", number, names, poll_interval) for number in range(workers)
        ]

    def minutes(self, number, *, warm=1):
        """The requests of each minute, after those in which the workers begin."""
        queue, order = [], count()
        for place, client in self._places:
            for lane in range(lanes(CAPABILITIES, SLOTS)):
                loop = Stepped(claim_loop(place.services, lane))
                heapq.heappush(queue, (0.0, next(order), loop, client))
        counts = [0] * (warm + number)
        while queue[0][0] < len(counts) * MINUTE:
            at, _order, loop, client = heapq.heappop(queue)
            self._clock.turn(max(0.0, at - self._clock.monotonic()))
            if isinstance(loop.effect, Wait):
                loop.go_on()
            while not isinstance(loop.effect, Wait):
                before = len(self.statuses)
                loop.answer(client.perform(loop.request))
                counts[int(at // MINUTE)] += len(self.statuses) - before
            rest = MINUTE if loop.wait is None else loop.wait
            heapq.heappush(queue, (self._clock.monotonic() + max(rest, 0.001), next(order), loop, client))
        return counts[warm:]

    def close(self):
        for place, _client in self._places:
            place.close()
        self._store.close()

    def _workplace(self, folder, number, names, poll_interval):
        folder.mkdir()
        place = Workplace(
            folder,
            *(Work(task_type=name) for name in names),
            clock=self._clock,
            worker_id=f"w{number}",
            capabilities=CAPABILITIES,
            poll_interval=poll_interval,
            concurrency=SLOTS,
        )
        place.services = replace(place.services, rng=Random(number))
        return place, self._client()

    def _client(self):
        """The worker's own client, on this server and this clock."""
        client = WireClient("http://server.invalid/api")
        client.use(ServerInfo(NAME, CAPABILITIES))
        client._limits, client._transport = self._limits, self
        return client

    secret = None
    """There is no key to take out."""

    def send(self, request):
        """The answer to a request, as the transport would bring it."""
        path = "/" + "/".join(request.segments)
        reply = self._answered(request.method, path, request.body or "", query=urlencode(request.query))
        self.statuses.append(reply.status)
        return reply

    def _answered(self, method, path, body, *, query="", peer=OURS):
        given = Request(method, "/api" + path, query, {}, body.encode(), peer)
        answer = self._application.answer(given)
        headers = {name.lower(): value for name, value in answer.headers}
        headers["date"] = formatdate(int(NOON + self._clock.monotonic()), usegmt=True)
        headers["content-type"] = answer.content_type
        return HttpReply(answer.status, answer.body.encode(), headers)
