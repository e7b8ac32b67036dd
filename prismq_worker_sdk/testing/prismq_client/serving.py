"""The server in the foreground, as a process of its own."""

from __future__ import annotations

import logging

from prismq_worker_sdk.system import signals
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.server import PrismqClientServer

_LOG = logging.getLogger("prismq.taskmanager")


def serve_prismq_client(deployment: PrismqClientDeployment, *, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """
    with signals() as inbox, PrismqClientServer(deployment, host=host, port=port) as server:
        _LOG.info("TaskManager at %s, database %s", server.url, deployment.database)
        while (name := inbox.next()) == "SIGUSR1":
            _LOG.info("SIGUSR1 has no meaning here")
        _LOG.info("%s: the TaskManager ends", name)
