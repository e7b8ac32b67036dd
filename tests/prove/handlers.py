"""Handlers that write down when they begin and end, one line each, for proofs that count from outside."""

import ctypes
import os
import threading
import time
from contextlib import contextmanager

from prismq_worker_sdk import Permanent, TaskCancelled, TaskContext, task_handler

SQUARE = "Prove.Square"
CHILD = "Prove.Child"
"""Nobody has a handler for it: it is counted where it was created."""

PART, LAST = "Prove.Part", "Prove.Last"
"""What a task may consist of, and what follows when all of that has ended; nobody has a handler for the last."""


def note(what, ctx):
    """Appends one line, whole whatever else is written at the same time."""
    line = f"{what} {ctx.task.id} {ctx.attempt} {os.environ.get('PROVE_WORKER', '0')} {time.time():.6f}\n"
    file = os.open(os.environ["RUNS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


@contextmanager
def noted(ctx):
    """Writes down the begin of a run, and its end or that it was told to end."""
    note("begin", ctx)
    try:
        yield
    except TaskCancelled:
        note(f"cancelled-{ctx.cancelled}", ctx)
        raise
    note("end", ctx)


@task_handler(SQUARE)
def square(params: dict, ctx: TaskContext) -> dict:
    with noted(ctx):
        if params.get("child"):
            ctx.submit(CHILD, {"of": params["n"]})
        for part in params.get("parts", ()):
            ctx.submit(PART, part)
        if "parts" in params:
            ctx.then(LAST, {"of": params["n"]})
        ctx.sleep(params["seconds"])
    return {"square": params["n"] ** 2}


@task_handler(PART)
def part(params: dict, ctx: TaskContext) -> dict:
    with noted(ctx):
        ctx.sleep(params["seconds"])
    if params["fails"]:
        raise Permanent("as planned")
    return {}


@task_handler("Prove.Careful", time_limit="10m")
def careful(params: dict, ctx: TaskContext) -> dict:
    note("begin", ctx)
    ctx.sleep(params["seconds"])
    return {}


@task_handler("Prove.Deaf", time_limit="10m")
def deaf(params: dict, ctx: TaskContext) -> dict:
    note("begin", ctx)
    threading.Event().wait(params["seconds"])
    return {}


@task_handler("Prove.Holding", time_limit="10m")
def holding(params: dict, ctx: TaskContext) -> dict:
    """A call into C that does not let go of the interpreter."""
    note("begin", ctx)
    ctypes.PyDLL(None).usleep(int(params["seconds"] * 1e6))
    note("end", ctx)
    return {}


@task_handler("Prove.Quick")
def quick(params: dict, ctx: TaskContext) -> dict:
    return {}
