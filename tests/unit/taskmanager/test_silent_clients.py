"""Clients that do not get on with their request, and a server that has no descriptors left."""

import asyncio
import errno
import logging
import socket
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.taskmanager import server
from prismq_worker_sdk.taskmanager.silent import SilentClients
from tests.support.api import TYPE, running_api

HEAD = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def impatient(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "CLIENT_SECONDS", 0.2)
    monkeypatch.setattr(server, "LOOK_TICKS", 1)
    with running_api(tmp_path) as api:
        yield api


class Client:
    cycle = None


def request(*, complete=False, more_body=False):
    return SimpleNamespace(response_complete=complete, more_body=more_body)


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_client_that_does_not_get_on_is_hung_up_on(impatient, sent):
    port = int(impatient.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(sent)

        assert client.recv(1) == b""


def test_a_claim_that_waits_is_not_silent(impatient):
    body = {"worker_id": "w1", "claim": {"task_types": [TYPE], "wait_seconds": 1}}

    assert impatient.call("POST", "/tasks/exchange", body).status_code == 200


def test_each_request_has_its_own_time():
    silent, client = SilentClients(10), Client()
    assert silent.found([client], 0) == []

    client.cycle = request(more_body=True)
    assert silent.found([client], 9) == []
    assert silent.found([client], 18) == []
    assert silent.found([client], 19) == [client]


def test_who_waits_for_an_answer_is_never_silent():
    silent, client = SilentClients(10), Client()
    client.cycle = request()

    assert [silent.found([client], now) for now in (0, 100)] == [[], []]


def test_descriptors_that_run_out_are_told_of_once(tmp_path, caplog):
    async def run_out(_state):
        for _ in range(3):
            context = {"message": "accept", "exception": OSError(errno.EMFILE, "Too many open files")}
            asyncio.get_running_loop().call_exception_handler(context)

    with running_api(tmp_path) as api, caplog.at_level(logging.ERROR):
        api.chore(run_out)

    assert [(one.name, one.exc_info) for one in caplog.records] == [("prismq.taskmanager", None)]
