"""The API key shows up nowhere."""

from __future__ import annotations

import logging
import traceback

import pytest

from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.sandbox import FAULTS
from prismq_youtube_shorts.sandbox.api import ANSWERS
from prismq_youtube_shorts.transport import redact_client_logs

CANARY = "canary-key-that-nobody-may-see"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET http://x/search?q=a&key=SECRET1&alt=json", "GET http://x/search?q=a&key=[redacted]&alt=json"),
        ("url?key%3DSECRET1", "url?key%3D[redacted]"),
        (f"the key AIza{'Sy-1_' * 7} is bad", "the key [redacted] is bad"),
        ("monkey=banana, a keyboard", "monkey=banana, a keyboard"),
    ],
)
def test_a_key_that_googles_client_logs_is_scrubbed_by_parameter_and_by_shape(caplog, text, shown):
    redact_client_logs()

    logging.getLogger("googleapiclient.http").warning("%s", text)

    assert caplog.messages == [shown]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "stall"])
def test_no_error_and_no_log_of_any_trouble_carries_the_key(make_sandbox, make_client, caplog, fault):
    caplog.set_level(logging.DEBUG)
    sandbox = make_sandbox(key=CANARY)
    client = make_client(sandbox)
    sandbox.faults.add(fault, times=None)

    told = ""
    try:
        client.find()
        client.videos(["standin0001"])
    except HandlerSignal as error:
        told = "".join(traceback.format_exception(error)) + repr(error)

    assert CANARY in sandbox.requests[0].params["key"]
    assert CANARY not in told
    assert CANARY not in caplog.text


def test_an_error_body_that_repeats_the_key_is_scrubbed(make_sandbox, make_client, monkeypatch):
    error = {"message": f"the key {CANARY} is not valid", "errors": [{"reason": "keyInvalid"}]}
    monkeypatch.setitem(ANSWERS, "key_bad", (400, {"error": error}))

    with pytest.raises(HandlerSignal) as caught:
        make_client(make_sandbox(), key=CANARY).find()

    assert "the key [redacted] is not valid" in str(caught.value)


def test_googles_client_logs_its_urls_without_the_key(make_sandbox, make_client, caplog):
    caplog.set_level(logging.DEBUG)
    make_client(make_sandbox(key=CANARY)).find()

    assert "URL being requested" in caplog.text
    assert "key=[redacted]" in caplog.text
    assert CANARY not in caplog.text


def test_guarding_twice_is_guarding_once():
    redact_client_logs()
    before = list(logging.getLogger("googleapiclient.http").filters)

    redact_client_logs()

    assert logging.getLogger("googleapiclient.http").filters == before
