"""Finding and loading plugins, one by one: a broken one is reported and stops no other."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from prismq_worker_sdk.decide.exceptions import own_frames
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.files import place
from prismq_worker_sdk.handlers import hookspecs
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.installed import InstalledPlugin, installed
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.plugin_files import import_file
from prismq_worker_sdk.handlers.task_handler import TaskHandler, as_handler
from prismq_worker_sdk.handlers.values import is_model

_LOG = logging.getLogger("prismq.plugins")
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("prismq_"))


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was imported.

    Attributes:
        source: Where it came from: the distribution, the module, or the file.
        settings_classes: What `prismq_plugin_settings` gave: one class, or none.
        version: Of its distribution, "" where it has none.
    """

    name: str
    source: str
    module: ModuleType
    handlers: tuple[Handler, ...]
    settings_classes: tuple[type[Any], ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that could not be loaded, and the traceback that says why."""

    name: str
    source: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was found."""

    loaded: tuple[LoadedPlugin, ...]
    broken: tuple[BrokenPlugin, ...] = ()

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers of every plugin."""
        return tuple(handler for plugin in self.loaded for handler in plugin.handlers)

    def call(self, hook: str, **arguments: Any) -> list[tuple[LoadedPlugin, Any]]:
        """What each plugin that has this hook gives, plugin by plugin.

        Raises:
            PluginError: One or more raised; the others were called all the same.
        """
        given: list[tuple[LoadedPlugin, Any]] = []
        failures: list[str] = []
        for plugin in self.loaded:
            try:
                with plugin_code(f"{hook}()"):
                    found = _call(plugin.module, hook, arguments)
            except PluginRaised as error:  # one plugin must not stop the others; it is raised below
                failures.append(f"{plugin.name}: {error}")
                continue
            given.extend((plugin, value) for value in found)
        if failures:
            raise PluginError("; ".join(failures))
        return given

    def listeners(self) -> list[Callable[[Any], None]]:
        """Each plugin's `prismq_worker_event`, to be called plugin by plugin."""
        found: list[Callable[[Any], None]] = []
        for plugin in self.loaded:
            hook = _registered(plugin.module).hook.prismq_worker_event
            if hook.get_hookimpls():
                found.append(partial(_tell, hook))
        return found


def load(names: Sequence[str] | None) -> Plugins:
    """Loads the named plugins, or every installed one.

    Args:
        names: Entry-point names, modules or `.py` files; None or empty for every installed plugin. A plugin
            that is named in two ways is loaded once.

    Raises:
        PluginError: A named one does not exist or does not load.
    """
    if names:
        named: dict[int, LoadedPlugin] = {}
        for name in names:
            plugin = _named(name)
            named.setdefault(id(plugin.module), plugin)
        _warn(named.values())
        return Plugins(tuple(named.values()))
    loaded: list[LoadedPlugin] = []
    broken: list[BrokenPlugin] = []
    for point in installed():
        try:
            with plugin_code(point.name):
                loaded.append(_installed(point))
        except PluginRaised as error:
            broken.append(BrokenPlugin(point.name, point.source, _traceback(error)))
    _warn(loaded)
    return Plugins(tuple(loaded), tuple(broken))


def _warn(plugins: Iterable[LoadedPlugin]) -> None:
    for handler in (handler for plugin in plugins for handler in plugin.handlers):
        for text in handler.params.warnings:
            _LOG.warning("%s: %s", handler.task_type, text)


def _named(name: str) -> LoadedPlugin:
    try:
        with plugin_code(name):
            if points := [point for point in installed() if point.name == name]:
                return _installed(_only(points))
            module, source = _import(name)
            return _plugin(name, source, module)
    except PluginRaised as error:
        if isinstance(error.__cause__, PluginError):
            raise PluginError(f"plugin {name!r}: {error.__cause__}") from error.__cause__
        raise PluginError(f"plugin {name!r} does not load:\n{_traceback(error)}") from None


def _traceback(raised: PluginRaised) -> str:
    """The traceback of what a plugin raised, without the frames of the SDK."""
    told = traceback.TracebackException.from_exception(raised.__cause__ or raised)
    one: traceback.TracebackException | None = told
    while one is not None:
        one.stack[:] = own_frames(one.stack)
        one = one.__cause__ or one.__context__
    return "".join(told.format())


def _only(points: Sequence[InstalledPlugin]) -> InstalledPlugin:
    if len({point.value for point in points}) > 1:
        where = " and ".join(f"{point.source} ({point.value})" for point in points)
        raise PluginError(f"several packages have it: {where}; name the module that you mean")
    return points[0]


def _installed(point: InstalledPlugin) -> LoadedPlugin:
    plugin = _plugin(point.name, point.source, point.load())
    handlers = tuple(replace(one, plugin_version=point.version) for one in plugin.handlers)
    return replace(plugin, version=point.version, handlers=handlers)


def _import(name: str) -> tuple[ModuleType, str]:
    if name.endswith(".py") or "/" in name or "\\" in name:
        path = place(name, "--plugin") if name.startswith("~") else Path(name)
        return import_file(path), name
    if _exists(name):
        return importlib.import_module(name), name
    known = ", ".join(point.name for point in installed()) or "none"
    raise PluginError(
        f"there is no such plugin; installed are: {known}; a module or a .py file may be given too"
    )


def _exists(name: str) -> bool:
    """Whether there is such a module; the working directory counts, after everything that is installed."""
    if not all(name.split(".")):
        return False
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return False
        raise
    except ValueError:
        return False


def _plugin(name: str, source: str, module: ModuleType) -> LoadedPlugin:
    for hook in HOOKS:
        if callable(own := getattr(module, hook, None)) and not hasattr(own, f"{hookspecs.PROJECT}_impl"):
            raise PluginError(f"{hook} of {source} is not marked; write @hookimpl above it")
    given = _call(module, "prismq_task_handlers", {})
    things: Iterable[Any] = (
        [thing for things in given for thing in things] if given else _module_level(module)
    )
    handlers = tuple(replace(as_handler(thing), plugin=module.__name__) for thing in things)
    if not handlers and not any(hasattr(module, hook) for hook in HOOKS):
        raise PluginError(f"{source} has no handler and no hook; decorate a function with @task_handler")
    settings = tuple(_call(module, "prismq_plugin_settings", {}))
    for cls in settings:
        if not is_model(cls):
            raise PluginError(
                f"prismq_plugin_settings of {source} gives {cls!r}; give the class of its settings"
            )
    return LoadedPlugin(name, source, module, handlers, settings)


def _module_level(module: ModuleType) -> Iterable[Any]:
    """The handlers that stand in a module without a hook."""
    for value in list(vars(module).values()):
        if isinstance(value, Handler):
            home = value.origin.partition(":")[0]
        elif isinstance(value, type) and issubclass(value, TaskHandler):
            home = value.__module__
        else:
            continue
        if home == module.__name__ or _is_taken_along(value, home, module):
            yield value


def _is_taken_along(value: Handler | type, home: str, module: ModuleType) -> bool:
    """Whether a handler that was written elsewhere is this plugin's: not where it is another plugin's, or a base."""
    if not any(one is value for one in vars(sys.modules.get(home, module)).values()):
        return True  # it was made here, of something from there
    return _in_package(home, module) and (isinstance(value, Handler) or hasattr(value, "task_type"))


def _in_package(home: str, module: ModuleType) -> bool:
    """Whether a module is of the same package as the plugin's."""
    package = module.__name__ if hasattr(module, "__path__") else module.__package__
    return bool(package) and f"{home}.".startswith(f"{package}.")


def _call(module: ModuleType, hook: str, arguments: dict[str, Any]) -> list[Any]:
    """Calls one hook of one plugin, with pluggy's checks of its arguments."""
    found: list[Any] = getattr(_registered(module).hook, hook)(**arguments)
    return found


def _registered(module: ModuleType) -> pluggy.PluginManager:
    """A manager that knows this plugin only, so that one that raises stops no other."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"a hook of {module.__name__} does not fit: {error}") from error
    return manager


def handlers_of(module: ModuleType) -> tuple[Handler, ...]:
    """The handlers of a plugin that is imported.

    Raises:
        PluginError: It is no plugin.
    """
    return _plugin(module.__name__, module.__name__, module).handlers


def _tell(hook: pluggy.HookCaller, event: Any) -> None:
    hook(event=event)
