from dataclasses import replace

import pytest

from prismq_worker_sdk import TaskHandler, task_handler
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.handler import Registry
from prismq_worker_sdk.handlers.task_handler import as_handler


@task_handler("Test.One")
def one(params, ctx):
    return 1


@task_handler("Test.Two")
def two(params, ctx):
    return 2


@task_handler("Test.One")
def other_one(params, ctx):
    return 3


class Configured(TaskHandler):
    task_type = "Test.Configured"

    def __init__(self, url):
        self.url = url

    def process(self, params, ctx):
        return self.url


def made_here(value):
    @task_handler("Test.Made")
    def handle(params, ctx):
        return value

    return handle


def test_handlers_are_found_by_their_type_in_the_order_they_came():
    registry = Registry([two, one])

    assert registry.types == ("Test.Two", "Test.One")
    assert registry.handlers == (two, one)
    assert registry.get("Test.One") is one
    assert registry.find("Test.Three") is None


def test_two_handlers_of_one_type_are_refused_and_both_are_named():
    with pytest.raises(PluginError) as refused:
        Registry([one, two, other_one])

    assert str(refused.value).startswith(
        f"two handlers are for Test.One: {__name__}:one and {__name__}:other_one; "
    )


def test_the_same_handler_may_come_twice():
    own = Configured("a")

    assert Registry([one, one]).handlers == (one,)
    assert Registry([as_handler(own), as_handler(own)]).types == ("Test.Configured",)


@pytest.mark.parametrize(
    "pair",
    [
        [made_here(1), made_here(2)],
        [as_handler(Configured("a")), as_handler(Configured("b"))],
        [one, one.with_settings("other settings")],
    ],
    ids=["closures", "instances", "settings"],
)
def test_handlers_that_were_written_in_one_place_but_differ_are_two(pair):
    with pytest.raises(PluginError, match="two handlers are for"):
        Registry(pair)


@pytest.mark.parametrize("order", [1, -1])
def test_a_handler_that_another_plugin_imports_stays_that_of_its_own_plugin(order):
    home = replace(one, plugin=__name__).with_settings("its own")
    imported = replace(one, plugin="another").with_settings("of the other")

    assert Registry([home, imported][::order]).handlers == (home,)


@pytest.mark.parametrize(
    ("plugin", "remedy"),
    [("another", "load only one of their plugins (--plugin)"), (__name__, "give one of them another type")],
)
def test_the_remedy_for_two_handlers_of_one_type_fits_where_they_stand(plugin, remedy):
    with pytest.raises(PluginError) as refused:
        Registry([replace(one, plugin=__name__), replace(other_one, plugin=plugin)])

    assert str(refused.value).endswith(f"; {remedy}")


@pytest.mark.parametrize(("handlers", "known"), [([one, two], "Test.One, Test.Two"), ([], "none")])
def test_a_type_that_nobody_handles_is_told_with_those_that_are(handlers, known):
    with pytest.raises(PluginError, match=f"no handler is for 'Test.Three'; there are handlers for: {known}"):
        Registry(handlers).get("Test.Three")
