"""The hooks of a plugin, all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click
    from pydantic_settings import BaseSettings

    from prismq_worker_sdk.model.events import Event


PROJECT = "prismq_worker"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class DemoTask:
    """A sample task for `prismq-worker demo`."""

    type: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What a plugin brings to `prismq-worker demo`.

    Attributes:
        tasks: Samples to submit.
        note: In plain words, what is real and what stands in for it.
        environment: Variables that point the plugin's settings to its stand-ins.
        rows: Turns a result into rows of a table, each a mapping of column to text.
        close: Stops the stand-ins.
    """

    tasks: Sequence[DemoTask]
    note: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    rows: Callable[[Any], Sequence[Mapping[str, str]]] | None = None
    close: Callable[[], None] = lambda: None


@hookspec
def prismq_task_handlers() -> Sequence[Any]:  # type: ignore[empty-body]
    """Give the plugin's handlers: what @task_handler made, TaskHandler classes or instances."""


@hookspec
def prismq_plugin_settings() -> type[BaseSettings]:  # type: ignore[empty-body]
    """Give the class of the plugin's settings; an instance of it becomes ctx.settings."""


@hookspec
def prismq_worker_event(event: Event) -> None:
    """Hear of everything that happens in the worker, on the thread where it happens: be quick."""


@hookspec
def prismq_commands(group: click.Group) -> None:
    """Add commands to the command line."""


@hookspec
def prismq_demo() -> Demo:  # type: ignore[empty-body]
    """Start stand-ins and give sample tasks for `prismq-worker demo`."""
