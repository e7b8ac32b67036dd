"""The TaskManager in the foreground, in one process or several."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prismq_worker_sdk.sd_notify import STOPPING, UP, service_manager
from prismq_worker_sdk.system import allow_descriptors, signals
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.listening import PREFIX, database_shown
from prismq_worker_sdk.taskmanager.processes import ServingProcesses
from prismq_worker_sdk.taskmanager.server import RunningServer

_LOG = logging.getLogger("prismq.taskmanager")


def serve(config: TaskManagerConfig, prepare: Callable[[], object] = lambda: None) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        prepare: What each of several processes does first; can be pickled.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """
    allow_descriptors()
    manager = service_manager()

    def tick() -> None:
        if manager.due():
            manager.tell(*UP, status="serves")

    with signals() as inbox:
        serving = (
            RunningServer(config, ended=inbox.wake, tick=tick)
            if config.workers == 1
            else ServingProcesses(config, prepare=prepare, ended=inbox.wake, tick=tick)
        )
        with serving as server:
            pages = server.url.removesuffix(PREFIX)
            _LOG.info(
                "TaskManager at %s, pages at %s, database %s", server.url, pages, database_shown(config)
            )
            while (name := inbox.next()) == "SIGUSR1":
                _LOG.info("SIGUSR1 has no meaning here")
            manager.tell(STOPPING, status="ends")
            _LOG.info("%s: the TaskManager ends", name or "it cannot go on")
