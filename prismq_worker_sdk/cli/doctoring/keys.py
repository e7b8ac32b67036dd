"""Does the server want a key, and does it take this one; its health proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from prismq_worker_sdk.cli.doctoring.asking import Reply, Server, body_of, get, post, status_of
from prismq_worker_sdk.cli.doctoring.finding import Finding, bad, ok, skip, warn
from prismq_worker_sdk.cli.doctoring.reaching import Found
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reading import detail_of
from prismq_worker_sdk.wire.reading import strip_surrogates as plain

__all__ = ["Asked", "ask_for_key", "judge_key"]

LISTED = "20"
"""Tasks that are listed: the times in them tell about time zones too."""

WHERE = "TASKMANAGER_API_KEY or TASKMANAGER_API_KEY_FILE"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server said to the same request twice.

    Attributes:
        with_key: With the key that is set, if one is.
        without: Without any; None where it was not asked.
        scoped: To a call that only keys of workers may make; None where there is none.
    """

    with_key: Reply
    without: Reply | None
    scoped: Reply | None = None


def ask_for_key(server: Server, found: Found, *, has_key: bool) -> Asked | None:
    """Asks what can be asked without changing anything; None where a server has no such call."""
    if not found.is_prismq_client and not found.manages:
        return None
    listing = get("list", "tasks", limit=LISTED)
    with_key = server.ask(listing)
    without = server.ask(listing, with_key=False) if has_key else with_key
    scoped = None
    if has_key and found.healthy.capabilities.renews and status_of(with_key) == 200:  # noqa: PLR2004
        # an exchange without a worker is refused for its content, once the key was found good for workers
        scoped = server.ask(post("exchange", "tasks", "exchange", body={}))
    return Asked(with_key, without, scoped)


def judge_key(asked: Asked | None, *, has_key: bool, api_url: str) -> Finding:
    """What the key is good for."""
    if asked is None:
        remedy = "the first claim will tell" if has_key else ""
        return skip("key", "a base server has no call that proves a key and changes nothing", remedy)
    reply = asked.with_key
    if isinstance(reply, Unreachable):
        return bad("key", f"the question about the key got no answer: {reply.reason}", "ask again")
    if reply.status in {401, 403}:
        return _refused(reply.status, _words(reply), has_key=has_key)
    if reply.status == 429:  # noqa: PLR2004
        return warn(
            "key", "the limit on requests is used up, so that it was not looked at", "ask again later"
        )
    if reply.status != 200:  # noqa: PLR2004
        return bad(
            "key",
            f"the list of tasks is answered with HTTP {reply.status}: {_words(reply)}",
            "see its log",
        )
    if asked.scoped is not None and status_of(asked.scoped) in {401, 403}:
        return bad(
            "key", "the server knows the key, but it is not one for workers", "use a key of scope worker"
        )
    if not has_key:
        return ok("key", "the server asks for none, and none is set")
    if status_of(asked.without or reply) == 200:  # noqa: PLR2004
        text = "a key is set, but the server works without one: whoever reaches it can use it"
        return warn("key", text, "set the key there too, or take yours away")
    readable = urlsplit(api_url).scheme == "http" and urlsplit(api_url).hostname not in LOOPBACK
    return ok("key", f"the server takes it{', and it travels readable over http' if readable else ''}")


def _words(reply: HttpReply) -> str:
    """What the server said; where it has a title and a text, the text."""
    text = body_of(reply).get("message")
    return plain(text) if isinstance(text, str) and text else detail_of(reply)


def _refused(status: int, said: str, *, has_key: bool) -> Finding:
    if has_key:
        return bad("key", f"the server refuses it (HTTP {status}: {said})", f"put the right one into {WHERE}")
    return bad("key", f"the server asks for a key, and none is set (HTTP {status}: {said})", f"set {WHERE}")
