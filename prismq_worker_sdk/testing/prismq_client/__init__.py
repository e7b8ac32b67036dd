"""The TaskManager in production, quirk by quirk, as a server for tests; needs no extra."""

from __future__ import annotations

from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.server import PrismqClientServer, serve_prismq_client

__all__ = ["PrismqClientDeployment", "PrismqClientServer", "serve_prismq_client"]
