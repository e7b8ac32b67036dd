"""https with real certificates: who is trusted, what is shown, and in one sentence what is wrong and what to do."""

import ssl
from contextlib import closing

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.wire import transport as transport_module
from prismq_worker_sdk.wire.connection_options import ConnectionOptions
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.transport import Transport
from tests.support.certificates import DAY, encrypted, split
from tests.support.connect_proxy import connect_proxy
from tests.support.raw_server import answer, raw_server, says

HEALTH = HttpRequest("health", "GET", ("health",))
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(autouse=True, params=["socket", "requests"])
def carried_by(request, monkeypatch, nothing_is_trusted):
    if request.param == "requests":
        monkeypatch.setattr(transport_module, "is_plain", lambda _base: False)
    return request.param


def asked(server, url=None, **options):
    """What a call becomes: the status of its answer, or why there is none."""
    with server, closing(transport(url or server.url, **options)) as opened:
        return said(opened)


def transport(url, **options):
    return Transport(url, key=lambda: None, options=ConnectionOptions(**options))


def said(opened):
    found = opened.send(HEALTH)
    return getattr(found, "status", None) or found.reason


def serving(tls):
    return raw_server(says(answer()), tls=tls)


def test_a_server_of_a_private_ca_is_trusted_by_its_file(ours):
    assert asked(serving(ours.serves(ours.signs())), ca_file=ours.file) == 200


def test_a_server_of_an_unknown_ca_is_not_trusted(ours):
    found = asked(serving(ours.serves(ours.signs())))

    assert "is not signed by a CA that is trusted here" in found
    assert found.endswith("give that CA's certificate with --ca-file (TASKMANAGER_CA_FILE)")


def test_a_ca_file_of_ours_counts_before_what_the_environment_names(ours, theirs, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.file))

    assert "not signed by a CA" in asked(serving(ours.serves(ours.signs())), ca_file=theirs.file)


def test_a_certificate_for_another_name_is_told_as_such(ours):
    found = asked(serving(ours.serves(ours.signs("tasks.example"))), ca_file=ours.file)

    assert found.startswith("the server's certificate is for another name than the host of --api-url")


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (-3 * DAY, -DAY, "the server's certificate, or one it is signed with, has expired; renew it there"),
        (DAY, 3 * DAY, "the server's certificate is not valid yet"),
    ],
)
def test_a_certificate_out_of_its_time_is_told_as_such(ours, since, until, told):
    found = asked(serving(ours.serves(ours.signs(since=since, until=until))), ca_file=ours.file)

    assert found.startswith(told)
    assert "this machine's clock" in found


@pytest.mark.parametrize("tls", VERSIONS)
def test_a_client_certificate_is_shown(ours, theirs, tls):
    server = serving(ours.serves(ours.signs(), clients_of=theirs, tls=tls))

    assert asked(server, ca_file=ours.file, client_cert=theirs.signs("worker")) == 200


def test_a_client_certificate_and_its_key_may_be_two_files(ours, theirs):
    certificate, key = split(theirs.signs("worker"))
    server = serving(ours.serves(ours.signs(), clients_of=theirs))

    assert asked(server, ca_file=ours.file, client_cert=certificate, client_key=key) == 200


@pytest.mark.parametrize("tls", VERSIONS)
def test_a_client_certificate_that_is_missing_is_asked_for(ours, theirs, tls):
    found = asked(serving(ours.serves(ours.signs(), clients_of=theirs, tls=tls)), ca_file=ours.file)

    assert found == "the server wants a client certificate; give --client-cert (TASKMANAGER_CLIENT_CERT)"


@pytest.mark.parametrize("tls", VERSIONS)
def test_a_client_certificate_that_the_server_does_not_trust_is_told_as_such(ours, theirs, tls):
    server = serving(ours.serves(ours.signs(), clients_of=theirs, tls=tls))
    found = asked(server, ca_file=ours.file, client_cert=ours.signs("worker"))

    assert found.startswith("the server refuses the client certificate (")
    assert found.endswith("check --client-cert (TASKMANAGER_CLIENT_CERT)")


def test_files_that_were_replaced_are_taken_for_the_next_connection(ours, theirs, tmp_path):
    shown = tmp_path / "worker.pem"
    ours.signs("worker", file=shown)
    server = serving(ours.serves(ours.signs(), clients_of=theirs))
    with server, closing(transport(server.url, ca_file=ours.file, client_cert=shown)) as opened:
        before = said(opened)
        theirs.signs("worker", file=shown)
        after = said(opened)

    assert "refuses the client certificate" in before
    assert after == 200


@pytest.mark.parametrize("log_in", [None, "somebody:se%63ret"])
def test_a_tunnel_leads_through_the_proxy(ours, log_in):
    server = serving(ours.serves(ours.signs("tasks.test")))
    with server, connect_proxy(server.port, log_in=log_in and "somebody:secret") as (proxy, places):
        mark = f"{log_in}@" if log_in else ""
        found = asked(
            serving(None), "https://tasks.test/api", ca_file=ours.file, proxy=f"http://{mark}{proxy}"
        )

    assert (found, places) == (200, [("CONNECT", "tasks.test:443")])


def test_the_proxy_of_the_environment_is_gone_through_for_https_too(ours, monkeypatch):
    server = serving(ours.serves(ours.signs("tasks.test")))
    with server, connect_proxy(server.port) as (proxy, places):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        found = asked(serving(None), "https://tasks.test/api", ca_file=ours.file)

    assert (found, places) == (200, [("CONNECT", "tasks.test:443")])


@pytest.mark.parametrize("given", ["", "somebody:wrong-secret@"])
def test_a_proxy_that_wants_another_log_in_is_told_without_the_password(ours, given):
    server = serving(ours.serves(ours.signs("tasks.test")))
    with server, connect_proxy(server.port, log_in="somebody:secret") as (proxy, _places):
        found = asked(
            serving(None), "https://tasks.test/api", ca_file=ours.file, proxy=f"http://{given}{proxy}"
        )

    assert "407" in found
    assert "by way of the proxy of TASKMANAGER_PROXY" in found
    assert "secret" not in found


def test_the_certificate_is_looked_at_through_a_proxy_as_well(ours):
    server = serving(ours.serves(ours.signs("other.test")))
    with server, connect_proxy(server.port) as (proxy, _places):
        found = asked(serving(None), "https://tasks.test/api", ca_file=ours.file, proxy=f"http://{proxy}")

    assert found.startswith("the server's certificate is for another name")


def unreadable(ours, folder):
    return {"ca_file": folder / "none.pem"}


def no_pem(ours, folder):
    (folder / "text.pem").write_text("this is none")
    return {"ca_file": folder / "text.pem"}


def no_certificate(ours, folder):
    return {"client_cert": split(ours.signs("worker"))[1]}


def no_key(ours, folder):
    return {"client_cert": split(ours.signs("worker"))[0]}


def another_key(ours, folder):
    return {"client_cert": ours.signs("worker"), "client_key": split(ours.signs("worker"))[1]}


def encrypted_key(ours, folder):
    certificate, key = split(ours.signs("worker"))
    return {"client_cert": certificate, "client_key": encrypted(key)}


def key_alone(ours, folder):
    return {"client_key": ours.signs("worker")}


def broken(ours, folder):
    file = ours.signs("worker")
    file.write_text(file.read_text().replace("MI", "!!"))
    return {"client_cert": file}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            unreadable,
            r"--ca-file \(TASKMANAGER_CA_FILE\) names .*none.pem, which cannot be read \(No such file",
        ),
        (no_pem, r"--ca-file .* names .*text.pem, which holds no certificate in PEM form"),
        (no_certificate, r"--client-cert .* names .*, which holds no certificate in PEM form$"),
        (no_key, r"--client-cert .*, which holds no private key in PEM form; give the file of its key too$"),
        (
            another_key,
            r"--client-key .* whose key is not that of the certificate in .*; give the two that belong",
        ),
        (encrypted_key, r"--client-key .* whose key is encrypted, .*; give it unencrypted"),
        (key_alone, r"--client-key .* is given without --client-cert .*; give both, or neither"),
        (broken, r"--client-cert .* names .*, which holds no certificate in PEM form that can be used"),
    ],
)
def test_files_that_cannot_be_used_are_refused_at_once(ours, tmp_path, made, told):
    with pytest.raises(SettingsError, match=told):
        transport("https://tasks.test/api", **made(ours, tmp_path))


def test_plain_http_needs_no_files(tmp_path):
    transport("http://tasks.test/api", ca_file=tmp_path / "none.pem").close()
