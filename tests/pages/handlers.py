"""Handlers whose tasks a test looks at on a page: they go on when a file says so."""

import os
from pathlib import Path

from pydantic import BaseModel, Field

from prismq_worker_sdk import Permanent, TaskContext, TaskParams, task_handler


class Extra(BaseModel):
    depth: int = Field(1, ge=1, le=9)


class SearchParams(TaskParams):
    search_query: str = Field(min_length=1, title="Search query", description="What to look for")
    max_results: int = Field(20, ge=1, le=50)
    safe: bool = True
    tags: list[str] = Field(default_factory=list)
    extra: Extra | None = None


@task_handler("Page.Search")
def search(params: SearchParams, context: TaskContext) -> dict[str, object]:
    """Ends at once."""
    context.log.info("looked")
    return {"found": params.search_query}


@task_handler("Page.Steps")
def steps(_params: TaskParams, context: TaskContext) -> dict[str, int]:
    """Goes one step further for each line of the gate file; ends with the line `end`."""
    gate, done = Path(os.environ["GATE_FILE"]), 0
    while True:
        lines = gate.read_text().splitlines() if gate.exists() else []
        for line in lines[done:]:
            if line == "end":
                return {"steps": done}
            done += 1
            context.log.info(f"step {done}: {line}")  # noqa: G004
            context.progress(min(99, done * 10), f"at {line}")
        context.check()
        context.sleep(0.05)


@task_handler("Page.Fails")
def fails(_params: TaskParams, context: TaskContext) -> None:
    """Fails for good."""
    context.log.warning("it will not go well")
    raise Permanent("it is broken")
