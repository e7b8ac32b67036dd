"""Each hook of a plugin: called plugin by plugin; one that raises is reported and stops no other."""

import logging

import click
import pytest
from pydantic import SecretStr

from prismq_worker_sdk import Demo, DemoTask, PluginSettings
from prismq_worker_sdk.cli.handlers import ready_handlers
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers import hookspecs
from prismq_worker_sdk.handlers.discovery import HOOKS, Plugins, load
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.testing import HandlerHarness

PLUGIN = """
import click
from prismq_worker_sdk import Demo, DemoTask, PluginSettings, TaskHandler, hookimpl, task_handler
from pydantic import SecretStr

HEARD = []

class Settings(PluginSettings):
    api_key: SecretStr = SecretStr("s3cret-value")
    pages: int = 3

@task_handler("{name}.Pages")
def pages(params: dict, ctx):
    return ctx.settings.pages

class Owner(TaskHandler):
    task_type = "{name}.Owner"
    def process(self, params, ctx):
        return self.settings.pages

@hookimpl
def prismq_task_handlers():
    return (pages, Owner)

@hookimpl
def prismq_plugin_settings():
    return Settings

@hookimpl
def prismq_worker_event(event):
    HEARD.append(event)

@hookimpl
def prismq_commands(group):
    @group.command("{name}-login")
    def login():
        click.echo("hello from {name}")

@hookimpl
def prismq_demo():
    return Demo(tasks=[DemoTask("{name}.Pages", {{}})], note="{name}")
"""
RAISES = """
from prismq_worker_sdk import hookimpl

@hookimpl
def {hook}({argument}):
    raise ValueError("not now")
"""


@pytest.fixture
def plugins(imports):
    """Two good plugins, and between them one whose hook raises."""

    def make(hook="prismq_demo", argument=""):
        texts = {
            "good_a": PLUGIN.format(name="good_a"),
            "raises": RAISES.format(hook=hook, argument=argument),
            "good_b": PLUGIN.format(name="good_b"),
        }
        for name, text in texts.items():
            (imports / f"{name}.py").write_text(text, encoding="utf-8")
        return load(list(texts))

    return make


def good(plugins):
    return Plugins(tuple(plugin for plugin in plugins.loaded if plugin.name != "raises"))


def test_these_are_all_the_hooks():
    assert set(HOOKS) == {
        "prismq_task_handlers",
        "prismq_plugin_settings",
        "prismq_worker_event",
        "prismq_commands",
        "prismq_demo",
    }


def test_prismq_task_handlers_gives_functions_and_classes(plugins):
    (first, _raises, second) = plugins().loaded

    assert [handler.task_type for handler in first.handlers] == ["good_a.Pages", "good_a.Owner"]
    assert [handler.task_type for handler in second.handlers] == ["good_b.Pages", "good_b.Owner"]


def test_prismq_plugin_settings_reach_every_handler_of_the_plugin_and_their_secrets_are_known(plugins):
    found = plugins()
    secrets = []
    handlers = ready_handlers(good(found).loaded, secrets.append)

    assert issubclass(found.loaded[0].settings_classes[0], PluginSettings)
    assert [HandlerHarness(handler).run({}).result for handler in handlers] == [3, 3, 3, 3]
    assert set(secrets) == {"s3cret-value"}
    assert isinstance(handlers[0].settings.api_key, SecretStr)


def test_prismq_worker_event_hears_everything_though_another_raises(plugins, caplog):
    found = plugins("prismq_worker_event", "event")
    bus = EventBus(found.listeners())
    events = [Notice("info", "first"), Notice("info", "second")]
    caplog.set_level(logging.ERROR)
    for event in events:
        bus.emit(event)

    assert [plugin.module.HEARD for plugin in good(found).loaded] == [events, events]
    assert [record.getMessage() for record in caplog.records] == [
        "an event listener failed at Notice; it is told of further events all the same"
    ]


def test_prismq_commands_adds_to_the_group_it_is_given(plugins):
    group = click.Group()
    good(plugins()).call("prismq_commands", group=group)

    assert sorted(group.commands) == ["good_a-login", "good_b-login"]


def test_prismq_demo_gives_stand_ins_and_samples(plugins):
    given = good(plugins()).call("prismq_demo")

    assert [(plugin.name, demo.note) for plugin, demo in given] == [
        ("good_a", "good_a"),
        ("good_b", "good_b"),
    ]
    assert given[0][1] == Demo(tasks=[DemoTask("good_a.Pages", {})], note="good_a", close=given[0][1].close)
    assert given[0][1].close() is None


@pytest.mark.parametrize(
    ("hook", "arguments"), [("prismq_demo", {}), ("prismq_commands", {"group": click.Group()})]
)
def test_a_hook_that_raises_is_reported_after_the_others_were_called(plugins, hook, arguments):
    found = plugins(hook, ", ".join(arguments))
    called = []
    for plugin in good(found).loaded:
        before = getattr(plugin.module, hook)

        @hookspecs.hookimpl
        def note(group=None, plugin=plugin, before=before):
            called.append(plugin.name)

        setattr(plugin.module, hook, note)
    with pytest.raises(PluginError) as refused:
        found.call(hook, **arguments)

    assert called == ["good_a", "good_b"]
    assert str(refused.value) == f"raises: {hook}() raised ValueError: not now (raises.py:6, in {hook})"


@pytest.mark.parametrize("hook", ["prismq_task_handlers", "prismq_plugin_settings"])
def test_a_named_plugin_whose_hook_raises_while_it_loads_is_refused(plugins, hook):
    with pytest.raises(PluginError, match=r"(?s)plugin 'raises' does not load:.*ValueError: not now"):
        plugins(hook)


def test_a_plugin_may_have_hooks_and_no_handlers(plugins):
    (_a, only_a_hook, _b) = plugins().loaded

    assert only_a_hook.handlers == ()


def test_a_hook_that_a_plugin_does_not_have_gives_nothing(plugins):
    found = plugins("prismq_worker_event", "event")

    assert [plugin.name for plugin, _demo in found.call("prismq_demo")] == ["good_a", "good_b"]


def test_a_hook_may_leave_out_arguments_that_it_does_not_need(imports):
    text = "from prismq_worker_sdk import hookimpl\n@hookimpl\ndef prismq_commands(): pass\n"
    (imports / "brief.py").write_text(text)

    assert load(["brief"]).call("prismq_commands", group=click.Group()) == []
