"""The public API as an author, an embedder and a producer use it; it must type-check, and is never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import assert_type

from prismq_worker_sdk import (
    CancelReason,
    Defer,
    Demo,
    DemoTask,
    Handler,
    NotSupported,
    Permanent,
    PluginSettings,
    PrismqError,
    RetryPolicy,
    Task,
    TaskCancelled,
    TaskContext,
    TaskHandle,
    TaskHandler,
    TaskManagerClient,
    TaskParams,
    TaskStatus,
    Transient,
    Unavailable,
    Worker,
    WorkerSettings,
    hookimpl,
    task_handler,
)
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing import FakeClock, HandlerHarness, HarnessResult


class SearchParams(TaskParams):
    search_query: str = Field(min_length=1, max_length=200, description="Search term")
    max_results: int = Field(10, ge=1, le=50)
    language: str = Field("en", pattern="^[a-z]{2}$")


class Found(BaseModel):
    title: str
    score: float = 0.0


@task_handler(
    "Example.Search", time_limit="2m", max_concurrent=2, rate="30/min", retry=RetryPolicy(max_attempts=3)
)
def search(params: SearchParams, ctx: TaskContext) -> dict[str, Any]:
    assert_type(params.max_results, int)
    ctx.progress(40, "page 1 of 3")
    ctx.checkpoint({"page": 1})
    ctx.log.info("page read", shorts=25)
    ctx.log.info("page %d of %s", 3, "shorts", shorts=25)
    if ctx.stopping or ctx.time_left < 10 or ctx.cancelled is CancelReason.STOPPING:
        ctx.check()
    try:
        ctx.submit("Example.Process", {"text": params.search_query}, priority=3)
    except NotSupported:
        ctx.log.warning("this server creates nothing")
    ctx.sleep(0.5)
    return {
        "page": ctx.last_checkpoint,
        "key": ctx.idempotency_key,
        "attempt": ctx.attempt,
        "room": assert_type(ctx.max_result_bytes, int),
        "id": ctx.task.id,
    }


@task_handler("Example.Plain", isolation="process")
def plain(params: dict[str, Any], ctx: TaskContext) -> list[Found]:
    if "again" in params:
        raise Transient("the service hiccups", retry_in=30)
    if "later" in params:
        raise Defer("not yet", until=datetime.now(UTC) + timedelta(hours=1))
    if "quota" in params:
        raise Unavailable("quota used up", retry_in=3600)
    if not params:
        raise Permanent("there is nothing to do")
    return [Found(title=str(params))]


@task_handler("Example.ByForm", params={"text": {"type": "string", "required": True, "max": 500}})
async def by_form(params: dict[str, Any], ctx: TaskContext) -> str:
    try:
        ctx.check()
    except TaskCancelled:
        ctx.log.debug("ending")
        raise
    return str(params["text"])


class Settings(PluginSettings):
    api_key: SecretStr = SecretStr("")
    pages: int = 3


class Owner(TaskHandler):
    task_type = "Example.Owner"
    time_limit = "5m"
    max_concurrent = 1
    retry = RetryPolicy(initial=1, ceiling=5)

    settings: Settings

    def ready(self) -> str | None:
        return None if self.settings.api_key.get_secret_value() else "the key is not set"

    def setup(self) -> None:
        self.rows: list[str] = []

    def process(self, params: SearchParams, ctx: TaskContext) -> Mapping[str, Any]:
        return {"query": params.search_query, "rows": self.rows, "pages": self.settings.pages}

    def teardown(self) -> None:
        self.rows.clear()


@hookimpl
def prismq_task_handlers() -> Sequence[object]:
    return [search, plain, by_form, Owner]


@hookimpl
def prismq_plugin_settings() -> type[PluginSettings]:
    return Settings


@hookimpl
def prismq_worker_event(event: object) -> None:
    print(event)


@hookimpl
def prismq_commands(group: click.Group) -> None:
    @group.command("example-login")
    def login() -> None:
        click.echo("hello")


@hookimpl
def prismq_demo() -> Demo:
    def rows(result: Any) -> Sequence[Mapping[str, str]]:
        return [{"title": str(result)}]

    return Demo(tasks=[DemoTask("Example.Search", {"search_query": "cats"})], note="all real", rows=rows)


def embed(folder: Path) -> int:
    settings = WorkerSettings(api_url="http://localhost:8000/api", state_dir=folder)
    worker = Worker([search, Owner, Owner()], settings=settings, listeners=[print])
    with worker:
        assert_type(worker.worker_id, str)
        print(worker.stats.lines())
        worker.stop(grace=5.0)
    worker.start()
    worker.stop()
    worker.wait()
    return assert_type(worker.run(), int)


def produce() -> Any:
    client = TaskManagerClient("http://localhost:8000/api", api_key=SecretStr("k"), dialect="prismq-client")
    try:
        handle = client.submit("Example.Search", {"search_query": "cats"}, priority=5, dedupe_key="cats")
        assert_type(handle, TaskHandle)
        again = client.submit("Example.Search", {"search_query": "cats"}, run_key="2026-11-23")
        assert_type(again.created, bool)
        task = assert_type(handle.wait(timeout=30), Task)
        for one in client.tasks(status="failed", limit=10).tasks:
            assert_type(one.error, str | None)
            client.retry(one.id)
    except PrismqError as error:
        return str(error)
    finally:
        client.close()
    return task.result if task.status is TaskStatus.COMPLETED and task.status.finished else None


def check() -> None:
    assert_type(search, Handler)
    found = HandlerHarness(search, settings=Settings(), clock=FakeClock()).run({"search_query": "cats"})
    assert_type(found, HarnessResult)
    assert found.completed
    assert found.progress[0] == (40.0, "page 1 of 3")
    assert [child.type for child in found.children] == ["Example.Process"]
    ended = HandlerHarness(Owner).run({"search_query": "x"}, cancel=CancelReason.STOPPING, cancel_after=1)
    assert ended.outcome is None or not ended.completed
