"""The model of PrismQ.Client says what the testing kit's server says, whatever is asked in whatever order."""

import json
from random import Random

import pytest

from prismq_worker_sdk.testing.prismq_client import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.application import Application
from prismq_worker_sdk.testing.prismq_client.call import Request
from prismq_worker_sdk.testing.prismq_client.store import Store
from prismq_worker_sdk.wire.dialects.prismq_client.claims import ORDERS
from prismq_worker_sdk.wire.messages import HttpRequest
from tests.simulator.model_prismq_client import ModelPrismqClient

TYPES = ("Simulated.Work", "Simulated.Child")
TIMEOUT, MOST = 60.0, 3
START = 1_795_435_200.0
SAID_BY_BOTH = {"id", "type", "attempts", "status", "claimed_by", "deduplicated"}


class Both:
    """The two servers, asked the same."""

    def __init__(self, tasks):
        self.now = 0.0
        self.model = ModelPrismqClient(exchange=False, claim_timeout=TIMEOUT, types=TYPES)
        self._store = Store(":memory:")
        deployment = PrismqClientDeployment(claim_timeout=TIMEOUT, max_attempts=MOST)
        self._kit = Application(deployment, self._store, lambda: START + self.now)
        for name in TYPES:
            body = {"name": name, "version": "1", "param_schema": {"type": "object"}}
            self._of_kit("POST", ("task-types", "register"), body)
        for number in range(1, tasks + 1):
            self.model.add(str(number), TYPES[0], max_attempts=MOST)
            self._of_kit("POST", ("tasks",), {"type": TYPES[0], "params": {"task": str(number)}})

    def close(self):
        self._store.close()

    def asked(self, method, *segments, body=None, query=()):
        """What both say; they say the same."""
        text = None if body is None else json.dumps(body)
        one = self.model.handle(HttpRequest("call", method, segments, text, query), self.now)
        two = self._of_kit(method, segments, body, query)
        assert (one.status, said(one.json)) == (two.status, said(json.loads(two.body)))
        return one.json

    def _of_kit(self, method, segments, body=None, query=()):
        words = "&".join(f"{name}={value}" for name, value in query)
        data = b"" if body is None else json.dumps(body).encode()
        return self._kit.answer(Request(method, f"/api/{'/'.join(segments)}", words, {}, data, "127.0.0.1"))


def said(body):
    """What both servers say of a thing, its ids as texts; what was made within one second is listed in any order."""
    if not body["success"]:
        return body["error"]
    items = body["data"].get("items", [body["data"]])
    told = [{name: value for name, value in one.items() if name in SAID_BY_BOTH} for one in items]
    return sorted(({**one, "id": str(one["id"])} for one in told), key=lambda one: one["id"])


@pytest.mark.parametrize("seed", range(40))
def test_the_model_and_the_kit_s_server_answer_alike(seed):
    rng = Random(seed)
    both = Both(rng.randint(1, 4))
    owners = ["w/0"]
    for step in range(60):
        both.now += float(rng.choice((0, 1, 7, 61)))
        task = str(rng.randint(1, 4))
        match rng.choice(
            ("claim", "claim", "complete", "fail", "progress", "look", "list", "type", "create")
        ):
            case "claim":
                owners.append(f"w/{step}")
                order = ORDERS[rng.choice(tuple(ORDERS))]
                body = {"worker_id": owners[-1], "task_type_id": 1, **order}
                both.asked("POST", "tasks", "claim", body=body)
            case "complete":
                body = {"worker_id": rng.choice(owners[-3:]), "success": True, "result": {"n": step}}
                both.asked("POST", "tasks", task, "complete", body=body)
            case "fail":
                body = {"worker_id": rng.choice(owners[-3:]), "success": False, "error": f"broken {step}"}
                both.asked("POST", "tasks", task, "complete", body=body)
            case "progress":
                body = {"worker_id": rng.choice(owners[-3:]), "progress": step}
                both.asked("POST", "tasks", task, "progress", body=body)
            case "look":
                both.asked("GET", "tasks", rng.choice((task, "999")))
            case "type":
                both.asked("GET", "task-types", rng.choice((*TYPES, "Simulated.None")))
            case "create":
                params = {"n": rng.randint(0, 2), "prismq_run_key": f"child:{task}:x:1"}
                both.asked("POST", "tasks", body={"type": TYPES[1], "params": params})
            case "list":
                both.asked("GET", "tasks", query=(("status", "claimed"), ("type", TYPES[0])))
    both.close()
