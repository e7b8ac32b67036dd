import json

import pytest

from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, Probe
from prismq_worker_sdk.wire.client import WireClient
from tests.support.dialect import report
from tests.support.golden import EXCHANGES, filled, instants_alike, named, same, told
from tests.support.raw_server import answer, raw_server, says

ROWS = {
    ("probe", 200),
    ("claim", 200),
    ("claim", 404),
    ("claim", 409),
    ("claim", 500),
    *((call, status) for call in ("complete", "fail") for status in (200, 404, 409)),
}


def model_call(call):
    ((name, said),) = call.items()
    if name == "probe":
        return Probe()
    if name == "claim":
        return ExchangeRequest(claim=ClaimWork(said["worker_id"], tuple(said["task_types"])))
    outcome = (
        Completed(json.dumps(said["result"], ensure_ascii=False))
        if name == "complete"
        else Failed(said["error"])
    )
    return ExchangeRequest(reports=(report(outcome, task_id=said["task_id"], worker_id=said["worker_id"]),))


def own_part(name, value):
    """What became of the call itself: an exchange holds it among others."""
    if name == "probe":
        return value
    return value.tasks if name == "claim" else value.reports[0]


def carried_out(exchange):
    golden = filled(exchange)
    said = golden["answer"]
    body = said["text"].encode() if "text" in said else json.dumps(said["body"], ensure_ascii=False).encode()
    headers = {name.replace("-", "_"): value for name, value in said["headers"].items()}
    with raw_server(says(answer(said["status"], body, **headers))) as server:
        client = WireClient(server.url, key=lambda: golden.get("key"))
        value = client.perform(model_call(golden["call"]))
        client.close()
    (asked,) = server.asked
    return golden, asked, own_part(next(iter(golden["call"])), value)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=named)
def test_the_client_makes_the_golden_request_and_reads_the_golden_answer(exchange):
    golden, asked, value = carried_out(exchange)

    wanted = golden["request"]
    assert (asked.method, asked.path) == (wanted["method"], f"/api{wanted['path']}")
    assert {name: asked.headers.get(name) for name in ("content-type", "x-api-key")} == {
        name: wanted["headers"].get(name) for name in ("content-type", "x-api-key")
    }
    if "body" in wanted:
        assert same(json.loads(asked.body), wanted["body"])
    else:
        assert asked.body == b""
    assert instants_alike(told(value)) == instants_alike(golden["value"])


def test_the_golden_exchanges_cover_every_row_of_the_base():
    rows = {(next(iter(exchange["call"])), exchange["answer"]["status"]) for exchange in EXCHANGES}
    claims = [
        exchange["answer"]["body"] for exchange in EXCHANGES if exchange["name"].startswith("claim: a task")
    ]
    nothing = [exchange["answer"]["body"] for exchange in EXCHANGES if exchange["name"] == "claim: nothing"]

    assert rows >= ROWS
    assert claims
    assert nothing == [None]


def test_every_golden_exchange_has_a_name_of_its_own():
    names = [exchange["name"] for exchange in EXCHANGES]

    assert len(set(names)) == len(names)
