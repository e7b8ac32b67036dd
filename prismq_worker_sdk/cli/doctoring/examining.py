"""The checks in their order; each asks for what the one before it found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prismq_worker_sdk.cli.doctoring import keys, limits, probing, reaching, task_types, zones
from prismq_worker_sdk.cli.doctoring.asking import Server, get
from prismq_worker_sdk.cli.doctoring.finding import Finding, Level, ok, skip, warn
from prismq_worker_sdk.cli.doctoring.folder import look_at_folder, look_at_port
from prismq_worker_sdk.cli.doctoring.reaching import Found
from prismq_worker_sdk.decide.api_key import weakness
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.protocol import UnrecognisedServer
from prismq_worker_sdk.wire.dialects import HEALTH
from prismq_worker_sdk.wire.dialects.prismq_client.task_types import can_be_asked_for, find_type
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.connect import server_identity

__all__ = ["Examination"]

GIVE = "give --api-url, or set TASKMANAGER_API_URL"


@dataclass(slots=True)
class Examination:
    """What is looked at for one worker.

    Attributes:
        plugins: Names of its plugins, as `--plugin` takes them.
        probe: Whether a task may be created and worked on.
        address_given: Whether somebody said where the server is.
        found: The server, once it was met.
    """

    config: WorkerConfig
    handlers: Sequence[Handler]
    plugins: Sequence[str]
    probe: bool = False
    address_given: bool = True
    found: Found | None = None
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self.config.api_url, self.config.key)

    def findings(self) -> Iterator[Finding]:
        """Everything that is found, check by check."""
        yield from self._connection()
        if self.found is not None:
            yield from self._server(self.found)
        yield from self._here()

    def _connection(self) -> Iterator[Finding]:
        reply = self.server.ask(HEALTH)
        found = reaching.recognised(reply)
        if isinstance(found, Found):
            yield reaching.reached(self.config.api_url, self.server.last_seconds, found)
            met = reaching.dialect(self.config.dialect, found)
            yield met
            self.found = found if met.level is Level.OK else None
        else:
            foreign = (
                isinstance(found, UnrecognisedServer)
                and reaching.new_address(self.config.api_url, reply) is None
            )
            better = self._better() if foreign else None
            yield reaching.unreached(self.config.api_url, found, reply=reply, better=better)
            if not self.address_given:
                yield warn("server", "no address was given, so that it is the default", GIVE)
        if self.found is None:
            yield skip("key", "it, the task types and the limits cannot be looked at without the server")

    def _better(self) -> str | None:
        """An address near this one where a TaskManager answers; it is not told the key."""
        for address in reaching.other_addresses(self.config.api_url):
            reply = Server(address, lambda: None).ask(HEALTH)
            if isinstance(reaching.recognised(reply), Found):
                return address
        return None

    def _server(self, found: Found) -> Iterator[Finding]:
        key = self.config.key()
        has_key = key is not None
        if key and (weak := weakness(key)) is not None:
            yield warn("key", weak, "use a long random one")
        asked = keys.ask_for_key(self.server, found, has_key=has_key)
        judged = keys.judge_key(asked, has_key=has_key, api_url=self.config.api_url)
        yield judged
        if judged.level is Level.FAIL:
            yield skip("type", "the task types cannot be looked at without a key that is taken")
        else:
            yield from self._types(found)
            yield from self._zones_and_probe(found)
        yield self._limits(found)

    def _types(self, found: Found) -> Iterator[Finding]:
        publish = task_types.publishing(self.plugins)
        if not found.is_prismq_client and not found.manages:
            yield skip("type", "a base server registers no task types; the worker checks params itself")
            return
        look, missing = self._type_on_v1, task_types.missing_on_v1
        if found.is_prismq_client:
            look, missing = self._type_on_prismq_client, task_types.missing_on_prismq_client
        absent = []
        for handler in self.handlers:
            finding = look(handler, publish)
            if finding is None:
                absent.append(handler.task_type)
            else:
                yield finding
        if absent:
            yield missing(absent, publish=publish)
        if found.is_prismq_client:
            yield from task_types.same_name_there(self.handlers)

    def _type_on_v1(self, handler: Handler, publish: str) -> Finding | None:
        reply = self.server.ask(get("task_type", "task-types", handler.task_type))
        return task_types.on_v1(handler, reply, publish=publish)

    def _type_on_prismq_client(self, handler: Handler, publish: str) -> Finding | None:
        name = handler.task_type
        there = self.server.follow(find_type(name)) if can_be_asked_for(name) else None
        return task_types.on_prismq_client(handler, there, publish=publish)

    def _zones_and_probe(self, found: Found) -> Iterator[Finding]:
        if found.is_prismq_client:
            evidence = zones.evidence(self.server.seen)
            if not self.probe:
                yield zones.judge_zones(evidence)
                return
            timeout = self.config.server_claim_timeout
            yield from probing.probe_prismq_client(self.server, php=evidence.php, claim_timeout=timeout)
        elif self.probe and found.manages:
            yield from probing.probe_v1(self.server)
        elif self.probe:
            yield skip("probe", "this server takes no new tasks over its protocol, so none can be tried")

    def _limits(self, found: Found) -> Finding:
        return limits.rate_limit(
            limits.announced(self.server.seen),
            types=len(self.handlers) if found.is_prismq_client else 1,
            poll_interval=self.config.poll_interval,
            can=found.healthy.capabilities,
        )

    def _here(self) -> Iterator[Finding]:
        can = BASE if self.found is None else self.found.healthy.capabilities
        if self.found is not None:
            yield limits.claim_time(self.handlers, can, self.config.server_claim_timeout)
            yield from _worker_id(self.config.worker_id, can)
        if self.config.health_port is not None:
            yield look_at_port(self.config.health_host, self.config.health_port)
        server = None if self.found is None else server_identity(self.config, self.found.healthy)
        needed = self.config.concurrency * can.max_result_bytes
        yield from look_at_folder(self.config.state_dir, self.config.instance, server=server, needed=needed)


def _worker_id(given: str, can: Capabilities) -> Iterable[Finding]:
    if given and not can.fences:
        text = f"--worker-id {given} is all that tells claims apart here: workers that share it end each other's tasks"
        yield warn("worker id", text, "give each process its own, or none")
    elif given:
        yield ok("worker id", f"{given}; each claim is proved by something of its own")
