"""What is kept back for the worker's own calls when no file descriptor is left."""

import errno
import os

import pytest

from prismq_worker_sdk import system
from prismq_worker_sdk.system import Reserve


@pytest.fixture
def limit(monkeypatch):
    """How many more descriptors may be opened."""
    left, opens, closes = [100], os.open, os.close

    def opening(*what):
        if left[0] <= 0:
            raise OSError(errno.EMFILE, "Too many open files")
        left[0] -= 1
        return opens(*what)

    def closing(descriptor):
        closes(descriptor)
        left[0] += 1

    monkeypatch.setattr(system.os, "open", opening)
    monkeypatch.setattr(system.os, "close", closing)
    return left


@pytest.fixture
def reserve(limit):
    made = Reserve(4)
    yield made
    limit[0] = 0
    while made.lend():
        limit[0] = 0


def test_nothing_is_lent_while_there_are_others(reserve):
    reserve.refill()
    assert not reserve.lend()


def test_where_none_are_left_room_is_made_until_nothing_is_kept_back(reserve, limit):
    reserve.refill()
    limit[0] = 0
    assert reserve.lend(3)
    assert limit == [3]

    limit[0] = 0
    assert reserve.lend(3)
    assert limit == [1]

    limit[0] = 0
    assert not reserve.lend(3)


def test_what_was_lent_comes_back_as_far_as_there_is_room(reserve, limit):
    limit[0] = 2
    reserve.refill()
    assert limit == [0]
    assert reserve.lend(2)

    limit[0] = 100
    reserve.refill()
    assert limit == [96]


@pytest.mark.skipif(os.name == "nt", reason="it has no such limit")
def test_a_process_that_needs_many_may_have_all_that_it_is_allowed():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        system.allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
