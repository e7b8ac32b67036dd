"""Plugins are found by entry-point name, module or file; a broken one stops no other."""

import importlib
import pickle
import sys
from importlib.metadata import distributions

import pytest

from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.installed import installed
from tests.support.surroundings import write_distribution

HANDLER = """
from prismq_worker_sdk import task_handler

@task_handler("Test.{name}")
def {name}(params: dict, ctx):
    return "{name}"
"""
HOOK = """
from prismq_worker_sdk import hookimpl

@hookimpl
def prismq_task_handlers():
    return [{name}]
"""
BROKEN = "import no_such_library\n"
INSTALLED = "no_such_plugin"


def source(name):
    return HANDLER.format(name=name)


def hooked(name):
    return source(name) + HOOK.format(name=name)


def write(folder, path, text):
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return str(file)


def types(plugins):
    return [handler.task_type for handler in plugins.handlers]


def refusal(*names):
    with pytest.raises(PluginError) as refused:
        load(names)
    return str(refused.value)


@pytest.fixture
def only_ours(imports, monkeypatch):
    """No distribution is seen but those that the test writes."""
    monkeypatch.setattr(
        "prismq_worker_sdk.handlers.installed.distributions", lambda: distributions(path=[str(imports)])
    )
    return imports


def test_a_plugin_is_found_by_the_name_of_its_entry_point(imports):
    write_distribution(imports, "greeter", hooked("greet"))
    plugins = load(["greeter"])
    (plugin,) = plugins.loaded

    assert types(plugins) == ["Test.greet"]
    assert (plugin.name, plugin.source, plugin.module.__name__) == (
        "greeter",
        "greeter 1.0",
        "installed_greeter",
    )


def test_installed_plugins_are_listed_without_importing_them(imports):
    write_distribution(imports, "quiet", hooked("quiet"))

    assert "quiet" in [point.name for point in installed()]
    assert "installed_quiet" not in sys.modules


def test_a_plugin_is_found_by_its_module(imports):
    write(imports, "some_package/__init__.py", "")
    write(imports, "some_package/some_tasks.py", source("in_a_package"))
    (plugin,) = load(["some_package.some_tasks"]).loaded

    assert [handler.task_type for handler in plugin.handlers] == ["Test.in_a_package"]
    assert (plugin.name, plugin.source) == ("some_package.some_tasks", "some_package.some_tasks")


def test_a_module_in_the_working_directory_is_found(imports, monkeypatch, tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    write(here, "module_right_here.py", source("right_here"))

    assert types(load(["module_right_here"])) == ["Test.right_here"]


def test_a_plugin_is_found_by_its_file_and_may_import_its_neighbours(imports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write(folder, "the_neighbour.py", "NAME = 'Test.From_neighbour'\n")
    text = "from the_neighbour import NAME\nfrom prismq_worker_sdk import task_handler\n"
    path = write(
        folder, "with_neighbour.py", text + "@task_handler(NAME)\ndef h(params: dict, ctx): return 1\n"
    )

    assert types(load([path])) == ["Test.From_neighbour"]


def test_an_entry_point_comes_before_a_module_of_the_same_name(imports):
    write_distribution(imports, "twice_there", source("by_entry_point"))
    write(imports, "twice_there.py", source("by_module"))

    assert types(load(["twice_there"])) == ["Test.by_entry_point"]


def test_handlers_of_a_module_are_taken_when_there_is_no_hook(imports):
    write(
        imports,
        "base_of_others.py",
        "from prismq_worker_sdk import TaskHandler\nclass Base(TaskHandler): pass\n",
    )
    text = (
        "from base_of_others import Base\n"
        + source("plain")
        + "class Own(Base):\n    task_type = 'Test.Own'\n    def process(self, params, ctx): return 1\n"
    )
    write(imports, "module_level.py", text)

    assert types(load(["module_level"])) == ["Test.plain", "Test.Own"]


def test_only_what_the_hook_gives_is_taken_when_there_is_one(imports):
    write(imports, "with_hook.py", source("hidden") + hooked("shown"))

    assert types(load(["with_hook"])) == ["Test.shown"]


def test_several_plugins_load_in_the_order_of_their_names(imports):
    write(imports, "plug_b.py", source("b"))
    write(imports, "plug_a.py", source("a"))

    assert types(load(["plug_b", "plug_a", "plug_b"])) == ["Test.b", "Test.a"]


def test_a_plugin_that_is_named_in_two_ways_is_loaded_once(imports):
    text = "from prismq_worker_sdk import TaskHandler\n"
    text += "class T(TaskHandler):\n    task_type = 'Test.T'\n    def process(self, params, ctx): return 1\n"
    module = write_distribution(imports, "two_ways", text)
    file = write(imports, "a_file.py", source("of_a_file"))
    write(imports, "by_two_ways/__init__.py", "")
    inside = write(imports, "by_two_ways/inside.py", source("inside"))

    assert types(load(["two_ways", module])) == ["Test.T"]
    assert types(load([file, f"{imports}/./a_file.py"])) == ["Test.of_a_file"]
    assert types(load(["by_two_ways.inside", inside])) == ["Test.inside"]
    assert types(load([file, "a_file"])) == ["Test.of_a_file"]


def test_files_of_the_same_name_are_two_plugins(imports):
    first = write(imports, "one/handlers.py", source("first"))
    second = write(imports, "two/handlers.py", source("second"))
    plugins = load([first, second])

    assert types(plugins) == ["Test.first", "Test.second"]
    assert len({plugin.module.__name__ for plugin in plugins.loaded}) == 2
    assert [handler(None, None) for handler in plugins.handlers] == ["first", "second"]


@pytest.mark.parametrize("order", [("plug_one", "plug_two"), ("plug_two", "plug_one")])
def test_a_file_that_another_one_imports_is_one_module_and_its_handlers_are_its_own(imports, order):
    text = "from prismq_worker_sdk import TaskHandler\nclass Own(TaskHandler):\n    task_type = 'Test.Own'\n"
    text += "    def process(self, params: dict, ctx): return 1\n"
    first = write(imports, "files/plug_one.py", source("shared") + text)
    text = "import plug_one\nfrom plug_one import Own, shared\n"
    second = write(imports, "files/plug_two.py", text + source("alone"))
    files = {"plug_one": first, "plug_two": second}
    plugins = load([files[name] for name in order])
    by_name = {plugin.module.__name__: plugin for plugin in plugins.loaded}

    assert by_name["plug_two"].module.plug_one is by_name["plug_one"].module
    assert types(plugins) == [
        {"plug_one": "Test.shared", "plug_two": "Test.alone"}[order[0]],
        *types(plugins)[1:],
    ]
    assert sorted(types(plugins)) == ["Test.Own", "Test.alone", "Test.shared"]
    assert types(load([second])) == ["Test.alone"]


def test_a_package_has_the_handlers_that_it_imports_from_its_own_modules(imports):
    base = "from prismq_worker_sdk import TaskHandler\nclass Base(TaskHandler):\n"
    base += "    def process(self, params: dict, ctx): ...\n"
    write(imports, "in_parts/base.py", base)
    write(
        imports,
        "in_parts/work.py",
        source("part") + "from in_parts.base import Base\nclass Own(Base): task_type = 'Test.Part'\n",
    )
    every = "from in_parts.work import Base, Own, part\n"
    write(imports, "in_parts/__init__.py", every)
    write(imports, "in_parts/plugin.py", every)

    assert types(load(["in_parts"])) == types(load(["in_parts.plugin"])) == ["Test.Part", "Test.part"]


def test_a_handler_that_is_made_of_a_function_from_elsewhere_is_taken(imports):
    write(imports, "no_plugin_at_all.py", "def work(params: dict, ctx): return 1\n")
    text = "from no_plugin_at_all import work\nfrom prismq_worker_sdk import task_handler\n"
    write(imports, "made_of_it.py", text + "made = task_handler('Test.Made')(work)\n")

    assert types(load(["made_of_it"])) == ["Test.Made"]


@pytest.mark.parametrize("name", ["json", "random", "pytest", "__main__"])
def test_a_file_hides_no_module_of_its_name(imports, name):
    before = sys.modules[name]
    path = write(imports, f"odd/{name}.py", source("odd"))
    (plugin,) = load([path]).loaded

    assert plugin.module.__name__ == f"prismq_plugin_{name}"
    assert importlib.import_module(name) is before


@pytest.mark.parametrize(
    ("name", "module"), [("greet.v2", "prismq_plugin_greet_v2"), ("2fast", "2fast"), ("a file", "a file")]
)
def test_a_module_is_found_by_its_name_whatever_its_file_is_called(imports, name, module):
    (plugin,) = load([write(imports, f"odd/{name}.py", source("odd") + "class Value: pass\n")]).loaded

    assert plugin.module.__name__ == module
    assert pickle.loads(pickle.dumps(plugin.module.Value)) is plugin.module.Value


def test_the_folder_of_a_file_is_searched_after_everything_else(imports):
    write(imports, "here/not_there_before.py", "")
    path = write(imports, "here/last_in_line.py", source("last"))
    load([path])

    assert sys.path[-1] == str(imports / "here")


def test_without_names_every_installed_plugin_loads(only_ours):
    write_distribution(only_ours, "zebra", hooked("zebra"))
    write_distribution(only_ours, "ant", hooked("ant"))

    assert types(load(None)) == ["Test.ant", "Test.zebra"]
    assert types(load([])) == ["Test.ant", "Test.zebra"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BROKEN, "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('not today')\n", "RuntimeError: not today"),
        ("raise SystemExit(0)\n", "SystemExit: 0"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\n", "has no handler and no hook; decorate a function with @task_handler"),
        (hooked("h").replace("return [h]", "return [5]"), "5 is no handler"),
        (hooked("h").replace("return [h]", "raise OSError('disk')"), "OSError: disk"),
        (
            hooked("h") + "@hookimpl\ndef prismq_plugin_settings(): return {'a': 1}\n",
            "prismq_plugin_settings of broken 1.0 gives {'a': 1}; give the class of its settings",
        ),
        (
            hooked("h").replace("@hookimpl\n", ""),
            "prismq_task_handlers of",
        ),
        (hooked("h").replace("handlers():", "handlers(group):"), "a hook of installed_broken does not fit"),
        (hooked("h") + "@hookimpl\ndef prismq_unknown(): pass\n", "a hook of installed_broken does not fit"),
        (
            "from prismq_worker_sdk import task_handler\n@task_handler('x y')\ndef h(p, c): pass\n",
            "no task type",
        ),
    ],
)
def test_a_plugin_that_breaks_is_told_with_what_it_raised_and_the_others_load(only_ours, text, said):
    write_distribution(only_ours, "alpha", hooked("alpha"))
    write_distribution(only_ours, "broken", text)
    write_distribution(only_ours, "omega", hooked("omega"))
    plugins = load(None)
    (broken,) = plugins.broken

    assert types(plugins) == ["Test.alpha", "Test.omega"]
    assert (broken.name, broken.source) == ("broken", "broken 1.0")
    assert said in broken.traceback
    message = refusal("alpha", "broken")
    assert message.startswith("plugin 'broken'")
    assert said in message


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_while_plugins_load_is_not_swallowed(only_ours):
    write_distribution(only_ours, "slow", "import signal\nsignal.raise_signal(signal.SIGINT)\n")

    with pytest.raises(KeyboardInterrupt):
        load(None)


def test_a_plugin_that_does_not_exist_is_told_with_those_that_do(only_ours):
    write_distribution(only_ours, "beta", hooked("beta"))
    write_distribution(only_ours, "alpha", hooked("alpha"))

    assert refusal("gamma") == (
        "plugin 'gamma': there is no such plugin; installed are: alpha, beta; a module or a .py file may be given too"
    )


@pytest.mark.parametrize(
    "name", ["", ".", "..gamma", "gamma.", "no_such.thing", "json.no_such", "json.decoder.no_such"]
)
def test_a_name_that_is_no_module_is_told_as_one_that_does_not_exist(only_ours, name):
    assert refusal(name).startswith(f"plugin {name!r}: there is no such plugin; installed are: none")


@pytest.mark.parametrize("path", ["missing.py", "./missing", "some/folder"])
def test_a_file_that_does_not_exist_is_told(only_ours, path):
    assert refusal(path).startswith(f"plugin {path!r}: there is no file ")


def test_a_file_that_is_no_python_is_told(only_ours):
    path = write(only_ours, "notes.txt", "hello")

    assert refusal(path).endswith("notes.txt is no Python file")


@pytest.mark.parametrize("text", [BROKEN, "from json import no_such_name\n"])
def test_a_module_whose_package_breaks_is_told_with_what_broke(only_ours, text):
    write(only_ours, "broken_parent/__init__.py", text)
    write(only_ours, "broken_parent/tasks.py", source("t"))

    message = refusal("broken_parent.tasks")
    assert "does not load:\nTraceback" in message
    assert "no_such" in message


@pytest.mark.parametrize("text", ["1 / 0\n", "def broken(:\n", "import no_such_library\n"])
def test_what_breaks_a_plugin_is_told_without_the_frames_of_the_sdk_and_of_its_import(only_ours, text):
    path = write(only_ours, "plain.py", text)

    _, *lines = refusal(path).splitlines()
    frames = [line for line in lines if line.startswith("  File ")]
    assert len(frames) == 1
    assert "plain.py" in frames[0]


def test_a_file_that_breaks_leaves_no_half_of_itself(only_ours):
    path = write(only_ours, "half.py", "x = 1\n" + BROKEN)

    assert "No module named 'no_such_library'" in refusal(path)
    assert not [name for name in sys.modules if name.startswith("prismq_plugin_half")]
    write(only_ours, "half.py", source("mended"))
    assert types(load([path])) == ["Test.mended"]


def leftover(folder, name, **files):
    metadata = folder / name
    metadata.mkdir(parents=True)
    for file, data in files.items():
        (metadata / file.replace("_txt", ".txt")).write_bytes(data)


POINTS = b"[prismq_worker.plugins]\nhealthy = installed_healthy\n"
NAMED = b"Metadata-Version: 2.1\nName: healthy\nVersion: 0.9\n"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("other-1.0.dist-info", {"entry_points_txt": b"[console_scripts]\na line without equals\n"}),
        (
            "other-1.0.dist-info",
            {"entry_points_txt": "[console_scripts]\nscript = gr\u00f6\u00dfe:main\n".encode("latin-1")},
        ),
        ("other-1.0.dist-info", {"METADATA": "Name: other\nAuthor: J\u00fcrgen\n".encode("latin-1")}),
        ("~ealthy-1.0.dist-info", {"METADATA": NAMED, "entry_points_txt": POINTS}),
        ("healthy-0.9.dist-info", {}),
        ("0-0.dist-info", {}),
    ],
    ids=["no equals", "encoding", "metadata", "interrupted", "empty", "nothing"],
)
def test_what_other_packages_have_left_behind_harms_no_plugin(only_ours, name, files):
    leftover(only_ours, name, **files)
    write_distribution(only_ours, "healthy", source("healthy"))
    plugins = load(None)

    assert plugins.broken == ()
    assert [(plugin.name, plugin.source) for plugin in plugins.loaded] == [("healthy", "healthy 1.0")]
    assert types(load(["healthy"])) == ["Test.healthy"]


@pytest.mark.parametrize("files", [{}, {"METADATA": "Name: odd\nAuthor: J\u00fcrgen\n".encode("latin-1")}])
def test_a_plugin_whose_metadata_cannot_be_read_is_named_by_its_folder(only_ours, files):
    write(only_ours, "an_odd_one.py", source("odd"))
    points = "[x]\ngr\u00f6\u00dfe\n[prismq_worker.plugins]\nodd = an_odd_one\n".encode("latin-1")
    leftover(only_ours, "odd-1.2.dist-info", entry_points_txt=points, **files)
    (plugin,) = load(None).loaded

    assert (plugin.name, plugin.source, plugin.version) == ("odd", "odd 1.2", "1.2")


def test_an_entry_point_that_names_nothing_is_a_fault_of_its_package_alone(only_ours):
    write_distribution(only_ours, "healthy", source("healthy"))
    leftover(
        only_ours,
        "odd-1.2.dist-info",
        entry_points_txt=b"[prismq_worker.plugins]\na line\n",
        METADATA=b"Name: odd\nVersion: 1.2\n",
    )
    plugins = load(None)
    (broken,) = plugins.broken

    assert types(plugins) == ["Test.healthy"]
    assert "entry_points.txt of odd 1.2 has the line 'a line'; write a line = module" in broken.traceback


def test_a_name_that_two_packages_have_must_be_told_apart(only_ours):
    write_distribution(only_ours, "first", source("first"))
    write(only_ours, "of_another.py", source("another"))
    points = b"[prismq_worker.plugins]\nfirst = of_another\n"
    leftover(
        only_ours, "second-2.0.dist-info", entry_points_txt=points, METADATA=b"Name: second\nVersion: 2.0\n"
    )

    assert refusal("first") == (
        "plugin 'first': several packages have it: first 1.0 (installed_first) and second 2.0 (of_another); "
        "name the module that you mean"
    )
    assert types(load(["of_another"])) == ["Test.another"]
    assert len(load(None).loaded) == 2
