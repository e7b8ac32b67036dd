"""The pages of the TaskManager at `/`: what it holds, who works, and the acts of its API as buttons."""

from prismq_worker_sdk.taskmanager.pages import overview, site, steering, submit, task, tasks, workers
from prismq_worker_sdk.taskmanager.pages.site import Answers as Answers

PAGES = tuple(one.router for one in (site, overview, tasks, task, submit, workers, steering))
