"""What a service manager hears, on a real socket as systemd has it."""

import os
import socket
from contextlib import closing

import pytest

from prismq_worker_sdk import sd_notify
from prismq_worker_sdk.sd_notify import UP, ServiceManager


@pytest.fixture(params=["a path", "an abstract name"])
def listening(request, tmp_path):
    """The socket of a manager, and its name in NOTIFY_SOCKET."""
    name = str(tmp_path / "notify") if request.param == "a path" else f"@prismq-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name[1:] if name.startswith("@") else name)
        heard.settimeout(10)
        yield heard, name


def test_a_manager_hears_each_word_as_a_line_of_one_datagram(listening):
    heard, name = listening
    with closing(ServiceManager(name)) as manager:
        manager.tell(*UP, status="4 slots\nfree  now", within=1.5)

    lines = heard.recv(4096).decode().splitlines()
    assert lines == ["READY=1", "WATCHDOG=1", "STATUS=4 slots free now", "EXTEND_TIMEOUT_USEC=1500000"]


def test_a_status_has_one_short_line_whatever_is_in_it(listening):
    heard, name = listening
    with closing(ServiceManager(name)) as manager:
        manager.tell(status="\ud800" + "x" * 10_000)

    assert heard.recv(65536) == b"STATUS=?" + b"x" * (sd_notify.LONGEST_STATUS - 1)


def test_what_the_process_starts_inherits_nothing_of_it(listening):
    _heard, name = listening
    environ = {
        "NOTIFY_SOCKET": name,
        "WATCHDOG_USEC": "2000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    with closing(ServiceManager.taken_from(environ)) as manager:
        assert environ == {"HOME": "/"}
        assert manager.watchdog == 2.0
        assert manager.due()


@pytest.mark.parametrize(
    ("limit", "owner"), [("", ""), ("0", ""), ("soon", ""), ("-5", ""), ("2000000", "1"), ("2000000", "x")]
)
def test_a_watchdog_that_is_off_or_for_another_process_is_none(limit, owner):
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": limit, "WATCHDOG_PID": owner}

    with closing(ServiceManager.taken_from(environ)) as manager:
        assert manager.watchdog is None


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_where_nobody_listens_nothing_is_told_and_nothing_is_due(environ):
    manager = ServiceManager.taken_from(environ | {"WATCHDOG_USEC": "1000000"})

    assert not manager.due()
    assert manager.watchdog is None
    manager.tell(*UP, status="well")


def test_a_manager_that_is_gone_harms_nobody(tmp_path):
    with closing(ServiceManager(str(tmp_path / "nobody"))) as manager:
        manager.tell(*UP, status="well")


def test_a_sign_of_life_is_due_at_once_and_then_several_times_within_the_watchdogs_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(sd_notify.time, "monotonic", lambda: now[0])
    with closing(ServiceManager("/run/notify", watchdog=8.0)) as manager:
        assert [manager.due(), manager.due()] == [True, False]
        now[0] += 2.0
        assert manager.due()
