r"""Work that is split, and one task more once all of it has ended: each paragraph is read by a task of its own.

    prismq-worker try Example.ReadText '{"text": "One.\n\nTwo."}' --plugin examples/fan_in.py

`ctx.then` is committed with the parent's result, as children are, and created once, when the last of them has
completed or failed for good. That takes a TaskManager that announces `fan_in`; on another one `ctx.then` raises
NotSupported at once and the task fails, saying so. `try` runs the parent alone and creates nothing.
"""

from pydantic import Field

from prismq_worker_sdk import TaskContext, TaskParams, task_handler


class TextParams(TaskParams):
    text: str = Field(min_length=1, max_length=500_000)


class Ended(TaskParams):
    """What the server says of the children."""

    parent_id: str
    completed: int
    failed: int


class SummaryParams(TaskParams):
    letters: int
    children: Ended


@task_handler("Example.ReadParagraph", time_limit="30s")
def read_paragraph(params: TextParams, ctx: TaskContext) -> dict[str, int]:
    ctx.log.info("reading", letters=len(params.text))
    return {"words": len(params.text.split())}


@task_handler("Example.TellOfText", time_limit="30s")
def tell_of_text(params: SummaryParams, ctx: TaskContext) -> dict[str, int]:
    ctx.log.info("all are read", parent=params.children.parent_id)
    return {"letters": params.letters, "read": params.children.completed, "unread": params.children.failed}


@task_handler("Example.ReadText", time_limit="1m")
def read_text(params: TextParams, ctx: TaskContext) -> dict[str, int]:
    paragraphs = [part.strip() for part in params.text.split("\n\n") if part.strip()]
    for paragraph in paragraphs:
        ctx.submit(read_paragraph.task_type, {"text": paragraph})
    ctx.then(tell_of_text.task_type, {"letters": len(params.text)})
    return {"paragraphs": len(paragraphs)}
