import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.support.prismq_client import running_prismq_client
from tests.support.processes import wait_until

BODY = b'{"answer": "' + b"x" * 200 + b'"}'


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list

    def do_POST(self):
        self.seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *parts):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Echo,), {"seen": []})
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    running.seen = handler.seen
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def proxy(server):
    with FaultProxy(f"http://127.0.0.1:{server.server_port}/api") as running:
        yield running


def post(proxy, path="/tasks/claim"):
    session = requests.Session()
    session.trust_env = False
    with session:
        return session.post(proxy.url + path, data=b"hello", timeout=20, allow_redirects=False)


def test_without_a_plan_everything_passes_whole(proxy, server):
    answer = post(proxy)

    assert (answer.status_code, answer.content) == (200, BODY)
    assert server.seen == [("/api/tasks/claim", b"hello")]
    assert proxy.counts == {"passed": 1}


@pytest.mark.parametrize(
    ("kind", "reaches"),
    [
        (Disturbance.RESET_BEFORE, False),
        (Disturbance.RESET_AFTER, True),
        (Disturbance.LOST_ANSWER, True),
        (Disturbance.CUT_BODY, True),
    ],
)
def test_a_broken_connection_reaches_the_server_or_not_as_its_name_says(proxy, server, kind, reaches):
    proxy.plan = FaultPlan(share=1.0, kinds=(kind,))
    with pytest.raises(requests.RequestException):
        post(proxy)
    proxy.plan = FaultPlan()

    wait_until(lambda: len(server.seen) == int(reaches), "the request at the server")
    assert post(proxy).status_code == 200
    assert proxy.counts[kind] == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Disturbance.HTTP_500, 500),
        (Disturbance.HTTP_503, 503),
        (Disturbance.HTML, 502),
        (Disturbance.REDIRECT, 301),
    ],
)
def test_an_answer_of_the_way_itself_never_reaches_the_server(proxy, server, kind, status):
    proxy.plan = FaultPlan(share=1.0, kinds=(kind,))

    assert post(proxy).status_code == status
    assert server.seen == []


@pytest.mark.parametrize("kind", [Disturbance.DELAY, Disturbance.TRICKLE])
def test_a_slow_answer_is_whole(proxy, kind):
    proxy.plan = FaultPlan(share=1.0, kinds=(kind,), seconds=0.01)

    assert post(proxy).content == BODY
    assert proxy.counts == {kind: 1}


@pytest.mark.parametrize("kind", [None, Disturbance.DELAY, Disturbance.TRICKLE])
def test_an_answer_that_does_not_tell_its_length_passes_whole_and_ends_its_connection(
    proxy, server, monkeypatch, kind
):
    monkeypatch.setattr(server.RequestHandlerClass, "do_POST", answer_without_length)
    proxy.plan = FaultPlan(share=0.0 if kind is None else 1.0, kinds=(kind,), seconds=0.01)

    assert [post(proxy).content for _ in range(2)] == [BODY] * 2


def answer_without_length(handler):
    """As `php -S` answers: the head and the body apart, the end of the connection is the end of the body."""
    handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.flush()
    handler.wfile.write(BODY)


def test_a_plan_touches_only_the_requests_it_names_and_repeats_itself(proxy):
    def completes(_method, path, _body):
        return path.endswith("/complete")

    first, again = (FaultPlan(share=0.5, where=completes, seed=7) for _ in range(2))
    chosen = [first.choose("POST", "/api/tasks/1/complete") for _ in range(50)]

    assert [again.choose("POST", "/api/tasks/1/complete") for _ in range(50)] == chosen
    assert 0 < sum(kind is not None for kind in chosen) < 50
    assert all(first.choose("POST", "/api/tasks/claim") is None for _ in range(50))


def test_a_server_that_is_away_is_a_closed_connection(server):
    server.socket.close()
    with (
        FaultProxy(f"http://127.0.0.1:{server.server_port}") as proxy,
        pytest.raises(requests.ConnectionError),
    ):
        post(proxy)


def test_an_answer_without_a_body_is_not_waited_for_to_its_end(proxy, server, monkeypatch):
    def nothing(handler):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.send_response(204)
        handler.end_headers()

    monkeypatch.setattr(server.RequestHandlerClass, "do_POST", nothing)
    session = requests.Session()
    session.trust_env = False
    with session:
        answers = [session.post(proxy.url, data=b"hello", timeout=20) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]


def test_answers_in_chunks_are_carried_whole_cut_and_on_a_connection_that_stays_open():
    with (
        running_prismq_client(apache=True) as api,
        FaultProxy(api.url) as proxy,
        requests.Session() as session,
    ):
        session.trust_env = False
        number = api.create({"text": "x" * 9000})
        for _ in range(2):
            answer = session.get(f"{proxy.url}/tasks/{number}", timeout=20)
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.json()["data"]["items"][0]["params"] == {"text": "x" * 9000}
        proxy.plan = FaultPlan(share=1.0, kinds=(Disturbance.CUT_BODY,))
        with pytest.raises(requests.RequestException):
            session.get(f"{proxy.url}/tasks/{number}", timeout=20)

    assert proxy.counts == {"passed": 2, Disturbance.CUT_BODY: 1}


def test_a_request_in_chunks_is_carried_whole():
    with running_prismq_client() as api, FaultProxy(api.url) as proxy, requests.Session() as session:
        session.trust_env = False
        number = api.create({"text": "a"})
        api.claim()
        parts = iter([b'{"worker_id": "w1", ', b'"progress": 40}'])
        answer = session.post(f"{proxy.url}/tasks/{number}/progress", data=parts, timeout=20)

    assert answer.json()["data"]["progress"] == 40
