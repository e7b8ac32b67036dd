r"""A task that makes more tasks: each paragraph of a text becomes a child, created together with the result.

    prismq-worker try Example.SplitText '{"text": "One.\n\nTwo."}' --plugin examples/parent_with_children.py

Children are committed with the parent's result: when the parent fails, there are none, and when its report is
sent twice, there are not twice as many. That takes a TaskManager with the `exchange` extension. On one with only
the base protocol `ctx.submit` raises NotSupported at once and the task fails, saying so; there, have the producer
create all the tasks (`TaskManagerClient.submit`). `try` runs the parent alone and creates nothing.
"""

from pydantic import Field

from prismq_worker_sdk import TaskContext, TaskParams, task_handler


class SplitParams(TaskParams):
    text: str = Field(min_length=1, max_length=500_000)


class ParagraphParams(TaskParams):
    number: int = Field(ge=1)
    paragraph: str = Field(min_length=1)


@task_handler("Example.CountParagraph", time_limit="30s")
def count_paragraph(params: ParagraphParams, ctx: TaskContext) -> dict[str, int]:
    ctx.log.info("counting", letters=len(params.paragraph))
    return {"number": params.number, "words": len(params.paragraph.split())}


@task_handler("Example.SplitText", time_limit="1m")
def split_text(params: SplitParams, ctx: TaskContext) -> dict[str, int]:
    paragraphs = [part.strip() for part in params.text.split("\n\n") if part.strip()]
    for number, paragraph in enumerate(paragraphs, 1):
        child = ParagraphParams(number=number, paragraph=paragraph)
        ctx.submit(count_paragraph.task_type, child.model_dump())
    return {"paragraphs": len(paragraphs)}
