"""What the end of a process in the middle of a task means for the task."""

from __future__ import annotations

from prismq_worker_sdk.errors import HandlerCrashed

OUT_OF_MEMORY = "out_of_memory"


def crashed(code: int, signal_name: str | None, *, out_of_memory: bool) -> HandlerCrashed:
    """The error of a handler whose process ended by itself.

    Args:
        code: The exit code, where no signal ended it.
        signal_name: The signal that ended it.
        out_of_memory: Whether the system killed a process of this group for lack of memory meanwhile.
    """
    if signal_name is None:
        early = "" if code else ", before the handler returned"
        return HandlerCrashed(f"crashed: exit code {code}{early}")
    if signal_name != "SIGKILL":
        return HandlerCrashed(f"crashed: {signal_name}")
    if out_of_memory:
        return HandlerCrashed("out of memory", kind=OUT_OF_MEMORY)
    return HandlerCrashed("crashed: SIGKILL (killed from outside, or out of memory)")
