"""The plugins that installed packages declare; what is wrong with a package is that package's alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import PurePath
from typing import Any

from prismq_worker_sdk.errors import PluginError

GROUP = "prismq_worker.plugins"
"""The entry-point group of plugins."""

FILE = "entry_points.txt"


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """An entry point of a package.

    Attributes:
        value: The module that it names.
        package: The package's name, its version after it.
    """

    name: str
    value: str
    package: str
    version: str

    @property
    def source(self) -> str:
        """The package and its version."""
        return f"{self.package} {self.version}".rstrip()

    def load(self) -> Any:
        """What it names.

        Raises:
            PluginError: It names nothing.
            Exception: Whatever importing it raises.
        """
        if not EntryPoint.pattern.match(self.value):
            line = f"{self.name} = {self.value}".removesuffix(" = ")
            raise PluginError(f"{FILE} of {self.source} has the line {line!r}; write {self.name} = module")
        return EntryPoint(self.name, self.value, GROUP).load()


def installed() -> tuple[InstalledPlugin, ...]:
    """The installed plugins, by name; nothing of them is imported."""
    found: dict[str, tuple[Distribution, str, str, str]] = {}
    for distribution in distributions():
        name, version = _of_the_folder(distribution)
        text = _declared(distribution)
        if name.startswith("~") or (text is None and not _has_metadata(distribution)):
            continue  # what an interrupted uninstallation has left
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (distribution, name, version, text or ""))
    points = (point for one in found.values() for point in _points(*one))
    return tuple(sorted(points, key=lambda point: (point.name, point.package)))


def _points(distribution: Distribution, name: str, version: str, text: str) -> Iterator[InstalledPlugin]:
    """The plugins among the entry points; lines of other groups are nobody's business here."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == GROUP and line and not line.startswith(("#", ";")):
            with suppress(Exception):  # its metadata may be damaged in any way; its folder has a name too
                name, version = distribution.metadata["Name"] or name, distribution.version or version
            point, _, value = line.partition("=")
            yield InstalledPlugin(point.strip(), value.strip(), name, version)


def _declared(distribution: Distribution) -> str | None:
    """The text of its entry points, None where it has none; other groups in it may be of any encoding."""
    try:
        return distribution.read_text(FILE)
    except UnicodeDecodeError:
        folder: Any = getattr(distribution, "_path", None)
        return "" if folder is None else (folder / FILE).read_bytes().decode("latin-1")
    except OSError:
        return None


def _has_metadata(distribution: Distribution) -> bool:
    try:
        return bool(distribution.read_text("METADATA") or distribution.read_text("PKG-INFO"))
    except (OSError, UnicodeDecodeError):
        return True


def _of_the_folder(distribution: Distribution) -> tuple[str, str]:
    """Name and version as the name of its folder tells them."""
    folder = PurePath(str(getattr(distribution, "_path", ""))).name
    name, _, version = folder.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")
    return name, version.partition("-")[0]
