"""Why a running task is asked to end; the reason decides what its end means (R15)."""

from __future__ import annotations

from prismq_worker_sdk.compat import StrEnum


class CancelReason(StrEnum):
    """Why a running task is asked to end."""

    LOST = "lost"
    """The server said that the claim is somebody else's: nothing is reported."""
    EXPIRED = "expired"
    """The claim ran out by the local clock: what the handler returns is offered all the same."""
    TIME_LIMIT = "time_limit"
    """The handler used up its time: the task fails."""
    ASKED = "asked"
    """Somebody cancelled the task: it fails and is not tried again."""
    STOPPING = "stopping"
    """The worker stops: the task goes back."""
