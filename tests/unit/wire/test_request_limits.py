"""The limits that a server tells with its answers, and what they let through (R34)."""

from email.utils import formatdate

import pytest

from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.rate_limits import RateLimits

CLAIM = HttpRequest("claim", "POST", ("tasks", "claim"))
LIMIT, WINDOW = 20, 60.0


class Server:
    """Counts requests as the middleware of the server does: whole seconds, a window that is over only after its reset.

    Attributes:
        ahead: How far its clock is from ours.
    """

    def __init__(self, clock, ahead=0.4):
        self._clock = clock
        self._ahead = ahead
        self._start = None
        self._count = 0
        self.refused = 0

    def answer(self):
        second = int(1_000_000.0 + self._clock.monotonic() + self._ahead)
        if self._start is None or second - self._start > WINDOW:
            self._start, self._count = second, 0
        over = self._count >= LIMIT
        self._count += not over
        reset = self._start + int(WINDOW)
        told = {"limit": LIMIT, "remaining": LIMIT - self._count, "reset": reset}
        headers = {f"x-ratelimit-{name}": str(value) for name, value in told.items()}
        headers["date"] = formatdate(second, usegmt=True)
        if over:
            self.refused += 1
            headers["retry-after"] = str(reset - second)
        return HttpReply(429 if over else 200, b"{}", headers)


def sent_within(seconds, *, ahead):
    """How many requests went out to a server, and how many it refused, with one tried every tenth of a second."""
    clock = FakeClock()
    limits, server = RateLimits(clock.monotonic), Server(clock, ahead)
    sent = 0
    while clock.monotonic() < seconds:
        if limits.refusal(CLAIM) is None:
            limits.learn(CLAIM, server.answer())
            sent += 1
        clock.turn(0.1)
    return sent, server.refused


@pytest.mark.parametrize("ahead", [0.0, 0.25, 0.5, 0.95])
def test_r34_the_whole_limit_of_each_window_is_used_and_not_one_request_is_refused(ahead):
    windows = 10
    sent, refused = sent_within(windows * (WINDOW + 1), ahead=ahead)

    assert refused == 0
    assert LIMIT * (windows - 1) <= sent <= LIMIT * (windows + 1)


def test_r34_a_window_that_began_earlier_than_it_seemed_lets_requests_through_at_once():
    clock = FakeClock()
    limits, server = RateLimits(clock.monotonic), Server(clock)
    for _ in range(LIMIT // 2):
        assert limits.refusal(CLAIM) is None
        limits.learn(CLAIM, server.answer())
    clock.turn(WINDOW + 0.65)  # the server has begun its next window; from here it seems that it has not
    assert limits.refusal(CLAIM) is None
    limits.learn(CLAIM, server.answer())

    assert limits.refusal(CLAIM) is None


def test_r34_a_refusal_whose_retry_after_is_zero_is_not_repeated_within_the_same_second():
    clock = FakeClock()
    limits = RateLimits(clock.monotonic)
    now = formatdate(1_000_060, usegmt=True)
    headers = {"retry-after": "0", "date": now, "x-ratelimit-reset": "1000060", "x-ratelimit-limit": "20"}
    limits.learn(CLAIM, HttpReply(429, b"{}", headers))

    assert limits.refusal(CLAIM) is not None
    clock.turn(1.0)
    assert limits.refusal(CLAIM) is None
