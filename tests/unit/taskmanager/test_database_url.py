"""What may stand at --database, and what is said of a slip of the pen; the password never is."""

import logging
import sys

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.db import database
from prismq_worker_sdk.taskmanager.db.database import connect, open_to_read

SECRET = "s3cret"
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("://x", "is no file and no URL"),
        (f"nonsense://a:{SECRET}@h/x", "nonsense://"),
        (f"postgresql://a:{SECRET}@h/x", "postgresql://"),
        (f"mysql://a:{SECRET}@h/x", "mysql+pymysql://"),
        ("mysql+pymysql://root@h", "no database there"),
        ("mysql+pymysql://root@h/", "no database there"),
        (f"mysql+pymysql://a:b@{SECRET}@h/x", "%40 stands for @"),
        (f"mysql+pymysql://a:{SECRET}@h:port/x", "is no file and no URL"),
        (f"mysql+pymysql://a:{SECRET}@{NOBODY}/x?nope=1", "nope"),
        (f"mysql+pymysql://a:{SECRET}@{NOBODY}/x?ssl_ca=/no/file", "No such file"),
        (f"mysql+pymysql://a:{SECRET}@{NOBODY}/x?charset=nope", "cannot be"),
        (f"mysql+pymysql://a:{SECRET}@{NOBODY}/x?connect_timeout=soon", "soon"),
    ],
)
@pytest.mark.parametrize("use", [lambda url: connect(url, patience=0), open_to_read], ids=["serve", "read"])
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url, said, use):
    with pytest.raises(SettingsError) as refused:
        use(url)

    assert "--database" in str(refused.value)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_without_its_driver_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)

    with pytest.raises(SettingsError, match=r"pip install 'prismq-worker-sdk\[mysql\]'"):
        connect("mysql+pymysql://root@h/x", patience=0)


def test_a_server_that_is_waited_for_is_told_of_once(monkeypatch, caplog):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise InterruptedError

    monkeypatch.setattr(database.time, "sleep", pause)
    with caplog.at_level(logging.WARNING), pytest.raises(SettingsError):
        connect(f"mysql+pymysql://root@{NOBODY}/x", patience=1e9)

    assert [one.name for one in caplog.records] == ["prismq.taskmanager"]
