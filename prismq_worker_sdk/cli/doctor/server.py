"""Checks of the server: is a TaskManager there, does it fit the dialect, the limits, the handlers, the worker id."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urljoin, urlsplit

from prismq_worker_sdk.decide.claims import longest_wait
from prismq_worker_sdk.decide.leases import time_limit
from prismq_worker_sdk.decide.redaction import weakness
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import (
    Failure,
    ProbeReply,
    ServerInfo,
    Throttled,
    Unauthorised,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.wire.checks import (
    CheckContext,
    CheckResult,
    Record,
    Recorder,
    body_of,
    fail,
    ok,
    skip,
    warn,
)
from prismq_worker_sdk.wire.dialects import AUTO, HEALTH, dialect_named, recognise
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply
from prismq_worker_sdk.wire.rate_limits import USUAL_WINDOW, count, window_left
from prismq_worker_sdk.worker.config import WorkerConfig

MEAN_WAIT = 0.75
"""Of a poll interval: an idle worker waits a half of it to all of it (decide.claims)."""

UNSEEN = skip("key", "it, the task types and the limits cannot be looked at without the server")
GIVE = "give --api-url, or set TASKMANAGER_API_URL"

REMEDIES = (
    ("pip install|descriptor", ""),  # it says so itself
    ("resolved", "check the host of --api-url (TASKMANAGER_API_URL), or this machine's DNS"),
    ("refused", "start the TaskManager, or check the port of --api-url (TASKMANAGER_API_URL)"),
    ("in time", "check the address, and firewalls on the way"),
    ("speaks http,", "write http:// in --api-url (TASKMANAGER_API_URL)"),
    ("certificate|--client-|--ca-file|requests_ca_bundle", ""),
    ("ssl", "check https or http in --api-url (TASKMANAGER_API_URL)"),
    (
        "no connection",
        "check this machine's network and what it may reach, and --api-url (TASKMANAGER_API_URL)",
    ),
    ("http 5", "look into the server's log: it runs, but it or its database does not work"),
    ("", "check --api-url (TASKMANAGER_API_URL)"),
)
"""What stands in the reason for no answer → what to do; the first that fits."""


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


def check_server(doctor: Doctor) -> Iterator[CheckResult]:
    """Whether a TaskManager of the wanted dialect is there, and what can be seen of it."""
    url, config = doctor.config.api_url, doctor.config
    found = doctor.found
    if not isinstance(found, ServerInfo):
        yield unreached(url, found, reply=doctor.health, better=_better(doctor, found))
        if not doctor.address_given:
            yield warn("server", "no address was given, so that it is the default", GIVE)
        yield UNSEEN
        return
    who = f", {found.described}" if found.described else ""
    yield ok("server", f"{url} answers in {duration.text(doctor.server.records[0].seconds)}{who}")
    if doctor.met is None:
        text = f"the server speaks {found.dialect}, --dialect asks for {config.dialect}"
        yield fail("dialect", text, "leave --dialect at auto")
        yield UNSEEN
        return
    yield ok("dialect", f"{found.dialect}: {can_do(found.capabilities)}")
    if (key := config.key()) and (weak := weakness(key)) is not None:
        yield warn("key", weak, "use a long random one")
    yield from dialect_named(found.dialect).check(doctor.check_context(found))


def unreached(api_url: str, failure: Failure, *, reply: HttpAnswer, better: str | None = None) -> CheckResult:
    """Why a worker would not find its server.

    Args:
        better: An address near this one where a TaskManager answers.
    """
    if better is not None:
        text = f"is no TaskManager's address, but one answers at {better}"
        remedy = f"give --api-url {better} (TASKMANAGER_API_URL)"
    elif isinstance(failure, UnrecognisedServer) and (moved := new_address(api_url, reply)) is not None:
        text, remedy = "redirects, and redirects are not followed", f"give --api-url {moved}"
    elif isinstance(failure, UnrecognisedServer):
        text, remedy = f"is no TaskManager: {failure.reason}", "check the host and the path of --api-url"
    elif isinstance(failure, Unauthorised):
        text = f"refuses even to tell its health ({failure.reason})"
        remedy = "it is about this machine's address or a proxy: let it in there"
    elif isinstance(failure, Throttled):
        text, wait = f"takes no more requests now ({failure.reason})", failure.retry_after
        remedy = "wait" if wait is None else f"ask again in {duration.text(wait) or 'a moment'}"
    else:
        text = f"does not work: {failure.reason}"
        remedy = next(what for words, what in REMEDIES if re.search(words, failure.reason.lower()))
    return fail("server", f"{api_url} {text}", remedy)


def new_address(api_url: str, reply: HttpAnswer) -> str | None:
    """Where a redirect leads, as an api_url without anything secret in it; None for no redirect."""
    if not isinstance(reply, HttpReply) or not 300 <= reply.status < 400:  # noqa: PLR2004
        return None
    try:
        place = urlsplit(urljoin(f"{api_url}/health", reply.headers.get("location", "")))
        plain = place._replace(netloc=place.netloc.rpartition("@")[2], query="", fragment="").geturl()
        return normalise(plain.rstrip("/").removesuffix("/health"))
    except (ValueError, SettingsError):
        return None


def other_addresses(api_url: str) -> list[str]:
    """Addresses near this one that may have been meant."""
    parts = urlsplit(api_url)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    before, marker, _behind = path.partition("/api")
    near = [f"{api_url}/api", f"{root}{before}{marker}", f"{root}/api", f"{root}{path.rpartition('/')[0]}"]
    return [one for one in dict.fromkeys([*near, root]) if one.rstrip("/") != api_url]


def _better(doctor: Doctor, failure: Failure) -> str | None:
    """An address near this one where a TaskManager answers; it is not told the key."""
    url = doctor.config.api_url
    if not isinstance(failure, UnrecognisedServer) or new_address(url, doctor.health) is not None:
        return None
    for address in other_addresses(url):
        if isinstance(
            recognise(Recorder(address, lambda: None, doctor.server.options).ask(HEALTH)), ServerInfo
        ):
            return address
    return None


def can_do(can: Capabilities) -> str:
    """What a server can do, in a few words."""
    children = "children with their report" if can.releases else "children before their report"
    children += ", and what follows them" if can.follows else ""
    words = [
        f"leases of {duration.text(can.lease_seconds)}, renewed" if can.renews else "no leases",
        "gives tasks back" if can.releases else "nothing given back",
        f"waits {duration.text(can.max_wait_seconds)} for work"
        if can.max_wait_seconds
        else "no waiting for work",
        f"up to {can.max_tasks} tasks a claim" if can.max_tasks > 1 else "one task a claim",
        f"results up to {can.max_result_bytes:,} bytes",
        children if can.creates else "no child tasks",
        "progress told" if can.renews or can.tells_progress else "no progress",
    ]
    return ", ".join(words)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests a server takes on one path from one address.

    Attributes:
        window: In so many seconds.
        hit: Whether it refused one of ours already.
    """

    requests: int
    window: float = USUAL_WINDOW
    hit: bool = False


def check_limits(doctor: Doctor) -> Iterator[CheckResult]:
    """The server's limits against what the worker and its handlers ask."""
    found = doctor.met
    if found is None:
        return
    types = len(doctor.handlers) if dialect_named(found.dialect).claims_one_type else 1
    limit, poll_interval = announced(doctor.server.records), doctor.config.poll_interval
    yield rate_limit(limit, types=types, poll_interval=poll_interval, can=found.capabilities)
    yield _claim_time(doctor, found.capabilities)
    worker_id = doctor.config.worker_id
    if worker_id and found.capabilities.fences:
        yield ok("worker id", f"{worker_id}; each claim is proved by something of its own")
    elif worker_id:
        alone = f"--worker-id {worker_id} is all that tells claims apart here"
        text = f"{alone}: workers that share it end each other's tasks"
        yield warn("worker id", text, "give each process its own, or none")


def announced(records: Iterable[Record]) -> RateLimit | None:
    """The limit that the answers tell; None for none."""
    replies = [one.answer for one in records if isinstance(one.answer, HttpReply)]
    limited = [
        (most, window_left(reply) or 0.0, reply.status == 429)  # noqa: PLR2004
        for reply in replies
        if (most := count(reply, "x-ratelimit-limit")) is not None
    ]
    if not limited:
        return None
    requests, windows, hits = zip(*limited, strict=True)
    return RateLimit(requests[-1], max(windows) or USUAL_WINDOW, any(hits))


def rate_limit(
    limit: RateLimit | None, *, types: int, poll_interval: float, can: Capabilities
) -> CheckResult:
    """Whether a worker keeps to the limit while it waits, and what the limit leaves for work.

    Args:
        types: Claims that one look for work takes: one for each type where a claim names one.
        poll_interval: The longest idle wait, seconds.
    """
    if limit is None:
        return ok("rate limit", "the server announces none")
    wait = longest_wait(can, poll_interval, 0.5) or MEAN_WAIT * poll_interval
    idle = max(1, types) * limit.window / wait
    window = duration.text(limit.window)
    text = (
        f"{limit.requests} requests in {window} on one path, shared by all workers of an address; "
        f"idle this one sends {idle:.3g} claims in that time"
    )
    fit = int(limit.requests / idle) if idle else limit.requests
    hit = "; it was just reached" if limit.hit else ""
    if fit < 2:  # noqa: PLR2004 - a second worker must fit
        remedy = "raise RATE_LIMIT_MAX_REQUESTS there, raise --poll-interval, or give each worker fewer types"
        small = "not even it fits" if fit < 1 else "a second one does not fit"
        return warn("rate limit", f"{text}: {small}{hit}", remedy)
    tasks = f"one task at most for each claim: {limit.requests} in {window}"
    return (warn if limit.hit else ok)("rate limit", f"{text}, so {fit} fit; {tasks}{hit}")


def _claim_time(doctor: Doctor, can: Capabilities) -> CheckResult:
    """Which handlers are cut short by a claim that cannot be renewed."""
    if can.renews:
        return ok("claim time", "claims are renewed while a handler runs: its own time limit counts")
    seconds, cut = doctor.config.server_claim_timeout, []
    for handler in doctor.handlers:
        gets = time_limit(handler.time_limit, seconds, renews=False)
        if gets < handler.time_limit:
            wants = duration.text(handler.time_limit)
            cut.append(f"{handler.task_type} gets {duration.text(gets)} of {wants}")
    timeout = duration.text(seconds)
    if not cut:
        return ok("claim time", f"every handler fits the claim timeout, taken to be {timeout}")
    text = f"claims end after {timeout} (--server-claim-timeout), whatever handlers ask for: {', '.join(cut)}"
    remedy = "set the server's timeout and --server-claim-timeout alike and higher, or time_limit lower"
    return warn("claim time", text, remedy)
