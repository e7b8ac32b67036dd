"""The client: what it asks, with which connections, and what it survives."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from plugins.youtube_shorts.tests.conftest import CA_VARIABLES
from plugins.youtube_shorts.tests.entries import entry
from prismq_youtube_shorts.errors import Misconfigured, YouTubeTrouble
from prismq_youtube_shorts.quota import Bucket
from tests.support.raw_server import answer, raw_server, says

CERTIFICATE = Path(__file__).parents[3] / "tests" / "support" / "loopback.pem"
HASH = "376e24ee"
"""Of its subject, as OpenSSL names the files of a folder."""


def place(url):
    return SimpleNamespace(url=url, key="some-key")


def over_tls():
    """One search result behind a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return raw_server(says(answer(body=b'{"items": [{"id": {"videoId": "abc"}}]}')), tls=context)


def test_a_search_asks_for_fifty_short_videos_and_no_more_than_is_used(sandbox, client):
    client.find("cooking tips", language="de")

    (asked,) = sandbox.requests
    assert asked.call == "search"
    assert {
        name: values for name, values in asked.params.items() if name not in {"key", "fields", "alt"}
    } == {
        "part": ["snippet"],
        "q": ["cooking tips"],
        "type": ["video"],
        "videoDuration": ["short"],
        "order": ["relevance"],
        "safeSearch": ["moderate"],
        "maxResults": ["50"],
        "relevanceLanguage": ["de"],
    }


def test_chinese_is_asked_for_by_its_script(sandbox, client):
    client.find(language="zh")

    assert sandbox.requests[0].params["relevanceLanguage"] == ["zh-Hans"]


@pytest.mark.parametrize("query", ["a|b -c", "50% & more?", "čaj 🫖", "x" * 200, "漢" * 200])
def test_a_search_term_arrives_as_it_is(sandbox, client, query):
    """A long one becomes a POST, which the API takes for a GET."""
    client.find(query)

    assert sandbox.requests[0].params["q"] == [query]


def test_videos_come_with_their_true_shape_because_a_height_is_sent(make_sandbox, make_client):
    sandbox = make_sandbox([entry("tall"), entry("wide", width=1920, height=1080)])

    videos = make_client(sandbox).videos(["tall", "wide", "gone"])

    shapes = {video.id: (video.width, video.height) for video in videos.values()}
    assert shapes == {"tall": (1080, 1920), "wide": (3413, 1920)}


def test_an_answer_that_only_announces_another_is_read_past(make_client):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    found = answer(body=b'{"items": [{"id": {"videoId": "abc"}}]}')
    with raw_server(says(hint + found, found)) as server:
        client = make_client(place(server.url))
        ids = [client.find(words) for words in ("one", "two")]
        client.youtube.close()

    assert (ids, server.connections) == ([["abc"]] * 2, 1)


def test_many_calls_keep_one_connection(sandbox, client):
    for _ in range(5):
        client.find()

    assert sandbox.connections == 1


def test_threads_do_not_share_connections_and_no_answers_cross(make_sandbox, make_client):
    """One httplib2.Http in several threads gives answers to the wrong ones, without an error."""
    names = [f"word{number:02d}" for number in range(64)]
    sandbox = make_sandbox([entry(f"id-{name}", title=f"{name} title") for name in names], search_quota=1_000)
    client = make_client(sandbox)
    everybody = threading.Barrier(8)

    def best(name: str) -> str:
        return client.find(name)[0]

    def some(worker: int) -> dict[str, str]:
        everybody.wait()
        return {name: best(name) for name in names[worker::8] * 4}

    with ThreadPoolExecutor(8) as pool:
        found = {name: video for part in pool.map(some, range(8)) for name, video in part.items()}

    assert found == {name: f"id-{name}" for name in names}
    assert sandbox.connections <= 8
    assert sandbox.calls("search") == 64 * 4


def test_a_closed_client_can_ask_again(sandbox, client):
    client.find()
    client.youtube.close()

    assert client.find()


@pytest.mark.timeout(20)
def test_a_kept_connection_takes_the_new_timeout(sandbox, client):
    client.find(timeout=60)
    sandbox.faults.add("stall")

    with pytest.raises(YouTubeTrouble, match="had not answered"):
        client.find(timeout=0.2)


@pytest.mark.parametrize("fault", ["reset", "truncated", "stall", "http_503", "html_200"])
def test_a_call_after_a_failed_one_works(sandbox, client, fault):
    sandbox.faults.add(fault)
    with pytest.raises(YouTubeTrouble):
        client.find(timeout=0.2 if fault == "stall" else 20)

    assert client.find()


def test_the_stand_in_is_reached_although_a_proxy_is_set(monkeypatch, sandbox, make_client):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert make_client(sandbox).find()


def test_a_socks_proxy_without_the_package_for_it_says_what_to_install(monkeypatch, make_client):
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socks", None)
    client = make_client(place("http://youtube.invalid"))

    with pytest.raises(Misconfigured, match="pip install"):
        client.find()
    assert client.youtube.ledger.quota(Bucket.SEARCH).used == 0


def test_a_proxy_of_the_environment_is_asked(monkeypatch, sandbox, make_client):
    monkeypatch.setenv("http_proxy", sandbox.url)

    assert make_client(place("http://youtube.invalid/"), key=sandbox.key).find()


def test_an_endpoint_may_have_a_path(sandbox, make_client):
    with pytest.raises(Exception, match="404"):
        make_client(place(f"{sandbox.url}mirror")).find()

    assert sandbox.requests[0].call == "/mirror/youtube/v3/search"


@pytest.mark.parametrize("module", ["prismq_youtube_shorts.plugin", "prismq_youtube_shorts.client"])
def test_googles_library_is_imported_at_the_first_call_only(module):
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('googleapiclient', 'httplib2')))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.timeout(20)
def test_a_body_that_trickles_in_is_waited_for_no_longer_than_one_that_does_not_come(make_client):
    """Google's client counts its timeout from byte to byte: this answer would take minutes."""
    found = answer(body=b'{"items": [{"id": {"videoId": "abc"}}]}' + b" " * 10_000)

    def script(peer):
        peer.read()
        if len(peer.server.asked) == 1:
            peer.trickle(found, every=0.02)
        peer.send(found)

    with raw_server(script) as server:
        client = make_client(place(server.url))
        with pytest.raises(YouTubeTrouble, match="had not answered"):
            client.find(timeout=0.3)

        assert len(server.asked) == 1
        assert client.find() == ["abc"]


def test_a_thread_that_ends_closes_its_connection(sandbox, client):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(client.find).result()
    client.find()

    assert sandbox.connections == 2


def test_a_connection_that_rested_is_not_used_again(sandbox, client, monkeypatch):
    """A NAT forgets one without a word: what is sent on it is swallowed."""
    monkeypatch.setattr("prismq_youtube_shorts.transport.MAX_IDLE", 0.0)
    for _ in range(3):
        client.find()

    assert sandbox.connections == 3


def test_a_call_that_was_never_sent_is_not_counted(make_client):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = place(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    client = make_client(nobody)

    with pytest.raises(YouTubeTrouble, match="the connection was refused"):
        client.find()
    assert client.youtube.ledger.quota(Bucket.SEARCH).used == 0


@pytest.mark.parametrize("fault", ["reset", "stall", "http_503"])
def test_a_call_that_youtube_may_have_seen_is_counted(sandbox, client, fault):
    sandbox.faults.add(fault, times=None)

    with pytest.raises(YouTubeTrouble):
        client.find(timeout=0.2 if fault == "stall" else 20)
    assert client.youtube.ledger.quota(Bucket.SEARCH).used == 1


@pytest.mark.parametrize("variable", [name for name in CA_VARIABLES if name != "HTTPLIB2_CA_CERTS"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_certificates_that_this_machine_is_told_to_trust_are_trusted(
    make_client, monkeypatch, tmp_path, variable, kind
):
    trusted = CERTIFICATE
    if kind == "folder":
        trusted = tmp_path / "trusted"
        trusted.mkdir()
        (trusted / f"{HASH}.0").write_bytes(CERTIFICATE.read_bytes())
    monkeypatch.setenv(variable, str(trusted))

    with over_tls() as server:
        assert make_client(place(server.url)).find() == ["abc"]


@pytest.mark.parametrize("way", ["of the worker", "of requests"])
def test_a_certificate_that_is_not_trusted_must_be_fixed_and_costs_nothing(make_client, way):
    with over_tls() as server:
        # an address that is not written plainly is asked as by way of a proxy
        client = make_client(place(server.url.replace("api", "ä") if way == "of requests" else server.url))
        with pytest.raises(
            Misconfigured, match=r"not trusted .*REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
        ) as caught:
            client.find()

    assert caught.value.__context__ is None
    assert client.youtube.ledger.quota(Bucket.SEARCH).used == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_is_named(sandbox, make_client, monkeypatch, tmp_path, content):
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    client = make_client(sandbox)

    with pytest.raises(Misconfigured, match=r"REQUESTS_CA_BUNDLE names .*ca\.pem"):
        client.find()
    assert (client.youtube.ledger.quota(Bucket.SEARCH).used, sandbox.requests) == (0, [])


def test_an_answer_that_is_nested_too_deep_is_no_usable_answer(client, monkeypatch):
    def overflows(_answer):
        raise RecursionError

    monkeypatch.setattr("prismq_youtube_shorts.client._without_nulls", overflows)
    with pytest.raises(YouTubeTrouble, match="look at: its depth"):
        client.find()
