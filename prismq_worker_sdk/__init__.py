"""Workers for PrismQ TaskManager: claim a task over HTTP, run a handler, report the outcome.

Everything public is here; nothing heavy is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.version import __version__ as __version__

if TYPE_CHECKING:
    from prismq_worker_sdk.errors import (
        Defer,
        NotSupported,
        Permanent,
        PrismqError,
        TaskCancelled,
        Transient,
        Unavailable,
    )
    from prismq_worker_sdk.handlers.context import TaskContext
    from prismq_worker_sdk.handlers.handler import Handler, Quota
    from prismq_worker_sdk.handlers.hookspecs import Demo, DemoTask, hookimpl
    from prismq_worker_sdk.handlers.model_schema import TaskParams
    from prismq_worker_sdk.handlers.task_handler import TaskHandler, task_handler
    from prismq_worker_sdk.model.cancel import CancelReason
    from prismq_worker_sdk.model.retry import RetryPolicy
    from prismq_worker_sdk.model.task import Task, TaskStatus
    from prismq_worker_sdk.plugin_settings import PluginSettings
    from prismq_worker_sdk.settings import WorkerSettings
    from prismq_worker_sdk.wire.connection_options import ConnectionOptions
    from prismq_worker_sdk.wire.producer import TaskHandle, TaskManagerClient
    from prismq_worker_sdk.wire.producer_backend import Submission
    from prismq_worker_sdk.worker.worker import Worker

_PLACES = {
    "errors": (
        "Defer",
        "NotSupported",
        "Permanent",
        "PrismqError",
        "TaskCancelled",
        "Transient",
        "Unavailable",
    ),
    "handlers.context": ("TaskContext",),
    "handlers.handler": ("Handler", "Quota"),
    "handlers.hookspecs": ("Demo", "DemoTask", "hookimpl"),
    "handlers.model_schema": ("TaskParams",),
    "handlers.task_handler": ("TaskHandler", "task_handler"),
    "model.cancel": ("CancelReason",),
    "model.retry": ("RetryPolicy",),
    "model.task": ("Task", "TaskStatus"),
    "plugin_settings": ("PluginSettings",),
    "settings": ("WorkerSettings",),
    "wire.connection_options": ("ConnectionOptions",),
    "wire.producer": ("TaskHandle", "TaskManagerClient"),
    "wire.producer_backend": ("Submission",),
    "worker.worker": ("Worker",),
}
_PLACE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [  # noqa: RUF022 - by what one needs first
    "task_handler",
    "TaskContext",
    "TaskParams",
    "TaskHandler",
    "Handler",
    "Transient",
    "Permanent",
    "Defer",
    "Unavailable",
    "TaskCancelled",
    "CancelReason",
    "RetryPolicy",
    "Quota",
    "hookimpl",
    "Demo",
    "DemoTask",
    "PluginSettings",
    "Worker",
    "WorkerSettings",
    "TaskManagerClient",
    "ConnectionOptions",
    "TaskHandle",
    "Submission",
    "Task",
    "TaskStatus",
    "PrismqError",
    "NotSupported",
]


def __getattr__(name: str) -> Any:
    module = _PLACE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
