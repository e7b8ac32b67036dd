"""Every error of the SDK, grouped by what the caller should do.

PrismqError
├── UsageError              mend the call, the settings or the plugin; exit code 2
│   ├── SettingsError           a setting has a wrong value
│   │   └── SecretFileError         the file of a secret cannot be read, or is empty; it may come later
│   ├── StateFolderError        the state folder cannot be used
│   ├── PluginError             a plugin does not exist, does not load, or contradicts another
│   ├── SchemaError             a parameter schema is no schema
│   └── NotSupported            this server cannot do what was asked
├── ServerError             look at the server or the address; exit code 1
│   ├── ServerUnreachable       no usable answer came; it may come later
│   ├── NotATaskManager         something answers there, but it is no TaskManager
│   ├── Unauthorised            the key is missing or wrong
│   └── RequestRefused          the server understood and said no
├── InvalidParams           the task's parameters do not fit its type; names every field
├── UnfitResult             the handler's result cannot be sent; says why
├── OutboxError             an outcome could not be stored (disk full, file damaged)
├── HandlerCrashed          the process of a handler ended in the middle of its task
└── HandlerSignal           raised by handlers to say how the task ends
    ├── Transient               failed, worth another try
    ├── Permanent               failed for good
    ├── Defer                   give this task back, for later
    └── Unavailable             give this task back and take no more of its type for now

TaskCancelled (a BaseException)   the claim is over: let it pass, clean up in `finally`
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "Defer",
    "Fault",
    "HandlerCrashed",
    "HandlerSignal",
    "InvalidParams",
    "NotATaskManager",
    "NotSupported",
    "OutboxError",
    "Permanent",
    "PluginError",
    "PrismqError",
    "RequestRefused",
    "SchemaError",
    "SecretFileError",
    "ServerError",
    "ServerUnreachable",
    "SettingsError",
    "StateFolderError",
    "TaskCancelled",
    "Transient",
    "Unauthorised",
    "Unavailable",
    "UnfitResult",
    "UsageError",
    "missing_extra",
]


LONGEST_DELAY = 366 * 86400.0
"""docs/rules.md, limits: the longest `delay_seconds`."""


class PrismqError(Exception):
    """The root: whatever the SDK raises on purpose, except TaskCancelled."""


class UsageError(PrismqError):
    """The call, the settings or the plugin must be mended."""


class SettingsError(UsageError):
    """A setting has a value that cannot be used."""


def missing_extra(error: ImportError, what: str, extra: str, *modules: str) -> SettingsError:
    """What to do about a library of an extra that cannot be imported: install it, or mend the one that is there.

    Args:
        what: What needs it, as the sentence begins.
        modules: What the extra brings.
    """
    if isinstance(error, ModuleNotFoundError) and error.name in modules:
        return SettingsError(f"{what} needs an extra: pip install 'prismq-worker-sdk[{extra}]'")
    return SettingsError(
        f"{what} needs {' and '.join(modules)}, which is installed but cannot be imported "
        f"({type(error).__name__}: {error}); install it anew: "
        f"pip install --force-reinstall 'prismq-worker-sdk[{extra}]'"
    )


class SecretFileError(SettingsError):
    """The file of a secret cannot be read, or is empty; it may come later."""


class StateFolderError(UsageError):
    """The state folder cannot be used: unwritable, full, on a network file system, or taken."""


class PluginError(UsageError):
    """A plugin does not exist, does not load, or contradicts another one."""


class SchemaError(UsageError):
    """A parameter schema is not a schema."""


class NotSupported(UsageError):
    """The server at hand cannot do what was asked."""


class ServerError(PrismqError):
    """The server, or the address, needs a look."""


class ServerUnreachable(ServerError):
    """No usable answer came; it may come later.

    Args:
        message: One sentence: what happened instead, and what to do.
        retry_after: Seconds until it takes requests again, where it is there and only limits them; else None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotATaskManager(ServerError):
    """Something answers at this address, but it is not a TaskManager."""


class Unauthorised(ServerError):
    """The API key is missing, wrong, or lacks the right."""


class RequestRefused(ServerError):
    """The server understood the request and refused it.

    Args:
        message: One sentence: what was refused and why.
        status: The HTTP status.
        faults: The fields at fault, where the server named them.
    """

    def __init__(self, message: str, *, status: int, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that does not fit.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the field, "" for the whole.
        message: What is wrong with it, without the value of a secret.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(params)'}: {self.message}"


class InvalidParams(PrismqError):
    """The parameters of a task do not fit the schema of its type.

    Args:
        faults: Every field at fault; at least one.
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("invalid params: " + "; ".join(str(fault) for fault in faults))
        self.faults = faults


class UnfitResult(PrismqError):
    """A handler's result cannot be sent: not JSON, too deep, or too large."""


class OutboxError(PrismqError):
    """The outbox could not store or read: disk full, file damaged, or closed."""


class HandlerCrashed(PrismqError):
    """The process of a handler ended in the middle of its task.

    Args:
        message: How it ended.
        kind: The error type that is reported, `crashed` or `out_of_memory`.
    """

    def __init__(self, message: str, *, kind: str = "crashed") -> None:
        super().__init__(message)
        self.kind = kind


class HandlerSignal(PrismqError):
    """What a handler raises to say how its task ends."""


class Transient(HandlerSignal):
    """The task failed, and another try may well succeed.

    Args:
        message: What happened, for people.
        retry_in: A hint to the server: seconds until the next try (at least 0).
    """

    def __init__(self, message: str, *, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = _seconds("retry_in", retry_in)


class Permanent(HandlerSignal):
    """The task failed, and no further try will help."""


class Defer(HandlerSignal):
    """Give this one task back, to be run later; it is not a failure.

    Args:
        message: Why, for people.
        until: The instant from which it may run; must carry a time zone.
        retry_in: The same as a duration in seconds. At most one of the two.
        or_pause: Pause its type for so long, as Unavailable does, where the server cannot keep the task back and
            would hand it out again and again.
    """

    def __init__(
        self,
        message: str = "deferred",
        *,
        until: datetime | None = None,
        retry_in: float | None = None,
        or_pause: bool = False,
    ) -> None:
        super().__init__(message)
        self.or_pause = or_pause
        if until is not None and retry_in is not None:
            raise ValueError("Defer takes until or retry_in, not both")
        if until is not None and until.tzinfo is None:
            raise ValueError(f"Defer(until={until!r}) needs a time zone, for example datetime.now(UTC)")
        self.until = until
        self.retry_in = _seconds("retry_in", retry_in)


class Unavailable(HandlerSignal):
    """Give this task back and claim no more of its type for a while (quota used up, service down).

    Args:
        message: Why, for people; shown as the reason of the pause.
        retry_in: Seconds until the type may be claimed again (at least 0; 5 minutes unless given).
    """

    def __init__(self, message: str, *, retry_in: float = 300.0) -> None:
        super().__init__(message)
        seconds = _seconds("retry_in", retry_in)
        self.retry_in: float = 300.0 if seconds is None else seconds


class TaskCancelled(BaseException):
    """The claim on this task is over; raised by the methods of `ctx`.

    A BaseException, so that `except Exception` in a handler does not hide it.

    Args:
        reason: Why, one of the reasons in `ctx.cancelled`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"task cancelled: {reason}")
        self.reason = reason


def _seconds(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    seconds = float(value)
    if not 0 <= seconds <= LONGEST_DELAY:
        raise ValueError(f"{name}={value!r} must be a number of seconds, 0 to {LONGEST_DELAY:.0f} (a year)")
    return seconds
