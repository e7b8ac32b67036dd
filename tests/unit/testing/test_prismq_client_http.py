"""The stand-in of the server in production: HTTP, and the middleware before the application."""

import http.client
import json
import socket
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer
from tests.support.prismq_client import NOON, good, running_prismq_client, send

KEY = "some-long-key"


@pytest.fixture
def api():
    with running_prismq_client() as caller:
        yield caller


@pytest.fixture
def limited():
    with running_prismq_client(rate_limit=2, rate_window=60) as caller:
        yield caller


def statuses(caller, paths, **options):
    return [caller.get(path, **options).status for path in paths]


def test_behind_apache_answers_come_in_chunks_on_a_connection_that_only_a_500_closes():
    with running_prismq_client(apache=True, key="canary") as api:
        place = urlsplit(api.url)
        line = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        body = json.dumps({"worker_id": "w", "task_type_id": 1})
        seen = []
        for method, path, sent in (
            ("GET", "/tasks", None),
            ("GET", "/tasks", None),
            ("POST", "/tasks/claim", body),
        ):
            line.request(method, place.path + path, sent, {"X-API-Key": "canary "})
            answer = line.getresponse()
            json.loads(answer.read())
            seen.append(
                (answer.status, answer.getheader("transfer-encoding"), answer.getheader("connection"))
            )
        line.close()

    assert seen == [(200, "chunked", None), (200, "chunked", None), (500, "chunked", "close")]


def test_apache_answers_a_slash_in_a_path_by_itself():
    with running_prismq_client(apache=True) as api:
        said = api.get("/task-types/a%2Fb")

    assert (said.status, said.headers["content-type"]) == (404, "text/html; charset=UTF-8")


def test_the_details_of_a_validation_error_stand_at_its_end():
    with running_prismq_client() as api:
        said = api.post("/tasks/claim", {"task_type_id": 1})

    assert list(said.json()) == ["success", "error", "timestamp", "details"]


def test_an_answer_ends_with_its_connection_and_does_not_say_how_long_it_is(api):
    with socket.create_connection(("127.0.0.1", api.server.port), timeout=20) as line:
        line.sendall(b"GET /api/health HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
        said = b"".join(iter(lambda: line.recv(4096), b""))
    head, body = said.split(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close" in head
    assert b"content-length" not in head.lower()
    assert json.loads(body)["data"]["status"] == "healthy"


def test_every_answer_has_the_headers_that_were_measured(api):
    for path in ("/health", "/tasks", "/nowhere"):
        headers = api.get(path).headers

        assert headers["cache-control"] == "no-store, no-cache, must-revalidate, max-age=0"
        assert headers["x-powered-by"] == "PHP/8.2.36"
        assert headers["access-control-allow-origin"] == "*"
        assert headers["content-type"] == "application/json"


def test_text_is_not_escaped(api):
    task_id = api.create({"text": "ž🐍 a/b"})

    assert '"text":"ž🐍 a/b"'.encode() in api.get(f"/tasks/{task_id}").body


def test_a_body_in_chunks_is_read(api):
    api.register()
    line = http.client.HTTPConnection("127.0.0.1", api.server.port, timeout=20)
    body = json.dumps({"type": "Test.Some", "params": {"n": 1}}).encode()
    line.request("POST", "/api/tasks", iter([body[:10], body[10:]]), encode_chunked=True)
    said = line.getresponse()
    status, found = said.status, json.loads(said.read())
    line.close()

    assert (status, found["data"]["status"]) == (200, "pending")


def test_a_request_that_was_cut_does_nothing(api):
    task_id = api.create()
    api.claim()
    body = b'{"worker_id":"w1","success":true}'
    with socket.create_connection(("127.0.0.1", api.server.port), timeout=20) as line:
        head = f"POST /api/tasks/{task_id}/complete HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body) + 1}\r\n\r\n"
        line.sendall(head.encode() + body)
        line.shutdown(socket.SHUT_WR)
        said = line.recv(4096)

    assert said == b""
    assert api.show(task_id)["status"] == "claimed"


def test_a_body_in_chunks_is_not_measured():
    with running_prismq_client(max_request_bytes=100) as api:
        api.register()
        line = http.client.HTTPConnection("127.0.0.1", api.server.port, timeout=20)
        body = json.dumps({"type": "Test.Some", "params": {"n": "x" * 100}}).encode()
        line.request("POST", "/api/tasks", iter([body]), encode_chunked=True)
        status = line.getresponse().status
        line.close()

        assert status == 200
        assert api.post("/tasks", {"type": "Test.Some", "params": {"n": "x" * 100}}).status == 413


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a_method_that_a_path_does_not_have_finds_nothing(method, api):
    said = send(api.url, method, "/tasks/1")

    assert (said.status, said.error) == (404, "Endpoint not found")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_pages_about_the_api_want_no_key_and_count_against_no_limit(path):
    with running_prismq_client(key=KEY, rate_limit=1) as api:
        assert statuses(api, [path] * 3) == [200, 200, 200]


def test_the_key_may_come_under_its_name_in_any_case():
    with running_prismq_client(key=KEY) as api:
        assert api.get("/tasks", headers={"x-API-kEY": KEY}).status == 200
        assert api.get("/tasks").status == 401


def test_security_headers_come_with_a_middleware_that_is_configured():
    with running_prismq_client(key=KEY) as api:
        assert api.get("/tasks").headers["x-content-type-options"] == "nosniff"
    with running_prismq_client() as api:
        assert "x-content-type-options" not in api.get("/tasks").headers


def test_each_path_has_a_limit_of_its_own(limited):
    assert statuses(limited, ["/tasks/1"] * 3) == [200, 200, 429]
    assert statuses(limited, ["/tasks/2", "/health"]) == [200, 200]


@pytest.mark.parametrize("path", ["/tasks/", "/api/tasks", "/tasks?limit=1"])
def test_another_spelling_of_a_path_opens_no_new_limit(path, limited):
    assert statuses(limited, ["/tasks", "/tasks", path]) == [200, 200, 429]


def test_a_client_that_says_where_it_comes_from_opens_a_new_limit(limited):
    assert statuses(limited, ["/health"] * 3) == [200, 200, 429]
    assert statuses(limited, ["/health"] * 3, headers={"x-forwarded-for": "203.0.113.7, 10.0.0.1"}) == [
        200,
        200,
        429,
    ]
    assert statuses(limited, ["/health"], headers={"x-real-ip": "203.0.113.8"}) == [200]
    assert statuses(limited, ["/health"], headers={"x-real-ip": "203.0.113.7"}) == [429]


def test_a_window_begins_with_its_first_request_and_ends_whatever_came_in_it(limited):
    assert statuses(limited, ["/health"] * 3) == [200, 200, 429]
    limited.server.age(60)
    last = limited.get("/health")
    limited.server.age(1)
    next_window = limited.get("/health")

    assert (last.status, last.headers["retry-after"], last.json()["retry_after"]) == (429, "0", 0)
    assert (next_window.status, next_window.headers["x-ratelimit-remaining"]) == (200, "1")


def test_each_answer_tells_what_is_left_of_the_limit(limited):
    told = [limited.get("/health").headers for _ in range(3)]

    assert [headers["x-ratelimit-remaining"] for headers in told] == ["1", "0", "0"]
    assert {headers["x-ratelimit-limit"] for headers in told} == {"2"}
    assert {headers["x-ratelimit-reset"] for headers in told} == {"1795435260"}
    assert "retry-after" not in told[1]


def test_the_date_of_an_answer_is_by_the_clock_that_its_limit_goes_by(limited):
    limited.server.age(3600)
    said = limited.get("/health")

    date = parsedate_to_datetime(said.headers["date"]).timestamp()
    assert date == NOON + 3600
    assert int(said.headers["x-ratelimit-reset"]) == date + 60


def test_a_refused_key_counts_against_the_limit():
    with running_prismq_client(key=KEY, rate_limit=2) as api:
        assert statuses(api, ["/tasks"] * 3) == [401, 401, 429]


def test_a_test_sees_every_request_that_came(api):
    task_id = api.create()
    api.claim()
    api.complete(task_id)
    api.get("/tasks?limit=1")

    assert api.server.requests == (
        ("POST", "/task-types/register"),
        ("POST", "/tasks"),
        ("POST", "/tasks/claim"),
        ("POST", f"/tasks/{task_id}/complete"),
        ("GET", "/tasks"),
    )


def test_a_port_that_is_taken_is_told(api):
    with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{api.server.port} cannot be used"):
        PrismqClientServer(port=api.server.port)


def test_a_server_that_never_served_can_be_stopped():
    server = PrismqClientServer()
    server.stop()
    server.stop()


def test_a_file_keeps_the_tasks_of_a_server_that_ended(tmp_path):
    options = {"database": tmp_path / "tasks.db"}
    with running_prismq_client(**options) as api:
        task_id = api.create()
        api.claim()
    with running_prismq_client(**options) as api:
        assert good(api.complete(task_id))["status"] == "completed"
        assert api.steps(task_id) == [("created", None), ("claimed", "w1"), ("completed", "w1")]


def test_a_database_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(SettingsError, match="unable to open database file"):
        PrismqClientServer(PrismqClientDeployment(database=tmp_path / "no-such-folder" / "tasks.db"))
