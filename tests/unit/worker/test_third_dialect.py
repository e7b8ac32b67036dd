"""A third dialect: a value in the tuple, and worker, producer, settings and doctor know it without being told more."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from prismq_worker_sdk import TaskManagerClient, Worker, WorkerSettings, task_handler
from prismq_worker_sdk.cli.doctor.command import results_of
from prismq_worker_sdk.cli.doctor.server import Doctor
from prismq_worker_sdk.errors import NotATaskManager, NotSupported, SettingsError
from prismq_worker_sdk.model.protocol import ExchangeResponse, Grant, ReportAnswer, ServerInfo, Unreachable
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.wire import dialects
from prismq_worker_sdk.wire.checks import Recorder, ok
from prismq_worker_sdk.wire.dialect import Dialect
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.producer_backend import Created, error_of

STATES = {"todo": TaskStatus.PENDING, "doing": TaskStatus.PROCESSING, "done": TaskStatus.COMPLETED}


class Toys:
    """A server that keeps a list of toys to be made; it speaks neither `v1` nor `prismq-client`."""

    def __init__(self):
        self.toys = []
        methods = {"do_GET": lambda call: self._get(call), "do_POST": lambda call: self._post(call)}
        quiet = {"log_message": lambda *_words: None, "protocol_version": "HTTP/1.1"}
        handler = type("Handler", (BaseHTTPRequestHandler,), methods | quiet)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/toys"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()

    def _get(self, call):
        name = call.path.removeprefix("/toys/")
        self._answer(call, {"toyshop": "open"} if name == "health" else self.toys[int(name)])

    def _post(self, call):
        body = json.loads(call.rfile.read(int(call.headers["content-length"])))
        verb = call.path.removeprefix("/toys/")
        if verb == "order":
            self.toys.append({"number": len(self.toys), "state": "todo", **body})
            return self._answer(call, self.toys[-1])
        if verb == "next":
            toy = next(
                (one for one in self.toys if one["state"] == "todo" and one["kind"] in body["kinds"]), None
            )
            if toy is not None:
                toy["state"] = "doing"
            return self._answer(call, toy)
        self.toys[body["number"]].update(state="done", made=body["made"])
        return self._answer(call, {})

    def _answer(self, call, said):
        data = json.dumps(said).encode()
        call.send_response(200)
        call.send_header("Content-Type", "application/json")
        call.send_header("Content-Length", str(len(data)))
        call.end_headers()
        call.wfile.write(data)


def read_health(reply):
    known = isinstance(reply.json, dict) and "toyshop" in reply.json
    return ServerInfo("toys", dialects.DIALECTS[0].capabilities) if known else None


def toy_task(toy):
    return Task(
        id=str(toy["number"]),
        type=toy["kind"],
        params=toy["wishes"],
        status=STATES[toy["state"]],
        result=toy.get("made"),
    )


def post(call, **body):
    return HttpRequest(call, "POST", (call,), json.dumps(body))


def exchange(call, _can):
    replies = []
    for report in call.reports:
        made = json.loads(report.outcome.result)
        answer = yield post("make", number=int(report.identity.task_id), made=made)
        replies.append(answer if isinstance(answer, Unreachable) else ReportAnswer(Verdict.ACCEPTED))
    tasks = ()
    if call.claim is not None:
        answer = yield post("next", kinds=call.claim.task_types)
        if isinstance(answer, Unreachable):
            tasks = answer
        elif answer.json is not None:
            tasks = (Grant(toy_task(answer.json)),)
    return ExchangeResponse(tuple(replies), tasks)


class Producer:
    def __init__(self, api_url):
        self.api_url = api_url

    def submit(self, wanted):
        answer = yield post("order", kind=wanted.task_type, wishes=dict(wanted.params))
        if isinstance(answer, Unreachable):
            raise error_of(answer, self.api_url)
        return Created(toy_task(answer.json), new=True)

    def get(self, task_id):
        return toy_task((yield HttpRequest("get", "GET", (task_id,))).json)

    def cancel(self, _task_id):
        raise NotSupported("toys are made, whatever happens")


TOYS = Dialect(
    name="toys",
    read_health=read_health,
    exchange=lambda: exchange,
    producer=Producer,
    finds_no_task=lambda _reply: False,
    check=lambda context: [
        ok("toys", f"{context.server.ask(HttpRequest('get', 'GET', ('0',))).json['kind']} is on order")
    ],
)


@task_handler("Toy.Car", params={"wheels": {"type": "integer"}})
def make_car(params, _ctx):
    return f"a car with {params['wheels']} wheels"


@pytest.fixture
def shop():
    with Toys() as server:
        yield server


@pytest.fixture
def third_dialect(monkeypatch):
    monkeypatch.setattr(dialects, "DIALECTS", (*dialects.DIALECTS, TOYS))


@pytest.mark.usefixtures("third_dialect")
@pytest.mark.parametrize("dialect", ["auto", "toys"])
def test_a_worker_and_a_producer_speak_the_dialect_that_was_put_into_the_tuple(shop, tmp_path, dialect):
    producer = TaskManagerClient(shop.url, dialect=dialect)
    car = producer.submit("Toy.Car", {"wheels": 3})
    settings = WorkerSettings(api_url=shop.url, dialect=dialect, state_dir=tmp_path, max_runs=1)

    assert Worker([make_car], settings=settings).run() == 0
    assert car.wait(5.0).result == "a car with 3 wheels"
    producer.close()


@pytest.mark.usefixtures("third_dialect")
def test_the_doctor_looks_at_what_the_dialect_says_on_a_server_that_speaks_it(shop, tmp_path):
    TaskManagerClient(shop.url).submit("Toy.Car", {"wheels": 4})
    config = WorkerSettings(api_url=shop.url, state_dir=tmp_path).config()
    doctor = Doctor(config=config, handlers=[], plugins=[], server=Recorder(shop.url, lambda: None))
    found = {result.check: result.text for result in results_of(doctor)}

    assert found["dialect"].startswith("toys: no leases")
    assert found["toys"] == "Toy.Car is on order"


@pytest.mark.usefixtures("third_dialect")
def test_its_server_is_no_other_one_s_and_its_errors_are_raised(shop):
    with pytest.raises(NotSupported, match="toys are made"):
        TaskManagerClient(shop.url).cancel("0")
    assert dialects.dialect_choice() == "auto, v1, prismq-client or toys"


def test_outside_the_tuple_it_is_none(shop, tmp_path):
    with pytest.raises(NotATaskManager, match="another service"):
        TaskManagerClient(shop.url).get("0")
    with pytest.raises(SettingsError, match="'toys' is none; give auto, v1 or prismq-client"):
        TaskManagerClient(shop.url, dialect="toys")
    with pytest.raises(SettingsError, match="dialect"):
        WorkerSettings(api_url=shop.url, dialect="toys", state_dir=tmp_path)
