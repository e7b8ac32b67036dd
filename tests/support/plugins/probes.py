"""Handlers that leave traces in files and wait on files, for tests of real processes."""

import logging
import math
import os
import threading
from pathlib import Path

from prismq_worker_sdk import Defer, Permanent, TaskContext, Transient, Unavailable, task_handler


def note(ctx, what="ran"):
    """One line for each run, whole whatever else is written at the same time."""
    line = f"{what} {ctx.task.id} {os.getpid()}\n".encode()
    file = os.open(os.environ["RUNS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)


@task_handler("Test.Counted")
def counted(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    return {"n": params.get("n")}


@task_handler("Test.Gated")
def gated(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    gate = Path(os.environ["GATE_FILE"])
    while not gate.exists():
        ctx.sleep(0.02)
    return {"gated": True}


@task_handler("Test.Talks")
def talks(params: dict, ctx: TaskContext) -> dict:
    """Says what it does, and waits between."""
    ctx.log.info("begun", n=1)
    ctx.log.warning("waiting")
    gated.run(params, ctx)
    ctx.log.info("the gate is open")
    raise RuntimeError("as planned")


@task_handler("Test.Tells")
def tells(params: dict, ctx: TaskContext) -> dict:
    """Tells how far it is, and waits."""
    ctx.progress(40, f"page 3 {params.get('more', '')}".rstrip())
    return gated.run(params, ctx)


@task_handler("Test.Careless")
def careless(params: dict, ctx: TaskContext) -> dict:
    """As Test.Gated, but it does not look whether it was told to end."""
    note(ctx)
    gate = Path(os.environ["GATE_FILE"])
    while not gate.exists():
        threading.Event().wait(0.02)
    return {"by": params["n"]}


@task_handler("Test.Stubborn")
def stubborn(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    threading.Event().wait()
    return {}


@task_handler("Test.Failing")
def failing(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    raise RuntimeError("it is broken")


@task_handler("Test.Gone")
def gone(params: dict, ctx: TaskContext) -> dict:
    raise Permanent("no such thing")


@task_handler("Test.Transient")
def transient(params: dict, ctx: TaskContext) -> dict:
    """Fails at its first attempts."""
    note(ctx)
    if ctx.attempt <= params["times"]:
        raise Transient("busy", retry_in=params["retry_in"])
    return {"attempt": ctx.attempt}


@task_handler("Test.Deferred")
def deferred(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    if ctx.attempt == 1:
        raise Defer("not yet", retry_in=0.1)
    return {"attempt": ctx.attempt}


@task_handler("Test.Unavailable")
def unavailable(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    raise Unavailable("the quota is used up", retry_in=3600)


@task_handler("Test.Parent")
def parent(params: dict, ctx: TaskContext) -> dict:
    """Creates three children, two of them equal; nobody has a handler for them."""
    note(ctx)
    for of in ("one", "one", "two"):
        ctx.submit("Test.Child", {"of": of})
    return {"children": 3}


@task_handler("Test.Followed")
def followed(params: dict, ctx: TaskContext) -> dict:
    """Creates two children and what follows them, once the gate is open."""
    ctx.submit("Test.Counted", {"n": 1})
    ctx.submit("Test.Gone", {})
    ctx.then("Test.Counted", {"n": "last"})
    note(ctx)
    gate = Path(os.environ["GATE_FILE"])
    while not gate.exists():
        ctx.sleep(0.02)
    return {"gated": True}


@task_handler("Test.NotANumber")
def not_a_number(params: dict, ctx: TaskContext) -> dict:
    return {"x": math.nan}


@task_handler("Test.NotJson")
def not_json(params: dict, ctx: TaskContext) -> dict:
    return {"x": {1, 2}}


@task_handler("Test.TooLarge")
def too_large(params: dict, ctx: TaskContext) -> str:
    return "x" * (9 * 1024 * 1024)


@task_handler("Test.Leaky")
def leaky(params: dict, ctx: TaskContext) -> dict:
    secret = os.environ["TASKMANAGER_API_KEY"]
    logging.getLogger("somebody.else").warning("calling https://example.invalid/?key=%s", secret)
    ctx.log.warning("about to fail", api_key=secret, note=f"with {secret}")
    raise RuntimeError(f"GET https://example.invalid/?key={secret} was refused for {secret}")


@task_handler("Test.Exits")
def exits(params: dict, ctx: TaskContext) -> dict:
    raise SystemExit(3)


@task_handler("Test.Asynchronous")
async def asynchronous(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    return {"async": True}


@task_handler(
    "Test.Strict",
    params={"q": {"type": "string", "required": True, "min": 1}, "n": {"type": "integer", "max": 5}},
)
def strict(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    return params


@task_handler("Test.Crashes")
def crashes(params: dict, ctx: TaskContext) -> dict:
    note(ctx)
    os._exit(9)
