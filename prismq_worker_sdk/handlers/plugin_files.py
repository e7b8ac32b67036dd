"""Plugins that are `.py` files: each is one module, whoever imports it, and hides no other module."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from prismq_worker_sdk.errors import PluginError

PREFIX = "prismq_plugin_"
MAIN = frozenset({"__main__", "__mp_main__"})


def import_file(path: Path) -> ModuleType:
    """The module of a file, imported by its own name where that is free: others may import it so, or do already.

    Its folder is searched from now on, after everything that is installed. A file whose name belongs to another
    module, or is none, gets a name that nobody else imports. Links are not followed: where the path leads may change.

    Raises:
        PluginError: There is no such file.
        Exception: Whatever importing it raises.
    """
    if not path.is_file():
        raise PluginError(f"there is no file {path}")
    path = path.absolute()
    for name, module in tuple(sys.modules.items()):
        if name not in MAIN and _is_file_of(module, path):
            return module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    if path.suffix == ".py" and _found_by_name(path):
        return importlib.import_module(path.stem)
    return load_file(_other_name(path), path)


def load_file(name: str, path: Path) -> ModuleType:
    """The module of this name, read from a file unless it was already.

    Raises:
        PluginError: It is no Python file.
        Exception: Whatever importing it raises.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_file_of(module: object, path: Path) -> bool:
    own = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    if not isinstance(own, str) or Path(own).name != path.name:
        return False
    with suppress(OSError):
        return path.samefile(own)
    return False


def _found_by_name(path: Path) -> bool:
    """Whether `import` of its stem gives this file, and nothing else of that name."""
    if path.stem in sys.stdlib_module_names or "." in path.stem:
        return False
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(path.stem)
        return spec is not None and spec.origin == str(path)
    return False


def _other_name(path: Path) -> str:
    """A name that no other module has."""
    name = PREFIX + re.sub(r"\W", "_", path.stem)
    numbered = (name if number == 1 else f"{name}_{number}" for number in itertools.count(1))
    return next(one for one in numbered if one not in sys.modules)
