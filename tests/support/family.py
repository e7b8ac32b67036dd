"""Tasks that make tasks, at a TaskManager without workers; and works that begin at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

PARENT, CHILD, LAST = "Test.Parent", "Test.Child", "Test.Last"


class Family:
    """Tasks that make tasks, by way of one worker."""

    def __init__(self, api, worker="w1"):
        self.api, self.worker = api, worker

    def exchange(self, **said):
        answer = self.api.call("POST", "/tasks/exchange", {"worker_id": self.worker, **said})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def claim(self, task_type=CHILD, number=1):
        claim = {"task_types": [task_type], "max_tasks": number, "wait_seconds": 0}
        return self.exchange(claim=claim)["tasks"]

    def report(self, *held, outcome="completed", **said):
        one = {"outcome": outcome, **({"result": 1} if outcome == "completed" else {"error": "x"}), **said}
        reports = [{"task_id": t["id"], "lease_token": t["lease_token"], **one} for t in held]
        return [answer["verdict"] for answer in self.exchange(reports=reports)["reports"]]

    def parent(self, children=2, task_type=PARENT, child=CHILD, then=LAST, **more):
        """A parent that has just completed; its id."""
        self.api.submit(task_type, **more)
        (task,) = self.claim(task_type)
        return self.completes(task, children, child, then)

    def completes(self, task, children=2, child=CHILD, then=LAST, **params):
        made = [{"key": str(n), "type": child, "params": {"n": n}} for n in range(children)]
        said = {"type": then, "params": {"run": 7, **params}, "priority": 3}
        assert self.report(task, children=made, then=said) == ["accepted"]
        return task["id"]

    def followers(self, task_type=LAST):
        return self.api.call("GET", f"/tasks?type={task_type}").json()["tasks"]

    def counts(self):
        (one,) = self.followers()
        told = one["params"]["children"]
        return told["completed"], told["failed"]


def at_once(*works):
    start = threading.Barrier(len(works))

    def run(work):
        start.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result(60) for one in [pool.submit(run, work) for work in works]]
