from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.rate_limits import RateLimitWindow, after_request, seconds_to_next, update

NOW = 1000.0


def sent_in_one_window(limit, seconds):
    """How many requests go out in a window by somebody who always has one, and when."""
    window, now, times = RateLimitWindow(limit, limit, NOW + seconds), NOW, []
    while now < NOW + seconds:
        wait = seconds_to_next(window, now)
        if wait == 0.0:
            window, times = after_request(window, now), [*times, now]
        else:
            now += wait
    return times


@given(limit=st.integers(1, 200), seconds=st.floats(1, 600))
def test_never_more_than_the_limit_go_out_in_one_window(limit, seconds):
    assert len(sent_in_one_window(limit, seconds)) <= limit


@given(limit=st.integers(10, 200))
def test_half_of_them_go_at_once_and_the_others_are_spread_over_the_window(limit):
    times = sent_in_one_window(limit, 60.0)

    assert times.count(NOW) >= limit // 2
    assert max(times) > NOW + 45.0
    assert len(times) >= limit - 1


def test_a_window_that_is_over_holds_nobody_up():
    assert seconds_to_next(RateLimitWindow(100, 0, NOW), NOW) == 0.0
    assert seconds_to_next(RateLimitWindow(100, 0, NOW + 20), NOW) == 20.0


def test_an_answer_begins_a_window_and_later_ones_only_lower_it():
    first = update(None, limit=100, left=99, seconds=60.0, now=NOW)
    overtaken = update(first, limit=100, left=97, seconds=59.0, now=NOW + 1)
    late = update(overtaken, limit=100, left=98, seconds=59.0, now=NOW + 1)

    assert (first.left, overtaken.left, late.left) == (99, 97, 97)
    assert late.resets_at == NOW + 60


def test_the_next_window_begins_afresh():
    spent = update(None, limit=100, left=0, seconds=60.0, now=NOW)

    assert update(spent, limit=100, left=99, seconds=60.0, now=NOW + 61).left == 99


def test_who_asks_but_once_may_use_up_all_of_it():
    window, sent = RateLimitWindow(10, 10, NOW + 60), 0
    while seconds_to_next(window, NOW, spread=False) == 0.0:
        window, sent = after_request(window, NOW), sent + 1

    assert sent == 10
