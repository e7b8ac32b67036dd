"""Where a fresh process finds a handler again: names, not objects."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import ModuleType

from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.discovery import handlers_of
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_files import load_file
from prismq_worker_sdk.handlers.task_handler import TaskHandler, as_handler

MAIN = "__main__"
IMPORTED_MAIN = "__mp_main__"
"""What the main module is called where it is not the main one, as in multiprocessing."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a fresh process finds a handler again.

    Attributes:
        module: Its plugin, or the module where it stands.
        file: What to load under that name where it cannot be imported by it.
        name: Its name in the module; None: what the plugin gives for this type.
        is_main: Whether it stands in the main module.
    """

    task_type: str
    module: str
    file: str | None = None
    name: str | None = None
    is_main: bool = False


def reference_of(handler: Handler) -> Reference:
    """Where a fresh process finds this handler again.

    Raises:
        PluginError: It could not; says why, and what to do.
    """
    if handler.plugin:
        module = sys.modules[handler.plugin]
        return Reference(handler.task_type, module.__name__, _file(module, handler))
    home, _, qualified = handler.origin.partition(":")
    module = sys.modules.get(home) or ModuleType(home)
    for name in (qualified, *vars(module)):
        if any(_is(value, handler) for value in _value(module, name)):
            return _named(module, name, handler)
    raise PluginError(
        f"{handler.origin} cannot run with isolation='process': a fresh process does not find it; give it a name "
        "of its own at the top of a module, or use isolation='thread'"
    )


def _named(module: ModuleType, name: str, handler: Handler) -> Reference:
    is_main = module.__name__ == MAIN
    if is_main and module.__spec__ is not None:  # it was started with python -m
        return Reference(handler.task_type, module.__spec__.name, None, name, is_main)
    return Reference(handler.task_type, module.__name__, _file(module, handler), name, is_main)


def packed_settings(handler: Handler) -> bytes:
    """The settings of a handler, or where they come from, pickled; they may hold secrets.

    Raises:
        PluginError: They are of a kind that cannot be taken to another process.
    """
    try:
        return pickle.dumps(handler.settings_from or handler.settings, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - pickling raises anything; the values stay unsaid
        raise PluginError(
            f"{handler.origin} cannot run with isolation='process': its settings ({type(handler.settings).__name__}) "
            f"cannot be pickled ({type(error).__name__}); declare their class at the top of a module"
        ) from None


def find(reference: Reference) -> Handler:
    """The handler, in this process.

    Raises:
        PluginError: There is none.
        Exception: Whatever importing its module raises.
    """
    module = _load(reference)
    if reference.name is None:
        found = [one for one in handlers_of(module) if one.task_type == reference.task_type]
    else:
        found = [as_handler(value) for value in _value(module, reference.name)]
    if not found or found[0].task_type != reference.task_type:
        raise PluginError(f"{reference.module} gives no handler for {reference.task_type} in a fresh process")
    return found[0]


def _value(module: ModuleType, name: str) -> Iterator[object]:
    try:
        yield reduce(getattr, name.split("."), module)
    except AttributeError:
        return


def _is(value: object, handler: Handler) -> bool:
    if isinstance(value, Handler):
        return value.run == handler.run
    if isinstance(value, TaskHandler):
        return getattr(handler.run, "__self__", None) is value
    return value is handler.made_from and value is not None


def _file(module: ModuleType, handler: Handler) -> str | None:
    """The file of a module that cannot be imported by its name, None where it can.

    Raises:
        PluginError: There is no file either, as with handlers that were typed in.
    """
    own = getattr(module, "__file__", None)
    if module.__name__ != MAIN and own is not None and _origin(module.__name__) == own:
        return None
    if own is None or not Path(own).is_file():
        raise PluginError(
            f"{handler.origin} cannot run with isolation='process': its module has no file that a fresh process "
            "could read; put it into one"
        )
    return str(Path(own).absolute())


def _origin(name: str) -> str | None:
    """The file that an import of this name would read, were it not imported already."""
    package = name.rpartition(".")[0]
    path = getattr(sys.modules.get(package), "__path__", None) if package else None
    for finder in sys.meta_path if path is not None or not package else ():
        try:
            spec = finder.find_spec(name, path)
        except (ImportError, AttributeError):
            continue
        if spec is not None:
            return spec.origin
    return None


def _load(reference: Reference) -> ModuleType:
    if reference.file is None:
        module = importlib.import_module(reference.module)
    else:
        name = IMPORTED_MAIN if reference.module == MAIN else reference.module
        module = load_file(name, Path(reference.file))
    if reference.is_main:
        sys.modules[MAIN] = module  # what stands there is pickled under this name
    return module
