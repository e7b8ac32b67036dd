"""What the server at hand can do, found out once at start."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the server at hand can do; the loops ask this and never the dialect's name.

    Attributes:
        max_tasks: Tasks in one claim answer.
        max_reports: Reports in one call.
        max_wait_seconds: How long the server holds an empty claim open.
        lease_seconds: How long a claim lasts unless it is renewed; 0 where the server does not tell.
        renews: Whether leases can be renewed.
        releases: Whether a task can be given back.
        creates: Whether children are created with their parent's report, or right before it.
        follows: Whether a task can be created once all children have ended.
        fences: Whether each claim is proven by something of its own, so that no other claim's report ends it.
        finds_claims: Whether a claim whose answer was lost can be asked for again (R6).
        orders_claims: Whether a claim can say which task of a type comes first.
        tells_progress: Whether progress can be told where leases cannot be renewed.
        retries_at_once: Whether a failed task is handed out again at once, and counts its claims without a bound.
        limits: Whether limits are counted by the server for the whole fleet, so that handlers can pause them.
        takes_status: Whether it wants to hear what a worker says of itself.
        keeps_trace: Whether tasks are kept with the span that created them.
        max_submits: Tasks that one call creates.
        max_submit_bytes: Largest request of that call.
        max_request_bytes: Largest request.
        max_result_bytes: Largest result, as JSON text in UTF-8.
        max_params_bytes: Largest params of a child, as JSON text in UTF-8.
        max_log_lines: Lines of the log of a claim; 0 where the server takes none.
        max_log_bytes: Bytes of their texts.
    """

    max_tasks: int = 1
    max_reports: int = 1
    max_wait_seconds: float = 0.0
    lease_seconds: float = 0.0
    renews: bool = False
    releases: bool = False
    creates: bool = False
    follows: bool = False
    fences: bool = False
    finds_claims: bool = False
    orders_claims: bool = False
    tells_progress: bool = False
    retries_at_once: bool = False
    limits: bool = False
    takes_status: bool = False
    keeps_trace: bool = False
    max_submits: int = 1
    max_submit_bytes: int = 16 * MIB
    max_request_bytes: int = 16 * MIB
    max_result_bytes: int = 8 * MIB
    max_params_bytes: int = MIB
    max_error_bytes: int = 64 * 1024
    max_log_lines: int = 0
    max_log_bytes: int = 0


BASE = Capabilities()
"""A server of the base protocol: one task a claim, one report a call, nothing else (protocol.md, base)."""
