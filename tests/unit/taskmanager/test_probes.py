"""What a supervisor asks a TaskManager, at its root and without a key."""

import asyncio

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.db.transactions import Writer
from prismq_worker_sdk.taskmanager.listening import PREFIX
from prismq_worker_sdk.taskmanager.routes import probes
from tests.support.api import running_api


@pytest.fixture
def api(tmp_path):
    """A server with a key, which nobody here sends."""
    with running_api(tmp_path, keys=(ApiKey.of("some-long-key-of-the-file", Scope.ADMIN),)) as api:
        yield api


def ask(api, path, method="GET"):
    return api.session.request(method, api.url.removesuffix(PREFIX) + path, timeout=20)


def asked(api, path):
    answer = ask(api, path)
    return answer.status_code, answer.json()


def test_a_server_that_works_is_live_and_ready_for_whoever_asks(api):
    assert asked(api, "/healthz") == (200, {"live": True, "reasons": []})
    assert asked(api, "/readyz") == (200, {"ready": True, "reasons": []})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_head_request_gets_the_status_alone(api, path):
    answer = ask(api, path, "HEAD")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(ask(api, path).content)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent_to_them(api, path, method):
    assert ask(api, path, method).status_code == 405


def test_a_database_that_hangs_makes_it_unready_and_leaves_it_live(api, monkeypatch):
    async def hangs(_self, _operation):
        await asyncio.Event().wait()

    monkeypatch.setattr(Writer, "run", hangs)
    monkeypatch.setattr(probes, "PATIENCE", 0.05)

    said = "the database has not answered within 0.05 s"
    assert asked(api, "/readyz") == (503, {"ready": False, "reasons": [said]})
    assert asked(api, "/healthz")[0] == 200


def test_a_database_that_fails_makes_it_unready_and_says_nothing_of_where_it_is(api, monkeypatch):
    async def fails(_self, _operation):
        raise OperationalError("BEGIN", {}, Exception("no room on db.internal"))

    monkeypatch.setattr(Writer, "run", fails)

    assert asked(api, "/readyz") == (
        503,
        {"ready": False, "reasons": ["the database cannot be used now; the log says why"]},
    )


def test_one_look_serves_all_who_ask_within_a_second(api, monkeypatch):
    real, looks = Writer.run, []

    async def counted(self, operation):
        looks.append(operation)
        return await real(self, operation)

    monkeypatch.setattr(Writer, "run", counted)
    monkeypatch.setattr(probes, "SHOWN_FOR", 3600.0)
    for _ in range(5):
        assert asked(api, "/readyz")[0] == 200

    assert len(looks) == 1


def test_a_server_whose_writer_has_ended_is_not_live(api, monkeypatch):
    monkeypatch.setattr(Writer, "works", property(lambda _self: False))

    assert asked(api, "/healthz") == (
        503,
        {"live": False, "reasons": ["a thread that writes to the database has ended"]},
    )


def test_after_its_end_a_writer_works_no_more(api):
    writer = api.chore(_writer_that_ended)

    assert not writer.works


async def _writer_that_ended(state):
    writer = Writer(state.database)
    assert writer.works
    assert await writer.run(lambda db, _now: db.scalar(sa.text("SELECT 1"))) == 1
    writer.close()
    return writer


def test_probes_are_no_part_of_the_api(api):
    key = {"X-API-Key": "some-long-key-of-the-file"}
    assert requests.get(api.url + "/readyz", headers=key, timeout=20).status_code == 404
