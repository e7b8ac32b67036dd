"""Keys that are not known: looked for before they are refused, at a cost that wrong ones cannot drive up."""

import asyncio

import pytest

from prismq_worker_sdk.taskmanager import new_keys
from prismq_worker_sdk.taskmanager.callers import Caller, KeyRing, KnownKey
from prismq_worker_sdk.taskmanager.config import Scope, digest_of
from prismq_worker_sdk.taskmanager.new_keys import NewKeys


class Looks:
    """A database of keys that counts how often it is looked at."""

    def __init__(self):
        self.ring = KeyRing((), lambda: 0.0)
        self.stored, self.number, self.error = [], 0, None
        self.begun = asyncio.Event()

    async def __call__(self):
        self.number += 1
        self.begun.set()
        stored = list(self.stored)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        found = [KnownKey(digest_of(one), Caller(one, frozenset({Scope.READER})), id=one) for one in stored]
        self.ring.replace(found, were_some=True)


@pytest.fixture
def looks(monkeypatch):
    monkeypatch.setattr(new_keys, "SOONEST", 0.0)
    return Looks()


def found(looks, *groups):
    """Looks for groups of keys, one group after the other."""

    async def run():
        keys = NewKeys(looks.ring, looks)
        for group in groups:
            await asyncio.gather(*map(keys.find, group))

    asyncio.run(run())


def test_all_who_come_meanwhile_share_a_look(looks):
    looks.stored = ["new"]
    found(looks, [*map(str, range(500)), "new"])

    assert looks.number == 1
    assert looks.ring.knows(digest_of("new"))


def test_a_key_is_refused_only_after_a_look_that_began_when_it_was_there(looks):
    async def run():
        keys = NewKeys(looks.ring, looks)
        first = asyncio.ensure_future(keys.find("wrong"))
        await looks.begun.wait()
        looks.stored.append("new")
        await asyncio.gather(first, keys.find("new"))

    asyncio.run(run())
    assert looks.ring.knows(digest_of("new"))


def test_the_same_wrong_key_costs_one_look_and_one_that_holds_none(looks):
    found(looks, ["wrong"], ["wrong"], ["wrong"])
    assert looks.number == 1
    looks.stored = ["new"]
    found(looks, ["new"], ["new"], ["new"])
    assert looks.number == 2


def test_what_is_remembered_of_wrong_keys_is_bounded(looks, monkeypatch):
    monkeypatch.setattr(new_keys, "MOST_WRONG", 2)
    found(looks, ["a"], ["b"], ["c"], ["b"], ["c"], ["a"])

    assert looks.number == 4


def test_looks_begin_a_tenth_of_a_second_apart():
    assert new_keys.SOONEST == 0.1


def test_a_look_that_fails_is_told_and_taken_again(looks):
    looks.error = OSError("the database is away")
    with pytest.raises(OSError, match="away"):
        found(looks, ["new"])
    looks.error, looks.stored = None, ["new"]
    found(looks, ["new"])

    assert looks.ring.knows(digest_of("new"))
