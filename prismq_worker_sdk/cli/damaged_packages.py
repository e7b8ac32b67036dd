"""Installed packages whose entry points nobody can read: told in a sentence each, and no command stops at them."""

from __future__ import annotations

import os
from importlib.metadata import distributions, entry_points

from prismq_worker_sdk.cli.failures import say

__all__ = ["pass_over_damaged_packages"]

NO_PYDANTIC_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def pass_over_damaged_packages(arguments: list[str]) -> None:
    """To be called before pydantic is used, which reads the entry points of every package and stops at such a one.

    Args:
        arguments: Of the whole command line, for the form of the sentences.
    """
    if os.environ.get(NO_PYDANTIC_PLUGINS):
        return
    try:
        entry_points(group="pydantic")
    except Exception:  # noqa: BLE001 - whatever is wrong with them, it is told below
        os.environ[NO_PYDANTIC_PLUGINS] = "__all__"  # children too
        for distribution in distributions():
            try:
                len(distribution.entry_points)
            except Exception as error:  # noqa: BLE001 - as above
                folder = getattr(distribution, "_path", "of an installed package")
                reason = f"{type(error).__name__}: {error}"
                say(
                    f"{folder} has an entry_points.txt that cannot be read ({reason}); reinstall that package",
                    arguments,
                )
