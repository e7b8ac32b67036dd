"""The model of the server says what the embedded TaskManager says, whatever is asked in whatever order."""

import json
from random import Random

import pytest

from prismq_worker_sdk.taskmanager import claims, ends, limits, producing, queries, steering
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.exchange import exchange
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.messages import ExchangeRequest, NewTask, ReportItem
from prismq_worker_sdk.wire.messages import HttpRequest
from tests.simulator.model_server import ModelServer

TYPE, LIMIT = "Simulated.Work", "simulated"
WORKERS = ("w1", "w2")
LEASE, TIMEOUT = 20.0, 60.0


class Model:
    """The model, asked like the embedded one below."""

    def __init__(self, tasks):
        self.server = ModelServer(
            lease_seconds=LEASE, claim_timeout=TIMEOUT, fleet=True, limits={TYPE: LIMIT}
        )
        for number, most in enumerate(tasks):
            self.server.add(f"task-{number}", TYPE, max_attempts=most)

    def exchange(self, body, now):
        return self._asked(("tasks", "exchange"), body, now)

    def base(self, path, body, now):
        return self._asked(("tasks", *path), body, now)

    def _asked(self, segments, body, now):
        reply = self.server.handle(HttpRequest("call", "POST", segments, json.dumps(body)), now)
        return reply.status, reply.json

    def cancel(self, number, now):
        self.server.cancel(f"task-{number}")

    def restart(self, now):
        self.server.restart(now)

    def states(self):
        tasks = self.server.tasks.values()
        return (
            [(task.status, task.attempts) for task in tasks if task.type == TYPE],
            sum(task.type == CHILD["type"] for task in tasks),
            sorted(task.counts for task in tasks if task.type == LAST["type"]),
        )


class Embedded:
    """The transitions of the embedded TaskManager on a database in memory, without its HTTP."""

    def __init__(self, tasks):
        self._config = TaskManagerConfig(
            lease_seconds=LEASE, claim_timeout=TIMEOUT, backoff=1.0, backoff_ceiling=16.0
        )
        self._database = connect("sqlite://")
        self._db = self._database.writing.connect()
        self.ids = []
        for most in tasks:
            with self._db.begin():
                new = NewTask(type=TYPE, max_attempts=most)
                (made,) = producing.create(self._db, self._config, [new], 0.0)
                self.ids.append(made.task["id"])
        with self._db.begin():
            limits.set_type(self._db, TYPE, limits.TypeLimits(limits=[{"key": LIMIT}]), "test", 0.0)

    def close(self):
        self._db.close()
        self._database.close()

    def exchange(self, body, now):
        said = ExchangeRequest.model_validate(body)
        with self._db.begin():
            return 200, json.loads(exchange(self._db, self._config, said, now).text())

    def base(self, path, body, now):
        try:
            with self._db.begin():
                if path == ("claim",):
                    wanted = claims.Wanted(
                        worker_id=body["worker_id"], types=body["task_types"], seconds=TIMEOUT
                    )
                    tasks = claims.take(self._db, wanted, now).tasks
                    return 200, json.loads(tasks[0]) if tasks else None
                task_id, end = path
                outcome = {"complete": "completed", "fail": "failed"}[end]
                item = ReportItem(
                    task_id=task_id,
                    lease_token="",
                    outcome=outcome,
                    result=body["result"],
                    error=body["error"],
                )
                ends.end_of_worker(self._db, self._config, body["worker_id"], item, now)
                return 200, {"status": "success"}
        except Problem as problem:
            return problem.status, None

    def cancel(self, number, now):
        try:
            with self._db.begin():
                steering.cancel(self._db, self.ids[number], now)
        except Problem:
            pass

    def restart(self, now):
        with self._db.begin():
            claims.extend_leases_after_restart(self._db, now + LEASE)

    def states(self):
        with self._db.begin():
            rows = [queries.find(self._db, task_id) for task_id in self.ids]
            counted = "SELECT count(*) FROM tasks WHERE type = 'Simulated.Child'"
            children = self._db.exec_driver_sql(counted).scalar()
            last = self._db.exec_driver_sql("SELECT params FROM tasks WHERE type = 'Simulated.Last'")
            told = [json.loads(params)["children"] for (params,) in last]
        counts = sorted((one["completed"], one["failed"]) for one in told)
        return [(row.status, row.attempts) for row in rows], children, counts


@pytest.fixture
def embedded():
    made = []

    def make(tasks):
        made.append(Embedded(tasks))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Story:
    """One course of events, told to both servers; what they answer is kept in names that both share."""

    def __init__(self, seed, embedded):
        self.rng = Random(seed)
        tasks = [self.rng.randint(1, 4) for _ in range(self.rng.randint(1, 4))]
        self.both = (Model(tasks), embedded(tasks))
        self.now = 1.0
        self.claims = []  # (number of the task, (its token at the model, at the embedded one), worker)
        self.requests = 0

    def step(self):
        self.now += self.rng.choice((0.0, 0.1, 1.0, 7.0, LEASE, 3 * LEASE))
        kinds = (
            self._claim,
            self._claim,
            self._report,
            self._report,
            self._renew,
            self._repeat,
            self._cancel,
            self._end_child,
            self._pause,
        )
        self.rng.choice((*kinds, self._restart))()
        states = [server.states() for server in self.both]
        assert states[0] == states[1]

    def _claim(self):
        self.requests += 1
        self._ask_for_tasks(self.requests)

    def _repeat(self):
        if self.requests:
            self._ask_for_tasks(self.rng.randint(1, self.requests))

    def _ask_for_tasks(self, request):
        worker = WORKERS[request % 2]
        body = {
            "worker_id": worker,
            "request_id": f"request-{request}",
            "claim": {"task_types": [TYPE], "max_tasks": 1 + request % 3, "wait_seconds": 0.0},
        }
        given = [server.exchange(body, self.now)[1]["tasks"] for server in self.both]
        shown = [
            [
                (self._number(side, task["id"]), task["attempt"], round(task["lease_seconds"], 3))
                for task in tasks
            ]
            for side, tasks in enumerate(given)
        ]
        assert shown[0] == shown[1]
        for mine, theirs in zip(*given, strict=True):
            tokens = (mine["lease_token"], theirs["lease_token"])
            if all(tokens != known for _, known, _ in self.claims):
                self.claims.append((self._number(0, mine["id"]), tokens, worker))

    def _report(self):
        if not self.claims:
            return
        number, tokens, worker = self.rng.choice(self.claims)
        outcome = self.rng.choice(("completed", "failed", "released"))
        item = {"outcome": outcome}
        if outcome == "completed":
            item |= {
                "result": self.rng.choice((1, 2)),
                "children": self.rng.choice(([], [CHILD], [CHILD, OTHER])),
            }
            item |= self.rng.choice(({}, {"then": LAST}))
        if outcome == "failed":
            item |= self.rng.choice(({}, {"retryable": False}, {"delay_seconds": 5.0}))
        self._tell("reports", number, tokens, worker, item)

    def _renew(self):
        if self.claims:
            self._tell("leases", *self.rng.choice(self.claims), {})

    def _tell(self, name, number, tokens, worker, item):
        verdicts = []
        for side, server in enumerate(self.both):
            proof = {"task_id": self._id(side, number), "lease_token": tokens[side]}
            body = {"worker_id": worker, name: [{**proof, **item}]}
            verdicts.append(server.exchange(body, self.now)[1][name][0]["verdict"])
        assert verdicts[0] == verdicts[1]

    def _end_child(self):
        """A child is claimed, and its end reported twice."""
        claim = {"task_types": [CHILD["type"]], "max_tasks": 1, "wait_seconds": 0.0}
        end = self.rng.choice(
            ({"outcome": "completed", "result": 1}, {"outcome": "failed", "retryable": False})
        )
        verdicts = []
        for server in self.both:
            tasks = server.exchange({"worker_id": "w3", "claim": claim}, self.now)[1]["tasks"]
            reports = [{"task_id": one["id"], "lease_token": one["lease_token"], **end} for one in tasks] * 2
            answer = server.exchange({"worker_id": "w3", "reports": reports}, self.now)[1]
            verdicts.append([one["verdict"] for one in answer["reports"]])
        assert verdicts[0] == verdicts[1]

    def _pause(self):
        pause = {"name": LIMIT, "seconds": self.rng.choice((0.0, 0.5, 5.0))}
        for server in self.both:
            server.exchange({"worker_id": "w3", "pauses": [pause]}, self.now)

    def _cancel(self):
        number = self.rng.randrange(len(self.both[1].ids))
        for server in self.both:
            server.cancel(number, self.now)

    def _restart(self):
        for server in self.both:
            server.restart(self.now)

    def _id(self, side, number):
        return f"task-{number}" if side == 0 else self.both[1].ids[number]

    def _number(self, side, task_id):
        return int(task_id.rpartition("-")[2]) if side == 0 else self.both[1].ids.index(task_id)


CHILD = {"key": "0", "type": "Simulated.Child", "params": {}}
OTHER = {"key": "1", "type": "Simulated.Child", "params": {}}
LAST = {"type": "Simulated.Last", "params": {}}


@pytest.mark.parametrize("seed", range(60))
def test_both_answer_alike_on_the_exchange(seed, embedded):
    story = Story(seed, embedded)
    for _ in range(60):
        story.step()


@pytest.mark.parametrize("seed", range(30))
def test_both_answer_alike_on_the_base(seed, embedded):
    rng = Random(seed)
    tasks = [rng.randint(1, 3) for _ in range(3)]
    both = (Model(tasks), embedded(tasks))
    now = 1.0
    for _ in range(60):
        now += rng.choice((0.0, 1.0, 20.0, TIMEOUT))
        worker, number = rng.choice(WORKERS), rng.randrange(3)
        call = rng.choice(("claim", "claim", "complete", "fail"))
        answers = []
        for server, task_id in zip(both, (f"task-{number}", both[1].ids[number]), strict=True):
            if call == "claim":
                status, task = server.base(("claim",), {"worker_id": worker, "task_types": [TYPE]}, now)
                answers.append((status, task is None))
            else:
                body = {"worker_id": worker, "result": 1, "error": "no"}
                answers.append(server.base((task_id, call), body, now)[0])
        assert answers[0] == answers[1]
        assert both[0].states() == both[1].states()
