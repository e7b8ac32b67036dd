import json

import pytest

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.log import LogLine, LogPart
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower, Released
from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, Probe, Renewal
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.dialects.v1.base import read_health
from prismq_worker_sdk.wire.messages import HttpReply
from tests.support.api import running_api
from tests.support.golden import BUNDLE, PLACES, filled, hold, hold_body, instants_alike, named, same, told
from tests.support.raw_server import answer, raw_server, says

EXCHANGES, STATES = BUNDLE["exchanges"], BUNDLE["states"]
KEYED = "a key is wanted"
OPEN = [exchange for exchange in EXCHANGES if exchange["given"] not in {None, KEYED}]
SHUT = [exchange for exchange in EXCHANGES if exchange["given"] == KEYED]
LONG = {name: "x" * place["length"] for name, place in PLACES.items() if place["is"] == "long"}
LEASE = 60.0


def json_text(value):
    return json.dumps(value, ensure_ascii=False)


def identity(said):
    return Identity("http://h/api", "v1", said["task_id"], "Golden.Task", "digest", "worker-1", said["token"])


def outcome(said):
    if "completed" in said:
        return Completed(json_text(said["completed"]))
    return Failed(**said["failed"]) if "failed" in said else Released(**said["released"])


def log(said):
    found = said.get("log")
    return found and LogPart(
        found["first"], tuple(LogLine(**line) for line in found["lines"]), found["logged"]
    )


def report(said):
    children = [
        Child(**{**child, "params": json_text(child["params"])}) for child in said.get("children", [])
    ]
    if "follower" in said:
        follower = said["follower"]
        children.append(Follower("then", **{**follower, "params": json_text(follower["params"])}))
    checkpoint = json_text(said["checkpoint"]) if "checkpoint" in said else None
    return Report(1, identity(said), outcome(said), tuple(children), checkpoint=checkpoint, log=log(said))


def renewal(said):
    checkpoint = json_text(said["checkpoint"]) if "checkpoint" in said else None
    return Renewal(identity(said), said.get("progress"), said.get("message", ""), checkpoint, log(said))


def model_call(call):
    if "probe" in call:
        return Probe()
    said = call["exchange"]
    claim = said.get("claim")
    return ExchangeRequest(
        tuple(map(report, said.get("reports", []))),
        claim and ClaimWork(said["worker_id"], **{**claim, "task_types": tuple(claim["task_types"])}),
        tuple(map(renewal, said.get("renewals", []))),
        said["worker_id"],
        said.get("request_id", ""),
    )


@pytest.mark.parametrize("exchange", EXCHANGES, ids=named)
def test_the_client_makes_the_golden_request_and_reads_the_golden_answer(exchange):
    golden = filled(exchange)
    said, wanted = golden["answer"], golden["request"]
    headers = {name.replace("-", "_"): value for name, value in said["headers"].items()}
    with raw_server(says(answer(said["status"], json_text(said["body"]).encode(), **headers))) as server:
        client = WireClient(server.url, key=lambda: golden.get("key"))
        health = filled(EXCHANGES[0])["answer"]["body"]
        health["capabilities"]["fan_in"] = True
        client.use(read_health(HttpReply(200, json_text(health).encode())))
        value = client.perform(model_call(golden["call"]))
        client.close()
    (asked,) = server.asked

    assert (asked.method, asked.path) == (wanted["method"], f"/api{wanted['path']}")
    assert {name: asked.headers.get(name) for name in ("content-type", "x-api-key")} == {
        name: wanted["headers"].get(name) for name in ("content-type", "x-api-key")
    }
    assert same(json.loads(asked.body or "null"), wanted.get("body"))
    assert instants_alike(told(value)) == instants_alike(golden["value"])


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("open"), lease_seconds=LEASE) as api:
        yield api


@pytest.fixture(scope="module")
def shut_server(tmp_path_factory):
    keys = tuple(ApiKey.of(BUNDLE["keys"][str(scope)], scope) for scope in (Scope.WORKER, Scope.PRODUCER))
    with running_api(tmp_path_factory.mktemp("shut"), lease_seconds=LEASE, keys=keys) as api:
        yield api


@pytest.fixture
def empty_server(open_server):
    """The open server, with an end made of every task that was left on it, and its workers at work."""
    for status in ("pending", "processing"):
        for left in open_server.call("GET", f"/tasks?status={status}").json()["tasks"]:
            open_server.call("POST", f"/tasks/{left['id']}/cancel")
    open_server.clock.turn(LEASE + 1)
    for worker in open_server.call("GET", "/workers").json()["workers"]:
        open_server.call("POST", f"/workers/{worker['worker_id']}/resume")
    return open_server


def brought(api, state):
    """Brings a server into a state; the places that it filled in."""
    known = {}
    for step in STATES[state]:
        if isinstance(step, str):
            known |= brought(api, step)
        elif "seconds" in step:
            api.clock.turn(step["seconds"])
        else:
            known |= taken(api, step, known)
    return known


def taken(api, step, known):
    method, path = ("PUT", step["put"]) if "put" in step else ("POST", step["post"])
    said = api.call(method, filled(path, known), filled(step["body"], known))
    assert said.status_code in {200, 201}, said.text
    return {place: at(said.json(), path) for place, path in step.get("keep", {}).items()}


def at(body, path):
    for step in path.split("/"):
        body = body[int(step) if step.isdecimal() else step]
    return body


@pytest.mark.parametrize("exchange", OPEN, ids=named)
def test_the_embedded_taskmanager_gives_the_golden_answer(empty_server, exchange):
    known = brought(empty_server, exchange["given"])
    hold(empty_server.session, empty_server.url, exchange, known | LONG, open_levels=2)
    for path, wanted in exchange.get("leaves", {}).items():
        shown = empty_server.call("GET", filled(path, known)).json()
        hold_body(shown, wanted, known, open_levels=2)


@pytest.mark.parametrize("exchange", SHUT, ids=named)
def test_the_embedded_taskmanager_that_wants_a_key_gives_the_golden_answer(shut_server, exchange):
    hold(shut_server.session, shut_server.url, exchange, {}, open_levels=2)


def test_the_golden_exchanges_cover_every_verdict_outcome_order_and_error():
    text = json_text(EXCHANGES)
    bundle = {str(verdict) for verdict in Verdict if verdict not in {Verdict.CONFLICT, Verdict.MISSING}}
    words = {*bundle, "renewed", "cancel", "completed", "failed", "released", "run", "quiet", "terminate"}

    assert [word for word in sorted(words) if f'"{word}"' not in text] == []
    assert {exchange["answer"]["status"] for exchange in EXCHANGES} >= {200, 401, 403, 413, 422}


def test_every_golden_exchange_has_a_name_of_its_own_and_every_state_is_used():
    names = [exchange["name"] for exchange in EXCHANGES]
    used = {exchange["given"] for exchange in EXCHANGES} | {
        step for steps in STATES.values() for step in steps if isinstance(step, str)
    }

    assert len(set(names)) == len(names)
    assert used - {None} == STATES.keys()
