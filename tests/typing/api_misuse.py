"""What a type checker must refuse: exactly the lines that end with `# refused`; it is never run."""

# ruff: noqa: B018
from __future__ import annotations

from typing import Any

from prismq_worker_sdk import (
    Defer,
    Demo,
    DemoTask,
    RetryPolicy,
    TaskContext,
    TaskHandler,
    TaskManagerClient,
    TaskParams,
    Transient,
    Unavailable,
    Worker,
    WorkerSettings,
    task_handler,
)
from prismq_worker_sdk.testing import FakeClock, HandlerHarness


class Params(TaskParams):
    n: int


@task_handler("Example.Wrong", timeout=5)  # refused
def unknown_option(params: Params, ctx: TaskContext) -> None: ...


@task_handler("Example.Wrong", time_limit=["2m"])  # refused
def wrong_limit(params: Params, ctx: TaskContext) -> None: ...


@task_handler("Example.Wrong", isolation="fork")  # refused
def wrong_isolation(params: Params, ctx: TaskContext) -> None: ...


@task_handler("Example.Wrong", retry=3)  # refused
def wrong_retry(params: Params, ctx: TaskContext) -> None: ...


@task_handler(5)  # refused
def wrong_type(params: Params, ctx: TaskContext) -> None: ...


@task_handler("Example.Context")
def context(params: Params, ctx: TaskContext) -> Any:
    ctx.progress("40")  # refused
    ctx.submit("Example.Child", [1])  # refused
    ctx.submit("Example.Child")  # refused
    ctx.submit(5, {})  # refused
    ctx.sleep("1s")  # refused
    ctx.log.info(shorts=25)  # refused
    ctx.attempt = 2  # refused
    ctx.task.id = "x"  # refused
    ctx.wait()  # refused
    params.n = 5  # refused
    return params.m  # refused


class Wrong(TaskHandler):
    task_type = 5  # refused
    retry = 3  # refused
    isolation = "fork"  # refused

    def ready(self) -> bool:  # refused
        return True

    def setup(self, url: str) -> None:  # refused
        print(url)

    def process(self, params: Params) -> Any:  # refused
        return params


Transient("again", retry_in="30s")  # refused
Transient("again", 30)  # refused
Defer(until="tomorrow")  # refused
Unavailable()  # refused
RetryPolicy(3)  # refused
RetryPolicy(max_attempts="3")  # refused
Demo(tasks=[("Example.Search", {})])  # refused
DemoTask("Example.Search")  # refused

settings = WorkerSettings()
Worker([context])  # refused
Worker(context, settings=settings)  # refused
Worker([lambda params, ctx: 1], settings=settings)  # refused
Worker([context], settings={"api_url": "http://x"})  # refused
Worker([context], settings=settings).stop(grace="5s")  # refused

client = TaskManagerClient("http://localhost:8000/api")
client.submit("Example.Search")  # refused
client.submit("Example.Search", {}, priority="high")  # refused
client.submit("Example.Search", {}).result  # refused
client.get(5)  # refused

HandlerHarness(context).run([1])  # refused
HandlerHarness(context, clock=1.0)  # refused
HandlerHarness(context).run({}, cancel="asked")  # refused
FakeClock().turn("1s")  # refused
