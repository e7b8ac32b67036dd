"""What a check does things with: calls in the words of the protocol, under names that nobody else uses."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from prismq_worker_sdk.testing.conformance.checks import Broken, NotChecked, holds
from prismq_worker_sdk.testing.conformance.server import Server
from prismq_worker_sdk.testing.conformance.talk import Answer

T = TypeVar("T")
Task = dict[str, Any]
ONE, ANOTHER = "one", "another"
"""Two workers."""

SOME = "Some"
SHOWN_CALLS = 4
FASTER = 409
TRIES = 10
"""How often something is looked for that the server may do a little later."""


class Trial:
    """One check's dealings with the server.

    Args:
        server: Whom it deals with.

    Attributes:
        secrets: Keys, which are shown nowhere.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._mark = uuid.uuid4().hex[:10]
        self._calls: deque[str] = deque(maxlen=SHOWN_CALLS)
        self._held: dict[str, Task] = {}
        self._created: list[str] = []
        self.secrets = {server.talk.key or ""} - {""}
        self._afterwards: list[tuple[str, str]] = []

    @property
    def calls(self) -> tuple[str, ...]:
        """The last calls, with their answers."""
        return tuple(self._calls)

    def worker(self, name: str = ONE) -> str:
        """The id of a worker."""
        return f"conformance-{self._mark}-{name}"

    def type_of(self, kind: str = SOME) -> str:
        """The name of a task type that only this check uses."""
        return f"Conformance.T{self._mark}.{kind}"

    def needs(self, *bundles: str) -> None:
        """Raises NotChecked unless the server announces these too."""
        if (missing := self.server.missing(*bundles)) is not None:
            raise NotChecked(missing)

    def ask(self, method: str, path: str, body: object = None, **how: Any) -> Answer:
        """What a call is answered with.

        Raises:
            NoAnswer: There is none in time.
        """
        try:
            answer = self.server.talk.ask(method, path, body, **how)
        except Broken as error:
            self._calls.append(str(error))
            raise
        self._calls.append(str(answer))
        return answer

    def get(self, path: str) -> Answer:
        """What a GET is answered with."""
        return self.ask("GET", path)

    def post(self, path: str, body: object = None, **how: Any) -> Answer:
        """What a POST is answered with."""
        return self.ask("POST", path, body, **how)

    def secret(self, path: str, body: object) -> Task:
        """What a POST makes that is a key, which is shown nowhere."""
        found: Task = self.server.talk.ask("POST", path, body).json(201)
        self.secrets.add(found["key"])
        return found

    def submit(self, params: Mapping[str, Any] | None = None, *, kind: str = SOME, **more: Any) -> str:
        """Creates a task; its id, "" where nobody tells it.

        Raises:
            NotChecked: Nobody can.
        """
        if "manage" in self.server.announced:
            body = {"type": self.type_of(kind), "params": params or {}, **more}
            task_id = str(self.post("/tasks", body).json(200, 201)["id"])
            self._created.append(task_id)
            return task_id
        if self.server.submit is None or more:
            raise NotChecked(
                "it needs a task, which a server without manage cannot create; give --submit-command"
            )
        self.server.submit(self.type_of(kind), params or {})
        return ""

    def submit_many(self, number: int) -> None:
        """Creates so many tasks."""
        for _ in range(number):
            self.submit()

    def submit_and_claim(self, worker: str = ONE) -> Task:
        """A new task, claimed by the base protocol."""
        self.submit()
        return self.claimed(worker)

    def submit_and_take(self, worker: str = ONE) -> Task:
        """A new task, claimed by an exchange."""
        self.submit()
        return self.taken(worker)

    def show(self, task: str | Task) -> Task:
        """A task as the server shows it."""
        self.needs("manage")
        task_id = task if isinstance(task, str) else task["id"]
        found: Task = self.get(f"/tasks/{task_id}").json(200)
        return found

    def claim(self, worker: str = ONE, kinds: Sequence[str] = (SOME,)) -> Task | None:
        """A task by the base protocol, None when there is none."""
        body = {"worker_id": self.worker(worker), "task_types": [self.type_of(kind) for kind in kinds]}
        answer = self.post("/tasks/claim", body)
        for _try in range(TRIES):
            if answer.status != FASTER:
                break
            answer = self.post("/tasks/claim", body)
        found: Task | None = answer.json(200, 404)
        return None if answer.status != 200 or found is None else self.hold(found)  # noqa: PLR2004

    def claimed(self, worker: str = ONE) -> Task:
        """The task that must be there, by the base protocol."""
        found = self.claim(worker)
        if found is None:
            raise Broken("a task that waits was not handed out")
        return found

    def end(self, task: Task, how: str = "complete", worker: str = ONE, **said: Any) -> Answer:
        """What the end of a task by the base protocol is answered with."""
        said = said or ({"result": None} if how == "complete" else {"error": "it broke"})
        return self.post(f"/tasks/{task['id']}/{how}", {"worker_id": self.worker(worker), **said})

    def exchange(self, worker: str = ONE, *, longer: float = 0.0, **said: Any) -> dict[str, Any]:
        """What an exchange is answered with."""
        answer = self.post("/tasks/exchange", {"worker_id": self.worker(worker), **said}, longer=longer)
        found: dict[str, Any] = answer.json(200)
        for name in ("reports", "leases", "tasks"):
            holds(isinstance(found.get(name), list), f"the answer to an exchange has no list {name}")
        for task in found["tasks"]:
            self.hold(task)
        return found

    def take(
        self,
        most: int = 1,
        worker: str = ONE,
        *,
        kinds: Sequence[str] = (SOME,),
        wait: float = 0,
        **more: Any,
    ) -> list[Task]:
        """Tasks by an exchange."""
        types = [self.type_of(kind) for kind in kinds]
        wanted = {"task_types": types, "max_tasks": most, "wait_seconds": wait}
        found: list[Task] = self.exchange(worker, longer=wait, claim=wanted, **more)["tasks"]
        return found

    def taken(self, worker: str = ONE, *, kind: str = SOME) -> Task:
        """The task that must be there, by an exchange."""
        found = self.take(1, worker, kinds=(kind,))
        holds(found, "a task that waits was not handed out")
        return found[0]

    def report(self, task: Task, outcome: str = "completed", worker: str = ONE, **said: Any) -> str:
        """The verdict on a report."""
        (verdict,) = self.exchange(worker, reports=[self.of(task, outcome=outcome, **said)])["reports"]
        return str(verdict["verdict"])

    def renew(self, task: Task, worker: str = ONE, **said: Any) -> str:
        """The verdict on a renewal."""
        (verdict,) = self.exchange(worker, leases=[self.of(task, **said)])["leases"]
        return str(verdict["verdict"])

    @staticmethod
    def of(task: Task, **said: Any) -> Task:
        """Something said under the token of a claim."""
        return {"task_id": task["id"], "lease_token": task["lease_token"], **said}

    def let_run_out(self) -> None:
        """Lets the claims of now run out."""
        self.server.pass_time(self.server.lease_seconds * 1.02 + 0.2)

    def again(self, look: Callable[[], T]) -> T:
        """What a look finds, a little later where it finds nothing: a server may notice with a delay."""
        for _try in range(TRIES):
            if found := look():
                return found
            self.server.pass_time(0.5)
        return look()

    def at_once(self, *calls: Callable[[], T]) -> list[T]:
        """What these give that are called at the same time."""
        with ThreadPoolExecutor(len(calls), "conformance-call") as pool:
            return [one.result() for one in [pool.submit(call) for call in calls]]

    def while_waiting(self, waiting: Callable[[], T], meanwhile: Callable[[], object]) -> tuple[T, float]:
        """What a call that waits gives while something else is done, and after how many seconds.

        Args:
            meanwhile: Done once the call is likely to wait.
        """
        begun = time.monotonic()
        with ThreadPoolExecutor(1, "conformance-call") as pool:
            running = pool.submit(lambda: (waiting(), time.monotonic() - begun))
            time.sleep(0.3)
            meanwhile()
            return running.result()

    def hold(self, task: Task) -> Task:
        """Remembers a task that was claimed, to end it after the check."""
        self._held[task["id"]] = task
        return task

    def afterwards(self, method: str, path: str) -> None:
        """Remembers a call that takes away what the check leaves."""
        self._afterwards.append((method, path))

    def clean_up(self) -> None:
        """Ends what it claimed and created, as far as its key allows; nothing of it is judged."""
        for task in list(self._held.values()):
            with suppress(Exception):
                if "lease_token" in task:
                    self.report(task, "failed", error="a check ended", retryable=False)
                else:
                    self.end(task, "fail", error="a check ended")
        deletes = "bulk" in self.server.announced
        end, then = ("DELETE", "") if deletes else ("POST", "/cancel")
        own = [(end, f"/tasks/{task_id}{then}") for task_id in self._created]
        for method, path in [*self._afterwards, *own]:
            with suppress(Exception):
                self.ask(method, path)


def ids(tasks: Iterable[Task]) -> list[str]:
    """Their ids."""
    return [task["id"] for task in tasks]
