"""Claims that wait: who is woken by what, and that no news is lost on one that has no use for it."""

import asyncio

from prismq_worker_sdk.taskmanager.waiting import LOOK_SOONEST, News, Waiting

LONG = 60.0


async def never():
    return False


class Shelf:
    """Tasks by type, and claims that wait for them; `looks` tells who looked."""

    def __init__(self):
        self.waits = Waiting(self.news, every=3600.0)
        self.tasks = {}
        self.looks = []
        self.told = []
        self.sent_elsewhere = []
        self.again_in = None

    async def news(self, types, written):
        found = [one for one in types if self.tasks.get(one)]
        over = [one for one in written if one in self.sent_elsewhere]
        return News(found, self.told, over, self.again_in)

    def put(self, task_type, number=1):
        self.tasks[task_type] = self.tasks.get(task_type, 0) + number
        self.waits.notify({task_type: number})

    def take(self, name, types, most):
        self.looks.append(name)
        got = []
        for one in types:
            number = min(self.tasks.get(one, 0), most - len(got))
            self.tasks[one] = self.tasks.get(one, 0) - number
            got += [one] * number
        return got or None

    def waiter(self, name, types=("A",), most=1, gone=never):
        """A task of the loop that waits, and has begun to."""

        async def look():
            return self.take(name, types, most)

        wait = self.waits.enter((name, "r"), types, most)
        wait.written = f"wait of {name}"

        async def until():
            found = None
            try:
                found = await self.waits.until(wait, LONG, look, gone)
                return found
            finally:
                self.waits.leave(wait, found)

        return asyncio.create_task(until())


async def settled():
    for _ in range(20):
        await asyncio.sleep(0)


def story(tell):
    """Runs an async test on a shelf of its own, and ends all that still waits."""

    def test():
        async def told():
            shelf = Shelf()
            await tell(shelf)
            shelf.waits.close()
            await settled()

        asyncio.run(asyncio.wait_for(told(), 20))

    return test


@story
async def test_one_task_wakes_one_wait_of_its_type_the_one_that_came_first(shelf):
    waits = [shelf.waiter(name, types) for name, types in (("w1", ["B"]), ("w2", ["A"]), ("w3", ["A", "B"]))]
    await settled()
    shelf.put("A")
    await settled()

    assert shelf.looks == ["w2"]
    assert [wait.done() for wait in waits] == [False, True, False]


@story
async def test_many_tasks_wake_as_many_waits_as_they_can_feed(shelf):
    waits = [shelf.waiter(f"w{number}", most=4) for number in range(4)]
    await settled()
    shelf.put("A", 6)
    await settled()

    assert shelf.looks == ["w0", "w1"]
    assert [len(wait.result()) for wait in waits[:2]] == [4, 2]


@story
async def test_tasks_that_come_one_by_one_fill_the_wait_that_was_woken_before_they_wake_another(shelf):
    shelf.waiter("w1", most=3), shelf.waiter("w2")
    await settled()
    for _ in range(3):
        shelf.put("A")
    await settled()

    assert shelf.looks == ["w1"]


@story
async def test_a_task_that_comes_between_the_first_look_and_the_wait_is_found(shelf):
    wait = shelf.waits.enter(("w1", "r"), ["A"], 1)
    assert shelf.take("w1", ["A"], 1) is None
    shelf.put("A")

    async def look():
        return shelf.take("w1", ["A"], 1)

    assert await shelf.waits.until(wait, LONG, look, never) == ["A"]


@story
async def test_a_task_that_comes_while_the_only_wait_looks_is_found_by_its_next_look(shelf):
    wait = shelf.waits.enter(("w1", "r"), ["A"], 1)
    looks = []

    async def look():
        looks.append(True)
        if len(looks) == 1:
            shelf.put("A")
            return None
        return shelf.take("w1", ["A"], 1)

    shelf.waits.notify({"A": 1})
    assert await shelf.waits.until(wait, LONG, look, never) == ["A"]
    assert len(looks) == 2


@story
async def test_a_wait_whose_client_hung_up_passes_its_news_on(shelf):
    async def gone():
        return True

    lost, next_one = shelf.waiter("w1", gone=gone), shelf.waiter("w2")
    await settled()
    shelf.put("A")
    await settled()

    assert shelf.looks == ["w2"]
    assert (lost.result(), next_one.result()) == (None, ["A"])


@story
async def test_a_wait_that_ends_before_it_looks_passes_its_news_on(shelf):
    joined, next_one = shelf.waiter("w1"), shelf.waiter("w2")
    await settled()
    shelf.put("A")
    assert await shelf.waits.joined(("w1", "r")) == (None,)
    await settled()

    assert (joined.result(), next_one.result()) == (None, ["A"])


@story
async def test_what_nobody_told_of_is_found_by_one_wait_of_each_type(shelf):
    shelf.waiter("w1"), shelf.waiter("w2"), shelf.waiter("w3", ["B"])
    await settled()
    shelf.tasks = {"A": 1, "B": 1}
    await shelf.waits.look()
    await settled()

    assert sorted(shelf.looks) == ["w1", "w3"]


@story
async def test_the_next_look_comes_when_a_limit_is_about_to_have_room(shelf):
    for again_in, seconds in ((None, 3600.0), (7.5, 7.5), (0.0, LOOK_SOONEST), (9999.0, 3600.0)):
        shelf.again_in = again_in
        assert await shelf.waits.look() == seconds


@story
async def test_r06_a_wait_whose_request_another_process_was_sent_ends_with_nothing_though_there_is_no_news(
    shelf,
):
    over, goes_on = shelf.waiter("w1"), shelf.waiter("w2")
    await settled()
    shelf.sent_elsewhere = ["wait of w1"]
    await shelf.waits.look()
    await settled()

    assert (over.result(), goes_on.done(), shelf.looks) == (None, False, [])


@story
async def test_a_worker_that_another_process_is_asked_to_tell_something_looks(shelf):
    shelf.waiter("w1"), shelf.waiter("w2")
    await settled()
    shelf.told = ["w2"]
    await shelf.waits.look()
    await settled()

    assert shelf.looks == ["w2"]


@story
async def test_a_worker_that_is_to_hear_something_looks_and_nobody_else(shelf):
    shelf.waiter("w1", ["A", "B"]), shelf.waiter("w2")
    await settled()
    shelf.waits.notify_worker("w1")
    await settled()

    assert shelf.looks == ["w1"]


@story
async def test_a_repeat_ends_the_wait_of_its_request_and_gets_what_it_gets(shelf):
    waits = shelf.waiter("w1")
    await settled()

    assert await shelf.waits.joined(("w1", "another")) is None
    assert await shelf.waits.joined(("w1", "r")) == (None,)
    assert (await waits, shelf.looks) == (None, [])


@story
async def test_a_server_that_ends_lets_every_wait_go_and_a_new_one_too(shelf):
    waits = [shelf.waiter("w1"), shelf.waiter("w2", ["B"])]
    await settled()
    shelf.waits.close()
    waits.append(shelf.waiter("w3"))
    await settled()

    assert [wait.result() for wait in waits] == [None, None, None]


@story
async def test_nothing_is_kept_of_waits_that_ended(shelf):
    waits = [shelf.waiter("w1", ["A", "B"]), shelf.waiter("w2")]
    await settled()
    shelf.put("A", 2)
    await settled()

    assert [wait.done() for wait in waits] == [True, True]
    assert (shelf.waits._by_type, shelf.waits._by_key) == ({}, {})
