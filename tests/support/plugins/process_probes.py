"""Handlers for slots of both kinds: what they do is said by the params, what they saw is their result."""

import asyncio
import ctypes
import functools
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr, field_validator

from prismq_worker_sdk import (
    Defer,
    Permanent,
    PluginSettings,
    RetryPolicy,
    TaskContext,
    TaskHandler,
    TaskParams,
    Transient,
    Unavailable,
    hookimpl,
    task_handler,
)
from prismq_worker_sdk.compat import ExceptionGroup
from prismq_worker_sdk.processes import is_child


def leave_at_signals():
    """What some libraries do when they are imported."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))


if is_child():
    leave_at_signals()


class Settings(PluginSettings):
    probe_token: SecretStr = SecretStr("canary-of-the-settings")


class Folder(TaskParams):
    folder: Path

    def say(self, name, text=""):
        whole = self.folder / f".{name}"
        whole.write_text(str(text))
        whole.rename(self.folder / name)

    def wait_for(self, name):
        while not (self.folder / name).exists():
            time.sleep(0.005)


@task_handler("Probe.Nothing")
def nothing(params: dict, ctx: TaskContext) -> dict:
    return {"pid": os.getpid()}


@task_handler("Probe.Context")
def context(params: dict, ctx: TaskContext) -> dict:
    return {
        "id": ctx.task.id,
        "type": ctx.task.type,
        "params": [params, dict(ctx.task.params)],
        "attempt": ctx.attempt,
        "token": ctx.settings.probe_token.get_secret_value(),
        "key": ctx.idempotency_key,
        "checkpoint": ctx.last_checkpoint,
        "time_left": round(ctx.time_left / 100),
        "stopping": ctx.stopping,
        "cancelled": ctx.cancelled,
        "max_result_bytes": ctx.max_result_bytes,
    }


@task_handler("Probe.Progress")
def progress(params: dict, ctx: TaskContext) -> None:
    for percent, message in params["said"]:
        ctx.progress(percent, message)


@task_handler("Probe.Checkpoint")
def checkpoint(params: dict, ctx: TaskContext) -> dict:
    """Fails in its first attempt, once it has a checkpoint."""
    before = ctx.last_checkpoint
    ctx.checkpoint({"page": 1} if before is None else {"page": 2})
    if before is None:
        raise Transient(f"stored {ctx.last_checkpoint}")
    return {"before": before, "after": ctx.last_checkpoint}


@task_handler("Probe.BadCheckpoint")
def bad_checkpoint(params: dict, ctx: TaskContext) -> None:
    ctx.checkpoint("x" * 70_000)


@task_handler("Probe.PauseLimit")
def pauses_limit(params: dict, ctx: TaskContext) -> str:
    until = params["until"]
    ctx.pause_limit(
        params["key"],
        datetime.fromisoformat(until) if isinstance(until, str) else until,
        reason=params["reason"],
    )
    return "paused"


@task_handler("Probe.Submit")
def submit(params: dict, ctx: TaskContext) -> str:
    ctx.submit("Test.Child", params, priority=3)
    return "submitted"


@task_handler("Probe.Then")
def then(params: dict, ctx: TaskContext) -> str:
    ctx.submit("Test.Child", {})
    ctx.then("Test.Last", params)
    return "asked for"


@task_handler("Probe.Tries", retry=RetryPolicy(max_attempts=3, initial=0.001, ceiling=0.001))
def tries(params: dict, ctx: TaskContext) -> str:
    number = (ctx.last_checkpoint or 0) + 1
    ctx.checkpoint(number)
    ctx.submit("Test.Child", {"n": number})
    if number < 3:
        raise Transient("not yet")
    return "done"


@task_handler("Probe.Logs")
def logs(params: dict, ctx: TaskContext) -> None:
    ctx.log.info("page read", shorts=25, api_key="canary-of-a-field", odd={1, 2}, path=Path("/x"))
    logging.getLogger("somebody.else").warning("calling with %s", "canary-of-the-settings")
    try:
        raise ValueError("canary-of-the-settings")
    except ValueError:
        ctx.log.exception("it went wrong")


@task_handler("Probe.Prints")
def prints(params: dict, ctx: TaskContext) -> None:
    print("printed")
    sys.stderr.write("written\n")
    subprocess.run(["echo", "of another program"], check=True)


class Unspeakable(Exception):  # noqa: N818 - nothing is said of it
    def __str__(self):
        raise Unspeakable


def caused(words="second"):
    error = RuntimeError(words)
    error.__cause__ = ValueError("first")
    return error


def literal() -> Exception:
    raise KeyError("x") if "canary-of-the-settings" else None


RAISED = {
    "literal": literal,
    "caused": caused,
    "long": lambda: caused(f"canary-of-the-settings {'x' * 100_000}"),
    "services": lambda: RuntimeError("broken"),
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "permanent": lambda: Permanent("never"),
    "transient": lambda: Transient("later", retry_in=7),
    "defer": lambda: Defer("not now", retry_in=60),
    "unavailable": lambda: Unavailable("quota used up", retry_in=600),
    "unspeakable": Unspeakable,
    "group": lambda: ExceptionGroup("one", [Transient("busy")]),
    "many": lambda: ExceptionGroup("two", [Transient("busy"), KeyError("x")]),
}


@task_handler("Probe.Raises")
def raises(params: dict, ctx: TaskContext) -> None:
    error = RAISED[params["what"]]()
    raise error


@task_handler("Probe.GroupOfOne")
async def group_of_one(params: dict, ctx: TaskContext) -> object:
    """As a TaskGroup does it, which Python 3.10 does not have."""
    try:
        await asyncio.sleep(0)
        if params["what"] in RAISED:
            error = RAISED[params["what"]]()
            raise error
    except Exception as error:
        raise ExceptionGroup("unhandled errors in a TaskGroup", [error]) from None
    return params["what"]


@task_handler("Probe.AsyncRaises")
async def async_raises(params: dict, ctx: TaskContext) -> None:
    async def part():
        await asyncio.sleep(0)
        error = RAISED[params["what"]]()
        raise error

    await asyncio.ensure_future(part())


RETURNED = {
    "model": lambda: Folder(folder=Path("x")),
    "text": lambda: "ü\u2028",
    "nan": lambda: {"x": float("nan")},
    "set": lambda: {"x": {1}},
    "large": lambda: "x" * 9_000_000,
    "nothing": lambda: None,
}


@task_handler("Probe.Returns")
def returns(params: dict, ctx: TaskContext) -> object:
    return RETURNED[params["what"]]()


@task_handler("Probe.Checked")
def checked(params: Folder, ctx: TaskContext) -> str:
    """Runs until it is told to end."""
    params.say("begun", os.getpid())
    while True:
        ctx.sleep(0.005)


@task_handler("Probe.Sleeps")
def sleeps(params: Folder, ctx: TaskContext) -> None:
    params.say("begun", os.getpid())
    ctx.sleep(3600)


@task_handler("Probe.Awaits")
async def awaits(params: Folder, ctx: TaskContext) -> None:
    params.say("begun", os.getpid())
    await asyncio.sleep(3600)


@task_handler("Probe.GivesUp")
async def gives_up(params: Folder, ctx: TaskContext) -> str:
    """Leaves a thread, tasks and a generator behind that do not end as they should."""

    async def obstinate():
        while not (params.folder / "go").exists():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.005)

    async def endless():
        try:
            while True:
                yield 1
        finally:
            await obstinate()

    async def leaves():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            sys.exit(3)

    left = [endless(), asyncio.ensure_future(obstinate()), asyncio.ensure_future(leaves())]
    await anext(left[0])
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(params.wait_for, "go"), 0.01)
    return f"gave up on {len(left) + 1}"


@task_handler("Probe.InThread")
async def in_thread(params: Folder, ctx: TaskContext) -> None:
    params.say("begun", os.getpid())
    await asyncio.to_thread(params.wait_for, "go")


def traced(function):
    @functools.wraps(function)
    def around(*args):
        return function(*args)

    return around


@task_handler("Probe.Decorated")
@traced
async def decorated(params: dict, ctx: TaskContext) -> str:
    await asyncio.sleep(0)
    return "awaited"


class Later:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return "awaited"


@task_handler("Probe.Awaitable")
def awaitable(params: dict, ctx: TaskContext) -> object:
    return Later()


class Method(TaskHandler):
    task_type = "Probe.Method"

    @traced
    async def process(self, params: dict, ctx: TaskContext) -> str:
        await asyncio.sleep(0)
        return "awaited"


@task_handler("Probe.Stores")
def stores(params: Folder, ctx: TaskContext) -> None:
    params.say("begun", os.getpid())
    params.wait_for("go")
    ctx.checkpoint({"page": 1})
    params.say("went on")


@task_handler("Probe.Obstinate", time_limit="1m")
def obstinate(params: Folder, ctx: TaskContext) -> str:
    """Runs until the test lets it go, whatever it is told."""
    params.say("begun", os.getpid())
    params.wait_for("go")
    return f"{ctx.cancelled} {ctx.stopping} {ctx.time_left:.0f}"


@task_handler("Probe.Looks")
def looks(params: Folder, ctx: TaskContext) -> str:
    params.say("begun", os.getpid())
    while ctx.cancelled is None:
        time.sleep(0.005)
    return f"{ctx.cancelled}"


@task_handler("Probe.Stops")
def stops(params: Folder, ctx: TaskContext) -> str:
    params.say("begun", os.getpid())
    while not ctx.stopping:
        time.sleep(0.005)
    return "saw it"


@task_handler("Probe.Talks")
def talks(params: Folder, ctx: TaskContext) -> str:
    params.say("begun", os.getpid())
    while not ctx.stopping:
        ctx.progress(1)
        ctx.log.warning("still here")
    return "heard"


@task_handler("Probe.Holds", time_limit="1m")
def holds(params: Folder, ctx: TaskContext) -> str:
    """Holds the interpreter until the test writes into the pipe."""
    pipe = os.open(params.folder / "pipe", os.O_RDWR)
    params.say("begun", os.getpid())
    params.say("holding")
    hold(pipe)
    return "let go"


def hold(pipe):
    ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)


@task_handler("Probe.Computes")
def computes(params: Folder, ctx: TaskContext) -> None:
    """Holds the interpreter for seconds: one call, in which no other thread gets a turn."""
    params.say("computing")
    sum(range(200_000_000))


def sockets():
    """Every socket of this process, as somebody finds them who closes or writes what is not his."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the folder itself is among them
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)


CRASHES = {
    "segv": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "well": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "close": lambda: os.closerange(0, 100),
    "replaced": lambda: os.execv("/bin/sleep", ["sleep", "3600"]),
    "nonsense": lambda: [os.write(number, b"x" * 100) for number in sockets()],
    "memory": lambda: bytearray(1 << 60),
    "thread": lambda: threading.Thread(target=ctypes.string_at, args=(0,)).start() or time.sleep(3600),
}


@task_handler("Probe.Crashes")
def crashes(params: dict, ctx: TaskContext) -> None:
    CRASHES[params["how"]]()


@task_handler("Probe.ClosesItsOutput")
def closes_its_output(params: dict, ctx: TaskContext) -> dict:
    os.closerange(0, 3)
    return {"pid": os.getpid()}


@task_handler("Probe.LeaksDescriptors")
def leaks_descriptors(params: dict, ctx: TaskContext) -> dict:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard))
    with suppress(OSError):
        while True:
            os.dup(0)
    return {"pid": os.getpid()}


@task_handler("Probe.PrintsHalfALine")
def prints_half_a_line(params: dict, ctx: TaskContext) -> dict:
    os.write(2, params["text"].encode())
    return {"pid": os.getpid()}


@task_handler("Probe.CrashesBehindAFork")
def crashes_behind_a_fork(params: Folder, ctx: TaskContext) -> None:
    """A process of its own goes on and keeps every descriptor open."""
    if os.fork() == 0:
        params.say("begun", os.getpid())
        params.wait_for("go")
        os._exit(0)
    os._exit(3)


@task_handler("Probe.Forks")
def forks(params: dict, ctx: TaskContext) -> dict:
    child = os.fork()
    if child == 0:
        return {}
    os.waitpid(child, 0)
    return {"child": "ended"}


@task_handler("Probe.Signals")
def sets_signals(params: dict, ctx: TaskContext) -> dict:
    leave_at_signals()
    return {"pid": os.getpid()}


@task_handler("Probe.Stoppable")
def stoppable(params: dict, ctx: TaskContext) -> int:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1
    ) as program:
        program.stdout.readline()
        program.terminate()
        return program.wait(20)


@task_handler("Probe.Lingers")
def lingers(params: dict, ctx: TaskContext) -> None:
    """Leaves a thread behind that an interpreter would wait for."""
    threading.Thread(target=threading.Event().wait).start()


@task_handler("Probe.Grows")
def grows(params: dict, ctx: TaskContext) -> dict:
    kept.append(b"x" * params["bytes"])
    return {"pid": os.getpid()}


kept = []


class Owner(TaskHandler):
    task_type = "Probe.Owner"

    def __init__(self):
        self.set_up_in = 0

    def setup(self):
        self.set_up_in = os.getpid()

    def process(self, params: Folder, ctx: TaskContext):
        self.folder = params
        return [self.set_up_in, os.getpid(), self.settings.probe_token.get_secret_value()]

    def teardown(self):
        self.folder.say("torn down", os.getpid())


class Leaves(TaskHandler):
    task_type = "Probe.Leaves"

    def setup(self):
        sys.exit("no licence")

    def process(self, params: dict, ctx: TaskContext):
        return None


class Unset(TaskHandler):
    task_type = "Probe.Unset"

    def setup(self):
        raise OSError("no such disk")

    def process(self, params: dict, ctx: TaskContext):
        return None


@hookimpl
def prismq_plugin_settings():
    return Settings


class MadeThere(TaskParams):
    """Says where it is made."""

    name: str

    @field_validator("name")
    @classmethod
    def refuse(cls, _value: str) -> str:
        raise ValueError(f"made in {os.getpid()}")


@task_handler("Probe.Modelled")
def modelled(params: MadeThere, ctx):
    return {}
