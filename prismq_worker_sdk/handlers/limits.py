"""What a task of a type uses of the limits of the fleet, as its author says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prismq_worker_sdk.errors import PluginError

MOST = 16
FIELDS = ("key", "path", "prefix", "units")


def parse_limits(value: Sequence[str | Mapping[str, Any]], origin: str) -> tuple[dict[str, Any], ...]:
    """Each as it is published; a text is the key of a limit of which a task uses one unit.

    Raises:
        PluginError: It is no list of keys and objects with `key` or `path`, and maybe `prefix` and `units`.
    """
    if isinstance(value, str | Mapping) or len(value) > MOST:
        raise PluginError(f"{origin}: limits={value!r} is no list of at most {MOST}; {_EXAMPLE}")
    return tuple(_parsed(one, origin) for one in value)


def may_use(limits: Sequence[Mapping[str, Any]] | None, name: str) -> bool:
    """Whether tasks that use these may use the limit of this name; those of which nothing is said may."""
    return limits is None or any("path" in one or one["key"] == name for one in limits)


def _parsed(one: object, origin: str) -> dict[str, Any]:
    use = {"key": one} if isinstance(one, str) else dict(one) if isinstance(one, Mapping) else {}
    names = [use[name] for name in ("key", "path", "prefix") if name in use]
    units = use.get("units", 1)
    fits = (
        use.keys() <= set(FIELDS)
        and ("key" in use) != ("path" in use)
        and all(isinstance(name, str) and 0 < len(name) <= 255 for name in names)  # noqa: PLR2004
        and ("prefix" not in use or "path" in use)
        and use.get("path", "/").startswith("/")
        and use.get("key", "x").isprintable()
        and isinstance(units, int)
        and not isinstance(units, bool)
        and units >= 1
    )
    if not fits:
        raise PluginError(f"{origin}: limits: {one!r} says no use of a limit; {_EXAMPLE}")
    return {name: use[name] for name in FIELDS if name in use and (name != "units" or units != 1)}


_EXAMPLE = (
    'write for example limits=["youtube", {"path": "/account", "prefix": "account:", "units": 2}]: the key of a '
    "limit, or a JSON pointer to the value of the params that names one"
)
