"""The smallest handler: one decorated function.

    prismq-worker --plugin examples/minimal.py

Parameters are checked before it runs; what it returns is the result.
"""

from prismq_worker_sdk import TaskContext, TaskParams, task_handler


class CountParams(TaskParams):
    text: str


@task_handler("Example.CountWords", time_limit="30s")
def count_words(params: CountParams, ctx: TaskContext) -> dict[str, int]:
    ctx.log.info("counting", letters=len(params.text))
    return {"words": len(params.text.split())}
