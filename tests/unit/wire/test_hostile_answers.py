"""Answers no honest server gives."""

import json

import pytest

from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, Probe, ServerInfo, Unreachable
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.dialects.v1.base import read_bundle
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport
from tests.support.raw_server import answer, raw_server, says

COMPLETE = HttpRequest("complete", "POST", ("tasks", "t", "complete"), '{"worker_id":"w","result":1}')
SANE = {"max_tasks": 8, "max_bytes": 1024, "max_wait_seconds": 10, "lease_seconds": 60}


def sent(data):
    with raw_server(says(data)) as server:
        transport = Transport(server.url, key=lambda: None, timeouts=Timeouts(default=5.0, calls={}))
        found = transport.send(COMPLETE)
        transport.close()
    return found


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-0x2", b"-ffffffffffffffff"])
def test_a_chunk_of_negative_size_is_no_answer(size):
    body = size + b'\r\n{"status": "success"}\r\n0\r\n\r\n'
    found = sent(answer(200, body, content_length=None, transfer_encoding="chunked"))

    assert isinstance(found, Unreachable)
    assert found.maybe_seen


def test_sane_capabilities_are_taken_as_they_are():
    found = read_bundle(SANE)

    assert (found.max_tasks, found.max_reports, found.max_wait_seconds) == (8, 8, 10.0)
    assert found.max_request_bytes == 1024


def test_absurd_capabilities_are_believed_up_to_a_bound():
    found = read_bundle(dict.fromkeys(SANE, 10**30))

    assert (found.max_tasks, found.max_reports) == (1024, 1024)
    assert (found.max_wait_seconds, found.lease_seconds) == (60.0, 86400.0)
    assert found.max_request_bytes == 2**31


@pytest.mark.parametrize(
    "said",
    [
        {"max_tasks": 0},
        {"max_tasks": -3},
        {"max_tasks": "8"},
        {"max_tasks": True},
        {"max_tasks": float("nan")},
        {"max_bytes": float("inf")},
        {"max_bytes": 0},
        {"max_wait_seconds": -1},
        {"lease_seconds": 0},
        {"lease_seconds": None},
    ],
)
def test_a_bundle_with_a_number_that_is_none_does_not_count(said):
    assert read_bundle(SANE | said) is None


@pytest.mark.parametrize("said", [None, [], "exchange", 7, {}])
def test_what_is_no_bundle_does_not_count(said):
    assert read_bundle(said) is None


@pytest.mark.parametrize("key", ['se"cret/with\\signs', "sch\u00fcssel-geheim", "a/b/c-secret"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("slash", [False, True])
def test_a_key_that_an_error_repeats_escaped_as_json_is_taken_out(key, ascii_only, slash):
    body = json.dumps({"detail": f"the key {key} is wrong"}, ensure_ascii=ascii_only)
    body = body.replace("/", "\\/") if slash else body
    with raw_server(says(answer(401, body.encode()))) as server:
        client = WireClient(server.url, key=lambda: key)
        found = client.perform(Probe())
        client.close()

    assert found.reason == "the key [redacted] is wrong"


@pytest.mark.parametrize("key", ["detail", "error", "status", "healthy", "tasks", "application"])
def test_an_answer_is_read_before_a_key_that_is_a_word_is_taken_out_of_what_is_told(key):
    good = answer(200, b'{"status": "healthy"}')
    with raw_server(says(good, answer(404, b'{"detail": "no tasks"}'))) as server:
        client = WireClient(server.url, key=lambda: key)
        found = [client.perform(Probe()), client.perform(ExchangeRequest(claim=ClaimWork("w", ("T",))))]
        client.close()

    assert isinstance(found[0], ServerInfo)
    assert found[1].tasks == ()
