"""The stand-in's HTTP: ETags, compression, keep-alive, keys in headers, and the log."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead
from urllib.parse import urlsplit

import pytest
from googleapiclient.errors import HttpError

from plugins.youtube_shorts.tests.sandbox_support import ROOT, Clock, get, google, query, raw
from prismq_youtube_shorts.sandbox import Asked, Entry, Sandbox


def address(sandbox, call: str = "videos", **params) -> str:
    return f"{ROOT}{call}?{query(sandbox, **{'id': 'standin0001', **params})}"


def test_a_good_answer_has_an_etag_and_one_that_is_known_is_not_sent_again(sandbox):
    _, headers, content = raw(sandbox, address(sandbox))
    etag = json.loads(content)["etag"]

    status, again, nothing = raw(sandbox, address(sandbox), If_None_Match=headers["ETag"])

    assert headers["ETag"] == f'"{etag}"'
    assert (status, nothing, again["ETag"]) == (304, b"", headers["ETag"])
    assert sandbox.quota_left("default") == 10_000 - 2  # not having changed costs as well


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', '"other", "{}"'])
def test_a_tag_is_known_in_every_form(sandbox, form):
    etag = json.loads(raw(sandbox, address(sandbox))[2])["etag"]

    assert raw(sandbox, address(sandbox), If_None_Match=form.format(etag))[0] == 304


def test_another_tag_and_a_refusal_are_answered_in_full(sandbox):
    assert raw(sandbox, address(sandbox), If_None_Match='"another"')[0] == 200
    status, headers, _ = raw(sandbox, address(sandbox, part="none"), If_None_Match='""')
    assert (status, headers["ETag"]) == (400, None)


def test_the_tag_changes_with_the_views(make_sandbox):
    clock = Clock("2026-11-01T00:00:00Z")
    entry = Entry(video_id="a", statistics={"viewCount": "1"}, views_per_hour=1.0)
    sandbox = make_sandbox([entry], now=clock)
    path = address(sandbox, id="a", part="statistics")

    tags = [raw(sandbox, path)[1]["ETag"]]
    tags.append(raw(sandbox, path)[1]["ETag"])
    clock.turn(hours=1)
    tags.append(raw(sandbox, path)[1]["ETag"])

    assert tags[0] == tags[1] != tags[2]


def test_a_mask_does_not_need_to_ask_for_the_tag(sandbox):
    path = address(sandbox, fields="items/id")
    _, headers, content = raw(sandbox, path)

    assert json.loads(content) == {"items": [{"id": "standin0001"}]}
    assert raw(sandbox, path, If_None_Match=headers["ETag"])[0] == 304


def test_googles_client_keeps_answers_by_their_tags(sandbox, tmp_path):
    with google(sandbox, cache=str(tmp_path)) as api:
        first = api.videos().list(part="snippet", id="standin0001").execute()
        second = api.videos().list(part="snippet", id="standin0001").execute()

    assert first == second
    assert [asked.headers.get("if-none-match") for asked in sandbox.requests] == [None, f'"{first["etag"]}"']
    assert sandbox.quota_left("default") == 10_000 - 2


def test_googles_client_takes_a_304_for_an_error_when_it_was_asked_for_by_hand(sandbox):
    with google(sandbox) as api:
        request = api.videos().list(part="snippet", id="standin0001")
        request.headers["If-None-Match"] = request.execute()["etag"]

        with pytest.raises(HttpError) as caught:
            request.execute()

    assert caught.value.resp.status == 304


def test_an_answer_is_compressed_for_those_who_take_it(sandbox):
    _, plain_headers, plain = raw(sandbox, address(sandbox))
    _, headers, content = raw(sandbox, address(sandbox), Accept_Encoding="gzip, deflate")

    assert plain_headers["Content-Encoding"] is None
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(content) == plain


def test_one_connection_serves_many_requests_with_every_sort_of_answer(sandbox):
    where = urlsplit(sandbox.url)
    etag = raw(sandbox, address(sandbox))[1]["ETag"]
    with closing(HTTPConnection(where.hostname, where.port, timeout=10)) as connection:

        def ask(method: str, path: str, body: str | None = None, **headers: str) -> int:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert ask("GET", address(sandbox)) == 200
        assert ask("GET", address(sandbox), **{"If-None-Match": etag}) == 304
        assert ask("HEAD", address(sandbox)) == 404
        assert ask("PUT", address(sandbox), "{}") == 404
        assert ask("GET", address(sandbox, part="none")) == 400
        assert ask("GET", address(sandbox)) == 200

    assert sandbox.connections == 2


def test_a_key_may_come_in_a_header(sandbox):
    path = f"{ROOT}videos?part=snippet&id=standin0001"

    assert raw(sandbox, path, X_Goog_Api_Key=sandbox.key)[0] == 200
    assert raw(sandbox, path, X_Goog_Api_Key="wrong")[0] == 400
    assert raw(sandbox, path)[0] == 403


def test_the_log_keeps_what_came_in(sandbox):
    heard: list[Asked] = []
    sandbox._listener = heard.append
    raw(sandbox, address(sandbox, id=["a", "b,c"]), Accept_Language="cs")

    (asked,) = sandbox.requests
    assert heard == [asked]
    assert (asked.call, asked.method, asked.path, asked.fault) == ("videos", "GET", f"{ROOT}videos", "")
    assert asked.params["id"] == ["a", "b,c"]
    assert asked.headers["accept-language"] == "cs"


def test_the_log_tells_where_a_key_appeared(sandbox):
    with google(sandbox) as api:
        api.videos().list(part="snippet", id="standin0001").execute()
    raw(sandbox, f"{ROOT}videos?part=id&id=a", X_Goog_Api_Key=sandbox.key)
    get(sandbox, "search", q=f"my key is {sandbox.key}")
    raw(sandbox, address(sandbox, key="", other=1), Referer=f"http://x/?key={sandbox.key}")
    raw(sandbox, f"/{sandbox.key}?{sandbox.key}=1")

    assert [asked.places_of(sandbox.key) for asked in sandbox.requests] == [
        {"param key"},
        {"header x-goog-api-key"},
        {"param key", "param q"},
        {"header referer"},
        {"path", f"param {sandbox.key}"},
    ]


def test_a_trickle_is_a_good_answer(make_sandbox):
    sandbox = make_sandbox(trickle_seconds=0)
    sandbox.faults.add("trickle", "videos")

    status, headers, content = raw(sandbox, address(sandbox))

    assert (status, headers["ETag"] is not None) == (200, True)
    assert json.loads(content) == get(sandbox, "videos", id="standin0001")[1]
    assert [asked.fault for asked in sandbox.requests] == ["trickle", ""]


def test_a_trickle_comes_byte_by_byte_with_a_pause_after_each():
    """With pauses of an hour the first byte is all that comes, until the stand-in closes."""
    with Sandbox(trickle_seconds=3_600) as sandbox:
        sandbox.faults.add("trickle")
        where = urlsplit(sandbox.url)
        connection = HTTPConnection(where.hostname, where.port, timeout=10)
        connection.request("GET", address(sandbox))
        answer = connection.getresponse()
        first = answer.read(1)

    with closing(connection), pytest.raises(IncompleteRead) as caught:
        answer.read()
    assert (first, caught.value.partial) == (b"{", b"")


def test_closing_does_not_wait_for_those_who_are_kept_waiting():
    with Sandbox() as sandbox:
        sandbox.faults.add("stall")
        where = urlsplit(sandbox.url)
        connection = HTTPConnection(where.hostname, where.port, timeout=10)
        connection.request("GET", address(sandbox))

    with closing(connection), pytest.raises(OSError):
        connection.getresponse()
