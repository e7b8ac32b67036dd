"""An async handler: several awaits at the same time, and a clean end when the task is cancelled.

    prismq-worker --plugin examples/async_handler.py

It asks several ports of a host for their greeting, all at once. It runs in an event loop of its own slot, so a
handler that blocks hurts only itself. A cancellation (the worker stops, the time is up, somebody asked) arrives
at the next `await` as CancelledError: `gather` ends the other awaits, `finally` closes what is open, and
nothing catches it. Wait with `asyncio.sleep`: `ctx.sleep` would hold up the whole loop. `ctx.progress` is fine,
it never waits.
"""

import asyncio

from pydantic import Field

from prismq_worker_sdk import TaskContext, TaskParams, task_handler


class GreetingParams(TaskParams):
    host: str = Field(min_length=1, max_length=255)
    ports: list[int] = Field(min_length=1, max_length=100, description="All of them are asked at once")
    tries: int = Field(2, ge=1, le=5)
    seconds: float = Field(10.0, gt=0, le=60, description="How long one try may take")


@task_handler("Example.ReadGreetings", time_limit="5m")
async def read_greetings(params: GreetingParams, ctx: TaskContext) -> dict[str, str | None]:
    found: dict[str, str | None] = {}

    async def ask(port: int) -> None:
        found[str(port)] = await greeting(params, port)
        ctx.progress(100 * len(found) / len(params.ports), f"port {port}")

    await asyncio.gather(*map(ask, params.ports))
    return found


async def greeting(params: GreetingParams, port: int) -> str | None:
    """What a port says first; None when it says nothing."""
    for number in range(params.tries):
        if number:
            await asyncio.sleep(0.5 * 2**number)
        try:
            return await asyncio.wait_for(first_words(params.host, port), params.seconds)
        except (OSError, asyncio.TimeoutError):
            continue
    return None


async def first_words(host: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return (await reader.read(1024)).decode("utf-8", "replace").strip()
    finally:
        writer.close()
