"""What `prismq-worker doctor` looks at on a server of the documented protocol."""

from __future__ import annotations

from collections.abc import Iterator

from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire.checks import (
    NO_TYPES,
    CheckContext,
    CheckResult,
    Level,
    Probe,
    body_of,
    check_key,
    compare_type,
    fail,
    not_registered,
    probed,
    skip,
    warn,
)
from prismq_worker_sdk.wire.dialects.v1 import base
from prismq_worker_sdk.wire.dialects.v1.producer import V1Producer
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest
from prismq_worker_sdk.wire.reading import detail_of

NO_WORKER = HttpRequest("exchange", "POST", ("tasks", "exchange"), "{}")
"""An exchange without a worker: refused for its content, once the key was found good for workers."""


def check(context: CheckContext) -> Iterator[CheckResult]:
    """Key, task types and probe; a base server has no calls for them."""
    announced = context.health.get("capabilities")
    if not isinstance(announced, dict) or announced.get("manage") is not True:
        remedy = "the first claim will tell" if context.has_key else ""
        yield skip("key", "a base server has no call that proves a key and changes nothing", remedy)
        yield skip("type", "a base server registers no task types; the worker checks params itself")
        if context.probe:
            yield skip("probe", "this server takes no new tasks over its protocol, so none can be tried")
        return
    key = check_key(context, NO_WORKER if context.found.capabilities.renews else None)
    yield key
    if key.level is Level.FAIL:
        yield NO_TYPES
        return
    yield from _types(context)
    if context.probe:
        yield from probed(lambda: _probe(context))


def _types(context: CheckContext) -> Iterator[CheckResult]:
    missing = []
    for name, schema in context.task_types.items():
        reply = context.server.ask(HttpRequest("task_type", "GET", ("task-types", name)))
        found = check_type(name, schema, reply, publish=context.publish)
        if found is None:
            missing.append(name)
        else:
            yield found
    if missing:
        text = (
            f"{not_registered(missing)}: tasks are created with any params, and wrong ones fail in the worker"
        )
        yield warn("type", text, context.publish)


def check_type(name: str, schema: object, reply: HttpAnswer, *, publish: str) -> CheckResult | None:
    """What the answer about a type tells; None for one that is not registered."""
    if isinstance(reply, Unreachable):
        return warn("type", f"{name}: no answer about it ({reply.reason})", "ask again")
    if reply.status == 404:  # noqa: PLR2004
        return None
    if reply.status != 200:  # noqa: PLR2004
        return warn("type", f"{name}: no answer about it ({detail_of(reply)})", "ask again")
    return compare_type(name, schema, body_of(reply), publish)


def _probe(context: CheckContext) -> Iterator[CheckResult]:
    """With the calls of the base, which every such server has."""
    server = context.server
    probe = Probe(server, base.NAME, V1Producer(server.api_url), base.exchange)
    first, again = probe.take()
    probe.complete(again or first)
    if again is not None:
        text = "a task that one worker had just claimed was given to a second one"
        yield fail("probe", text, "see its claim timeout")
        return
    yield probe.went_well(first)
