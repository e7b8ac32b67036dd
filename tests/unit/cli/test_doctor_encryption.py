"""`prismq-worker doctor` and the way to the server: plain http, certificates, whom they are for, when they end."""

from datetime import timedelta

import pytest

from tests.support.certificates import DAY
from tests.support.connect_proxy import connect_proxy
from tests.support.raw_server import answer, raw_server, says

pytestmark = pytest.mark.usefixtures("nothing_is_trusted")


def serving(tls):
    return raw_server(says(*[answer(body=b'{"status": "healthy"}')] * 9), tls=tls)


@pytest.mark.parametrize(
    ("until", "level", "told"),
    [
        (90 * DAY + timedelta(hours=1), "ok", "ends in 90 days"),
        (13 * DAY + timedelta(hours=1), "warn", "ends in 13 days"),
    ],
)
def test_the_certificate_of_the_server_is_told_with_its_names_its_ca_and_its_end(
    doctor, ours, until, level, told
):
    with serving(ours.serves(ours.signs("127.0.0.1", "a.test", "b.test", "c.test", until=until))) as server:
        found = doctor(server.url, "--ca-file", ours.file)

    assert found.level("certificate") == [level]
    assert "the server's, for 127.0.0.1, a.test, b.test and 1 more by trustme" in found.text("certificate")
    assert told in found.text("certificate")
    assert found.all("https") == []


def test_a_certificate_that_is_not_trusted_is_why_the_server_is_not_found(doctor, ours):
    with serving(ours.serves(ours.signs())) as server:
        found = doctor(server.url)

    assert (found.code, found.level("server"), found.all("certificate")) == (1, ["fail"], [])
    assert "give that CA's certificate with --ca-file (TASKMANAGER_CA_FILE)" in found.text("server")


def test_a_file_that_cannot_be_used_is_told_as_such(doctor, ours, tmp_path):
    with serving(ours.serves(ours.signs())) as server:
        found = doctor(server.url, "--ca-file", tmp_path / "none.pem")

    assert "--ca-file (TASKMANAGER_CA_FILE) names" in found.text("server")
    assert found.all("server")[0]["remedy"] is None


def test_the_certificate_that_the_worker_shows_is_looked_at_too(doctor, ours, monkeypatch):
    shown = ours.signs("worker", until=2 * DAY + timedelta(hours=1))
    shown.chmod(0o644)
    monkeypatch.setenv("TASKMANAGER_CLIENT_CERT", str(shown))
    with serving(ours.serves(ours.signs(), clients_of=ours)) as server:
        found = doctor(server.url, "--ca-file", ours.file)

    assert found.level("certificate") == ["ok", "warn", "warn"]
    assert f"the one that the worker shows, {shown}, ends in 2 days" in found.text("certificate")
    assert f"the private key {shown} can be read by others here; chmod 600 {shown}" in found.text(
        "certificate"
    )


def test_a_certificate_of_the_worker_that_has_expired_is_told(doctor, ours, monkeypatch):
    shown = ours.signs("worker", since=-9 * DAY, until=-2 * DAY)
    monkeypatch.setenv("TASKMANAGER_CLIENT_CERT", str(shown))
    with serving(ours.serves(ours.signs())) as server:
        found = doctor(server.url, "--ca-file", ours.file)

    assert "has expired; renew it; new connections take the new file" in found.text("certificate")


def test_by_way_of_a_proxy_the_end_of_a_certificate_cannot_be_seen(doctor, ours, monkeypatch):
    with (
        serving(ours.serves(ours.signs("tasks.test"))) as server,
        connect_proxy(server.port) as (proxy, _places),
    ):
        monkeypatch.setenv("TASKMANAGER_PROXY", f"http://{proxy}")
        found = doctor("https://tasks.test/api", "--ca-file", ours.file)

    assert found.level("server") == ["ok"]
    assert found.level("certificate") == ["skip"]


@pytest.mark.parametrize(
    ("key", "told"), [("", "plain http to another machine"), ("canary-9f31", "the API key goes to")]
)
def test_plain_http_to_another_machine_is_a_warning(doctor, monkeypatch, key, told):
    monkeypatch.setenv("TASKMANAGER_API_KEY", key)
    with serving(None) as proxy:  # it stands for every other machine
        monkeypatch.setenv("TASKMANAGER_PROXY", proxy.url.removesuffix("/api"))
        found = doctor("http://tasks.test/api")

    assert found.level("https") == ["warn"]
    assert found.text("https").startswith(told)
    assert "canary" not in str(found.said)
