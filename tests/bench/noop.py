"""A plugin whose handler does nothing, and that writes down how long the worker took for its tasks."""

import json
import os
import time
from pathlib import Path

from prismq_worker_sdk import TaskContext, hookimpl, task_handler
from prismq_worker_sdk.model.events import ReportSettled, TaskStarted, WorkerStopped

TYPE = "Bench.Nothing"
seen = {"tasks": 0}


@task_handler(TYPE)
def nothing(params: dict, ctx: TaskContext) -> dict:
    return {}


@hookimpl
def prismq_worker_event(event):
    if isinstance(event, ReportSettled):
        seen["tasks"] += 1
        seen["last"], seen["cpu_last"] = time.perf_counter(), time.process_time()
    elif isinstance(event, TaskStarted):
        if "first" not in seen:
            seen["first"], seen["cpu_first"] = time.perf_counter(), time.process_time()
    elif isinstance(event, WorkerStopped) and "BENCH_FILE" in os.environ:
        Path(os.environ["BENCH_FILE"]).write_text(json.dumps(seen), encoding="utf-8")
