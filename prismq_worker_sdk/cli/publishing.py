"""Publishing the task types of plugins, so that the server checks tasks when they are created."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prismq_worker_sdk.cli.answers import Tell
from prismq_worker_sdk.errors import NotSupported, RequestRefused
from prismq_worker_sdk.handlers.discovery import LoadedPlugin
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.wire.producer import TaskManagerClient

__all__ = ["publish"]

NO_VERSION = "0"
"""The version of a type whose plugin has none: a module, or a file."""


def publish(
    plugins: Iterable[LoadedPlugin], client: TaskManagerClient, tell: Tell, *, allow_breaking: bool
) -> bool:
    """Registers each type and tells in a line of what came of it; whether none was refused."""
    known = _known(client)
    refused = False
    for plugin in plugins:
        for handler in plugin.handlers:
            version, there = plugin.version or NO_VERSION, known.get(handler.task_type, {})
            try:
                if _is_there(there, handler, version):
                    came = "unchanged"
                else:
                    found = client.publish(
                        handler.task_type,
                        version=version,
                        param_schema=handler.params.schema,
                        result_schema=handler.result_schema,
                        allow_breaking=allow_breaking,
                    )
                    came = "unchanged" if found.get("unchanged") else "published"
            except RequestRefused as error:
                told = str(error).replace("send allow_breaking", "give --allow-breaking")
                came, refused = f"refused: {told}", True
            tell(one_line(f"{handler.task_type}  {came}"))
    return not refused


def _is_there(there: dict[str, Any], handler: Handler, version: str) -> bool:
    wanted = {
        "version": version,
        "param_schema": handler.params.schema,
        "result_schema": handler.result_schema,
    }
    return all(there.get(name) == value for name, value in wanted.items())


def _known(client: TaskManagerClient) -> dict[str, dict[str, Any]]:
    """The types that are registered, as far as the server lists them."""
    try:
        return {str(one.get("name")): one for one in client.task_types()}
    except NotSupported:
        return {}
