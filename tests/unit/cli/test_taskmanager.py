"""`prismq-worker taskmanager`: what keeps it from starting."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.prismq_client import send
from tests.support.surroundings import clean_environment


@pytest.fixture
def taken_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        yield bound.getsockname()[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_an_address_open_to_others_needs_keys(host, cli, tmp_path):
    shown = cli("taskmanager", "--host", host)

    assert (shown.code, shown.out) == (2, "")
    assert shown.err == (
        f"prismq-worker: --host {host} is open to others, and no API key is set; "
        "make one with `prismq-worker taskmanager keys create`, give --keys FILE, or keep to 127.0.0.1\n"
    )
    assert not (tmp_path / "taskmanager.db").exists()


def test_a_port_that_is_taken_is_told_with_what_to_do(cli, taken_port):
    shown = cli("taskmanager", "--port", taken_port)

    assert (shown.code, shown.out) == (2, "")
    assert (
        f"127.0.0.1:{taken_port} cannot be used (Address already in use); choose another --port" in shown.err
    )
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"worker canary-long-enough\nroot canary-long-enough\n", ":2 is no key; write `worker KEY`"),
        (b"worker canary\n", ":1 is no key"),
        (b"\xff", "cannot be read: its byte 1 is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_told_without_showing_a_key(content, said, cli, tmp_path):
    if content is not None:
        (tmp_path / "keys").write_bytes(content)
    shown = cli("taskmanager", "--keys", "keys", "--port", "0")

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert "canary" not in shown.err


def test_a_database_that_cannot_be_opened_is_told(cli):
    shown = cli("taskmanager", "--port", "0", "--database", "no-such-folder/tasks.db")

    assert (shown.code, shown.out) == (2, "")
    assert "no-such-folder/tasks.db" in shown.err
    assert "there is no folder " in shown.err
    assert "no-such-folder; make it, or name another" in shown.err
    assert shown.err.count("\n") == 1


def test_it_says_its_address_and_ends_with_0_on_sigterm(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "prismq_worker_sdk", "taskmanager", "--port", "0", "--log-format", "json"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = json.loads(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stderr.read().splitlines()]

    assert process.returncode == 0
    assert first["message"].startswith("TaskManager at http://127.0.0.1:")
    url = first["message"].split()[2].rstrip(",")
    pages = url.removesuffix("/api")
    assert first["message"].endswith(f"/api, pages at {pages}, database {tmp_path / 'taskmanager.db'}")
    assert rest[-1]["message"] == "SIGTERM: the TaskManager ends"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate-limit", "9"), "--rate-limit belongs to --dialect prismq-client; this is v1"),
        (("--repaired",), "--repaired belongs to --dialect prismq-client; this is v1"),
        (("--half-failures", "0.1"), "--half-failures belongs to --dialect prismq-client; this is v1"),
        (("--deadlocks", "0.1"), "--deadlocks belongs to --dialect prismq-client; this is v1"),
        (
            ("--dialect", "prismq-client", "--lease", "1m"),
            "--lease belongs to --dialect v1; this is prismq-client",
        ),
    ],
)
def test_an_option_of_the_other_dialect_is_refused(arguments, said, cli, tmp_path):
    shown = cli("taskmanager", *arguments)

    assert (shown.code, shown.out, shown.err) == (2, "", f"prismq-worker: {said}\n")
    assert list(tmp_path.glob("*.db")) == []


def test_the_other_dialect_open_to_others_needs_keys_too(cli, tmp_path):
    (tmp_path / "keys").write_text("# none yet\n")
    for more in ((), ("--keys", "keys")):
        shown = cli("taskmanager", "--dialect", "prismq-client", "--host", "0.0.0.0", *more)

        assert (shown.code, shown.out) == (2, "")
        assert "--host 0.0.0.0 is open to others, and no API key is set" in shown.err
    assert not (tmp_path / "prismq-client.db").exists()


def test_the_other_dialect_takes_the_first_key_says_its_address_and_ends_with_0_on_sigterm(tmp_path):
    (tmp_path / "keys").write_text("# two\n\nworker first-long-key\nadmin second-long-key\n")
    words = ["taskmanager", "--dialect", "prismq-client", "--port", "0", "--keys", "keys"]
    with subprocess.Popen(
        [sys.executable, "-m", "prismq_worker_sdk", *words, "--log-format", "json"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = json.loads(process.stderr.readline())
        url = first["message"].split()[2].rstrip(",")
        keys = ("first-long-key", "second-long-key")
        statuses = [send(url, "GET", "/tasks", headers={"X-API-Key": key}).status for key in keys]
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stderr.read().splitlines()]

    assert process.returncode == 0
    assert statuses == [200, 401]
    assert first["message"] == f"TaskManager at {url}, database {tmp_path / 'prismq-client.db'}"
    assert rest[-1]["message"] == "SIGTERM: the TaskManager ends"


def test_the_other_dialect_needs_no_extra(tmp_path):
    blocked = "import sys; sys.modules.update(dict.fromkeys(('fastapi', 'sqlalchemy', 'uvicorn')));"
    words = ["taskmanager", "--dialect", "prismq-client", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(
        [sys.executable, "-c", f"{blocked} from prismq_worker_sdk.cli import main; sys.exit(main({words}))"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = json.loads(process.stderr.readline())
        process.terminate()
        process.stderr.read()

    assert first["message"].startswith("TaskManager at http://127.0.0.1:")
    assert process.returncode == 0
