"""Is a TaskManager there, which one, and what can it do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from prismq_worker_sdk.cli.doctoring.asking import Reply, body_of
from prismq_worker_sdk.cli.doctoring.finding import Finding, bad, ok
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import Failure, ServerInfo, Throttled, Unauthorised, UnrecognisedServer
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.wire.dialects import recognise as told_by_health
from prismq_worker_sdk.wire.dialects.prismq_client import health as prismq_client
from prismq_worker_sdk.wire.messages import HttpReply

__all__ = [
    "Found",
    "can_do",
    "dialect",
    "new_address",
    "other_addresses",
    "reached",
    "recognised",
    "unreached",
]


@dataclass(frozen=True, slots=True)
class Found:
    """A TaskManager.

    Attributes:
        manages: Whether it announces the calls for producers and operators (v1).
    """

    healthy: ServerInfo
    manages: bool = False

    @property
    def is_prismq_client(self) -> bool:
        """Whether it is the one that PrismQ runs today."""
        return self.healthy.dialect == prismq_client.NAME


def recognised(reply: Reply) -> Found | Failure:
    """What answered to a request for the health; why it is no TaskManager, where it is none."""
    told = told_by_health(reply)
    return Found(told, _manages(body_of(reply))) if isinstance(told, ServerInfo) else told


def reached(api_url: str, seconds: float, found: Found) -> Finding:
    """A TaskManager answers."""
    who = f", {found.healthy.described}" if found.healthy.described else ""
    return ok("server", f"{api_url} answers in {duration.text(seconds)}{who}")


def unreached(api_url: str, failure: Failure, *, reply: Reply, better: str | None = None) -> Finding:
    """Why a worker would not find its server.

    Args:
        better: An address near this one where a TaskManager answers.
    """
    if better is not None:
        text = f"{api_url} is no TaskManager's address, but one answers at {better}"
        return bad("server", text, f"give --api-url {better} (TASKMANAGER_API_URL)")
    match failure:
        case UnrecognisedServer(reason=reason):
            moved = new_address(api_url, reply)
            if moved is not None:
                return bad(
                    "server",
                    f"{api_url} redirects, and redirects are not followed",
                    f"give --api-url {moved}",
                )
            return bad(
                "server", f"{api_url} is no TaskManager: {reason}", "check the host and the path of --api-url"
            )
        case Unauthorised(reason=reason):
            remedy = "it is about this machine's address or a proxy: let it in there"
            return bad("server", f"{api_url} refuses even to tell its health ({reason})", remedy)
        case Throttled(reason=reason, retry_after=wait):
            remedy = "wait" if wait is None else f"ask again in {duration.text(wait) or 'a moment'}"
            return bad("server", f"{api_url} takes no more requests now ({reason})", remedy)
        case _:
            reason = getattr(failure, "reason", "no answer")
            return bad("server", f"{api_url} does not work: {reason}", _remedy(reason))


def dialect(wanted: str, found: Found) -> Finding:
    """Which dialect was met, and what it can do."""
    met = found.healthy.dialect
    text = f"{met}: {can_do(found.healthy.capabilities)}"
    if wanted not in {"auto", met}:
        return bad(
            "dialect", f"the server speaks {met}, --dialect asks for {wanted}", "leave --dialect at auto"
        )
    return ok("dialect", text)


def can_do(can: Capabilities) -> str:
    """What a server can do, in a few words."""
    words = [
        f"leases of {duration.text(can.lease_seconds)}, renewed" if can.renews else "no leases",
        "gives tasks back" if can.releases else "nothing given back",
        f"waits {duration.text(can.max_wait_seconds)} for work"
        if can.max_wait_seconds
        else "no waiting for work",
        f"up to {can.max_tasks} tasks a claim" if can.max_tasks > 1 else "one task a claim",
        f"results up to {can.max_result_bytes:,} bytes",
        _children(can),
        "progress told" if can.renews or can.tells_progress else "no progress",
    ]
    return ", ".join(words)


def new_address(api_url: str, reply: Reply) -> str | None:
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
    wanted = [
        f"{api_url}/api",
        f"{root}{before}{marker}",
        f"{root}/api",
        f"{root}{path.rpartition('/')[0]}",
        root,
    ]
    return [one for one in dict.fromkeys(wanted) if one.rstrip("/") != api_url]


def _children(can: Capabilities) -> str:
    if not can.creates:
        return "no child tasks"
    return "children with their report" if can.releases else "children before their report"


def _manages(body: dict[str, Any]) -> bool:
    announced = body.get("capabilities")
    return isinstance(announced, dict) and announced.get("manage") is True


def _remedy(reason: str) -> str:
    if "pip install" in reason or "descriptor" in reason:
        return ""  # it says so itself
    if "resolved" in reason:
        return "check the host of --api-url (TASKMANAGER_API_URL), or this machine's DNS"
    if "refused" in reason:
        return "start the TaskManager, or check the port of --api-url (TASKMANAGER_API_URL)"
    if "in time" in reason:
        return "check the address, and firewalls on the way"
    if "SSL" in reason or "certificate" in reason.lower():
        return "check https or http in --api-url; for a CA of your own set REQUESTS_CA_BUNDLE"
    if reason.startswith("no connection"):
        return "check this machine's network and what it may reach, and --api-url (TASKMANAGER_API_URL)"
    if reason.startswith("HTTP 5"):
        return "look into the server's log: it runs, but it or its database does not work"
    return "check --api-url (TASKMANAGER_API_URL)"
