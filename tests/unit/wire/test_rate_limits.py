import pytest

from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, Probe, ServerInfo, Throttled
from prismq_worker_sdk.testing.prismq_client import PrismqClientDeployment, PrismqClientServer
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.rate_limits import RateLimits, rate_limits_of

CLAIM = HttpRequest("claim", "POST", ("tasks", "claim"), "{}")
OTHER = HttpRequest("get", "GET", ("tasks", "7"))
DATE = "Wed, 25 Nov 2026 12:00:00 GMT"
RESET = str(1795608000 + 40)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limits(clock):
    return RateLimits(clock)


def answer(remaining, status=200, **headers):
    told = {
        "x-ratelimit-limit": "100",
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": RESET,
        "date": DATE,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return HttpReply(status, b"{}", told)


def test_nothing_is_held_up_while_no_limit_is_told(limits):
    limits.learn(CLAIM, HttpReply(200, b"{}", {}))

    assert all(limits.refusal(CLAIM) is None for _ in range(1000))


def test_a_path_that_is_used_up_is_not_asked_for_until_its_window_ends(limits, clock):
    limits.learn(CLAIM, answer(0))

    limited = limits.refusal(CLAIM)
    assert limited.limited
    assert limited.retry_after == 41.0
    clock.now += 41.0
    assert limits.refusal(CLAIM) is None


def test_every_path_has_a_window_of_its_own(limits):
    limits.learn(CLAIM, answer(0))

    assert limits.refusal(OTHER) is None


def test_what_is_under_way_counts_before_its_answer_comes(limits):
    limits.learn(CLAIM, answer(2))
    limits.refusal(CLAIM)

    assert limits.refusal(CLAIM) is not None


def test_a_429_closes_the_path_for_as_long_as_it_says(limits, clock):
    limits.learn(CLAIM, HttpReply(429, b"", {"retry-after": "17"}))

    assert limits.refusal(CLAIM).retry_after == 18.0
    clock.now += 18.0
    assert limits.refusal(CLAIM) is None


@pytest.mark.parametrize("value", ["", "many", "-1", "9" * 40, "\u0663", "1.5"])
def test_a_count_that_is_none_is_passed_over(limits, value):
    limits.learn(CLAIM, answer(value))

    assert limits.refusal(CLAIM) is None


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_a_window_is_taken_to_last_a_minute(limits, clock, date):
    limits.learn(CLAIM, answer(0, date=date))

    assert limits.refusal(CLAIM).retry_after == 60.0


def test_paths_of_ended_tasks_are_forgotten(limits):
    for number in range(5000):
        limits.learn(HttpRequest("complete", "POST", ("tasks", str(number), "complete")), answer(99))

    assert len(limits._paths) == 4096


def test_all_clients_of_one_server_share_its_budget():
    assert rate_limits_of("http://host:8000/api/") is rate_limits_of("HTTP://host:8000/api")
    assert rate_limits_of("http://host:8000/api") is not rate_limits_of("http://host:8001/api")


def test_two_clients_together_keep_to_the_limit_and_the_server_refuses_nothing():
    with PrismqClientServer(PrismqClientDeployment(rate_limit=20)) as server:
        first, second = WireClient(server.url), WireClient(server.url)
        for client in (first, second):
            assert isinstance(client.perform(Probe()), ServerInfo)
        call = ExchangeRequest(claim=ClaimWork("w", ("Test.Some",)), request_id="1")
        answers = [client.perform(call) for _ in range(30) for client in (first, second)]
        first.close()
        second.close()

        assert sum(path == "/task-types/Test.Some" for _, path in server.requests) <= 20
    limited = [one for one in answers if isinstance(one, Throttled)]
    assert limited
    assert all("limit of 20 requests" in one.reason for one in limited)


def test_the_server_s_own_time_counts_more_than_the_date_that_a_proxy_wrote(limits):
    late = answer(0, date="Wed, 25 Nov 2026 11:00:00 GMT")
    told = HttpReply(200, b'{"success":true,"timestamp":1795608000}', late.headers)
    limits.learn(CLAIM, told)

    assert limits.refusal(CLAIM).retry_after <= 41.0
