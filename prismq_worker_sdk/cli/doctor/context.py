"""What the checks of the doctor may know: the worker to be, and what its server answered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.protocol import ProbeReply, ServerInfo, Unauthorised
from prismq_worker_sdk.wire.checks import CheckContext, Recorder, body_of
from prismq_worker_sdk.wire.dialects import AUTO, HEALTH, recognise
from prismq_worker_sdk.wire.messages import HttpAnswer
from prismq_worker_sdk.worker.config import WorkerConfig


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """What is looked at for one worker.

    Attributes:
        plugins: Names of its plugins, as `--plugin` takes them.
        probe: Whether a task may be created and worked on.
        address_given: Whether somebody said where the server is.
    """

    config: WorkerConfig
    handlers: Sequence[Handler]
    plugins: Sequence[str]
    server: Recorder
    probe: bool = False
    address_given: bool = True

    @cached_property
    def health(self) -> HttpAnswer:
        """What the server's health answers; without the key where it refuses that, whose own check tells then."""
        reply = self.server.ask(HEALTH)
        if isinstance(recognise(reply), Unauthorised) and self.config.key() is not None:
            return self.server.ask(HEALTH, with_key=False)
        return reply

    @cached_property
    def found(self) -> ProbeReply:
        """What that tells."""
        return recognise(self.health)

    @property
    def met(self) -> ServerInfo | None:
        """The server, where it is one that the worker can work with."""
        found, wanted = self.found, self.config.dialect
        return found if isinstance(found, ServerInfo) and wanted in {AUTO, found.dialect} else None

    def check_context(self, found: ServerInfo) -> CheckContext:
        """What the checks of a dialect may know."""
        named = [word for name in self.plugins for word in ("--plugin", name)]
        return CheckContext(
            server=self.server,
            found=found,
            health=body_of(self.health),
            has_key=self.config.key() is not None,
            task_types={handler.task_type: handler.params.schema for handler in self.handlers},
            publish=shlex.join(["prismq-worker", "plugins", "--publish", *named]),
            probe=self.probe,
            claim_timeout=self.config.server_claim_timeout,
        )
