"""Where a fresh process finds a handler again, and which it could not find."""

import subprocess
import sys
import textwrap

import pytest

from prismq_worker_sdk import PluginSettings, TaskHandler, task_handler
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.reference import find, packed_settings, reference_of
from prismq_worker_sdk.handlers.task_handler import as_handler
from tests.support.processes import ROOT


@task_handler("Test.AtTheTop")
def at_the_top(params: dict, ctx):
    return 1


@task_handler("Test.Renamed")
def _inner(params: dict, ctx):
    return 2


renamed, _inner = _inner, None


class Owner(TaskHandler):
    task_type = "Test.Owner"

    def __init__(self, number=0):
        self.number = number

    def process(self, params: dict, ctx):
        return self.number


seventh = Owner(7)


@pytest.mark.parametrize(
    ("thing", "result"),
    [(at_the_top, 1), (renamed, 2), (Owner, 0), (seventh, 7)],
    ids=["function", "renamed", "class", "instance"],
)
def test_what_stands_at_the_top_of_a_module_is_found_again_as_it_is(thing, result):
    handler = as_handler(thing)
    found = find(reference_of(handler))

    assert isinstance(found, Handler)
    assert found.task_type == handler.task_type
    assert found.run({}, None) == result


def closure():
    @task_handler("Test.Closure")
    def inside(params: dict, ctx): ...

    return inside


@pytest.mark.parametrize("make", [closure, lambda: as_handler(Owner(8))], ids=["closure", "instance"])
def test_what_a_fresh_process_would_not_find_is_refused(make):
    with pytest.raises(PluginError) as refused:
        reference_of(make())

    assert "cannot run with isolation='process': a fresh process does not find it" in str(refused.value)
    assert "use isolation='thread'" in str(refused.value)


FACTORY = """
from prismq_worker_sdk import hookimpl, task_handler

def made(number):
    @task_handler(f"Test.Made{number}")
    def handle(params: dict, ctx):
        return number
    return handle

@hookimpl
def prismq_task_handlers():
    return [made(1), made(2)]
"""


def test_what_a_plugin_gives_is_found_by_its_type_however_it_was_made(tmp_path):
    plugin = tmp_path / "factory_of_handlers.py"
    plugin.write_text(FACTORY)
    one, two = load([str(plugin)]).handlers

    assert (reference_of(two).module, reference_of(two).file) == ("factory_of_handlers", None)
    assert [find(reference_of(handler)).run({}, None) for handler in (one, two)] == [1, 2]


def test_a_file_whose_name_is_no_name_of_a_module_is_found_by_its_path(tmp_path):
    plugin = tmp_path / "factory.v2.py"
    plugin.write_text(FACTORY.replace("Test.", "Test.V2."))
    one, _two = load([str(plugin)]).handlers
    reference = reference_of(one)

    assert (reference.module, reference.file) == ("prismq_plugin_factory_v2", str(plugin))
    assert find(reference).run({}, None) == 1


@pytest.mark.parametrize("name", ["linked_tasks.py", "linked.tasks.py"])
def test_a_file_is_looked_for_where_it_was_given_and_not_where_a_link_led(tmp_path, name):
    """A mounted folder may be swapped: its links stay, what they lead to does not."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / name).write_text(FACTORY.replace("Test.", f"Test.L{len(name)}."))
    link = tmp_path / name
    link.symlink_to(f"v1/{name}")
    handler = load([str(link)]).handlers[0]

    assert sys.modules[handler.plugin].__file__ == str(link)
    assert reference_of(handler).file in {None, str(link)}
    assert str(tmp_path) in sys.path
    assert str(tmp_path / "v1") not in sys.path


def test_an_installed_plugin_is_imported_by_its_name():
    handler = load(["youtube_shorts"]).handlers[0]
    reference = reference_of(handler)

    assert (reference.module, reference.file) == ("prismq_youtube_shorts.plugin", None)


def test_settings_that_cannot_be_taken_along_are_refused_without_a_word_about_their_values():
    class Inside(PluginSettings):
        secret: str = "canary"

    with pytest.raises(PluginError) as refused:
        packed_settings(at_the_top.with_settings(Inside()))

    assert "its settings (Inside) cannot be pickled" in str(refused.value)
    assert "canary" not in str(refused.value)


MAIN = """
import os, sys
from prismq_worker_sdk import TaskHandler, task_handler
from prismq_worker_sdk.worker.isolation.pool import ChildPool

class Settings:
    name = "of the main module"

@task_handler("Test.Main")
def main(params: dict, ctx): ...

if __name__ == "__main__":
    pool = ChildPool([main.with_settings(Settings())], size=1)
    pool.start()
    child = pool.take()
    print("another process", child.pid != os.getpid())
    pool.give_back(child)
    pool.close(5.0)
"""


@pytest.mark.parametrize("how", [["program.py"], ["-m", "program"], ["-m", "package"]])
def test_handlers_of_a_program_are_found_however_it_was_started(tmp_path, how):
    (tmp_path / "program.py").write_text(MAIN)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(MAIN)
    done = subprocess.run(
        [sys.executable, *how],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("another process True\n", "")


def test_a_program_that_starts_its_worker_wherever_it_is_imported_is_told_what_to_do(tmp_path):
    program = MAIN.replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "put what starts the worker under if __name__ == '__main__':" in done.stderr


def test_handlers_that_were_typed_in_are_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-"],
        input=textwrap.dedent(MAIN),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "its module has no file that a fresh process could read" in done.stderr
