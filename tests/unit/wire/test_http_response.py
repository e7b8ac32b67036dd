"""The reader of answers, fed without a socket."""

import gzip
import zlib
from itertools import pairwise, repeat

import h11
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prismq_worker_sdk.wire import http_connection
from prismq_worker_sdk.wire.http_connection import ResponseReader
from prismq_worker_sdk.wire.reasons import NoAnswerError
from tests.support.raw_server import answer

LIMIT = 10_000
REFUSED = (NoAnswerError, ConnectionResetError)


def pieces(data, *cuts):
    """The data in pieces, then its end."""
    places = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    yield from filter(None, (data[a:b] for a, b in pairwise(places)))
    yield from repeat(b"")


def read(data, *cuts, method="POST", limit=LIMIT):
    return ResponseReader(pieces(data, *cuts).__next__, limit=limit).read(method)


def chunked(*parts, trailer=b""):
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


def in_chunks(body, **headers):
    return answer(200, body, **{"content_length": None, "transfer_encoding": "chunked", **headers})


BODIES = st.binary(max_size=200)
CUTS = st.lists(st.integers(0, 600), max_size=20)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(str.strip)
NAMES = st.text("abcXYZ019-_!#", min_size=1, max_size=10).map("X-".__add__)


@st.composite
def answers(draw, most_hints=2):
    """An honest answer, and what it says."""
    status, body = draw(st.integers(200, 599).filter(lambda one: one not in {204, 304})), draw(BODIES)
    lines = [f"HTTP/1.1 {status} {draw(VALUES)}".encode("latin-1")]
    lines += [
        f"{name}: {value}".encode("latin-1") for name, value in draw(st.lists(st.tuples(NAMES, VALUES)))
    ]
    how = draw(st.sampled_from(["length", "chunks", "end"]))
    if how == "length":
        lines.append(b"Content-Length: %d" % len(body))
        sent = body
    elif how == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
        cuts = sorted({min(cut, len(body)) for cut in draw(CUTS)} | {0, len(body)})
        sent = chunked(*filter(None, (body[a:b] for a, b in pairwise(cuts))))
    else:
        sent = body
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * draw(st.integers(0, most_hints))
    return hints + b"\r\n".join([*lines, b"", sent]), status, body, how != "end"


@given(answers(), CUTS)
def test_an_answer_is_read_as_it_was_meant_in_whatever_pieces_it_comes(meant, cuts):
    data, status, body, reusable = meant
    reply, kept = read(data, *cuts)

    assert (reply.status, reply.body, kept) == (status, body, reusable)


def changed(data, edits):
    for place, new, gone in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data


TELLING = st.sampled_from(
    [
        *(bytes([byte]) for byte in b"\r\n \t:\x000+-_,;\xb2"),
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\r\nContent-Length: 5",
        b"\r\nContent-Length: 3, 3",
        b"\r\nTransfer-Encoding: chunked",
    ]
)
EDITS = st.lists(
    st.tuples(st.integers(0, 400), TELLING | st.binary(max_size=3), st.integers(0, 4)), min_size=1, max_size=4
)


def by_h11(data):
    """Status and body, as h11 reads them; None where it refuses."""
    peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    peer.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    peer.send(h11.EndOfMessage())
    peer.receive_data(data)
    peer.receive_data(b"")
    status, body = None, b""
    try:
        while True:
            match peer.next_event():
                case h11.Response(status_code=status):
                    pass
                case h11.Data(data=part):
                    body += bytes(part)
                case h11.EndOfMessage():
                    return status, body
                case h11.ConnectionClosed() | h11.NEED_DATA:
                    return None
    except h11.RemoteProtocolError:
        return None


@settings(max_examples=300)
@given(answers(most_hints=0), EDITS)
def test_no_answer_that_was_tampered_with_is_read_otherwise_than_by_h11(meant, edits):
    data = changed(meant[0], edits)
    assume(
        not data.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1"))
    )  # h11 looks at lengths there, which mean nothing
    try:
        reply, _ = read(data)
    except REFUSED:
        return
    assert (reply.status, reply.body) == by_h11(data)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(b"HTTP/1.1 200 OK\r\n".__add__), CUTS)
def test_whatever_comes_is_an_answer_or_refused(data, cuts):
    try:
        reply, _ = read(data, *cuts)
    except REFUSED:
        return
    assert 200 <= reply.status < 1000


@given(answers(), st.integers(0))
def test_an_answer_that_says_where_it_ends_is_none_before_that(meant, place):
    data, *_, says_its_end = meant
    assume(says_its_end)
    with pytest.raises(REFUSED):
        read(data[: place % len(data)])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 \xfc\r\nContent-Length:2 \t\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        in_chunks(chunked(b"{", b"}", trailer=b"X-Sum: 1\r\n")),
        in_chunks(b"001;a=b\r\n{\r\n1 \r\n}\r\n0\r\n\r\n"),
    ],
)
def test_what_is_unusual_but_clear_is_read(data):
    reply, _ = read(data)

    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_answer_says(told, kept):
    assert read(told + b"Content-Length: 2\r\n\r\n{}")[1] is kept


@pytest.mark.parametrize(
    "data",
    [
        answer(200, b"{}") + b"HTTP/1.1 200 OK\r\n\r\n",
        answer(204, b"{}", content_length=None),
        in_chunks(chunked(b"{}"), content_length=7),
        in_chunks(chunked(b"{}")) + b"\r\n",
    ],
)
def test_where_more_came_than_the_answer_no_other_one_is_read_from_there(data):
    assert read(data)[1] is False


@pytest.mark.parametrize(
    ("status", "method"), [(204, "POST"), (304, "GET"), (200, "HEAD")], ids=["204", "304", "HEAD"]
)
def test_an_answer_that_has_no_body_is_read_without_waiting_for_one(status, method):
    reply, kept = read(f"HTTP/1.1 {status} Said\r\nContent-Length: 7\r\n\r\n".encode(), method=method)

    assert (reply.status, reply.body, kept) == (status, b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 1000 High\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n{}",
        answer(200, b"{}", content_length="+2"),
        answer(200, b"{}", content_length="\xb2"),
        answer(200, b"{}", content_length="0x2"),
        answer(200, b"{}", content_length=""),
        answer(200, b"{}", content_length="-1"),
        answer(200, b"{}", content_length="1" * 5000),
        in_chunks(chunked(b"{}"), content_length="x"),
        answer(200, b"{}", content_length=None, transfer_encoding="identity, chunked"),
        answer(200, b"{}", content_length=None, transfer_encoding="chunked, chunked"),
        in_chunks(b"2\r\n{}0\r\n\r\n"),
        in_chunks(b"2\n{}\r\n0\r\n\r\n"),
        in_chunks(b"0x2\r\n{}\r\n0\r\n\r\n"),
        in_chunks(b"1_0\r\n{}\r\n0\r\n\r\n"),
        in_chunks(b"\r\n{}\r\n0\r\n\r\n"),
        in_chunks(b"2\r\n{}\r\n0\r\n"),
        in_chunks(b"2\r\n{}\r\n0\r\nbroken\r\n\r\n"),
        in_chunks(b"2\r\n{}\r\n0\r\nA: b\n\nbroken\r\n\r\n"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(data):
    with pytest.raises(NoAnswerError):
        read(data)


def test_where_nothing_came_the_connection_was_reset():
    with pytest.raises(ConnectionResetError):
        read(b"")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 "),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 100),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (in_chunks(b""), b"1\r\nx\r\n"),
        (in_chunks(b""), b"1;"),
        (in_chunks(b""), b"0"),
        (in_chunks(b"0\r\n"), b"A: b\r\n"),
        (in_chunks(b"ffffffffffffffff\r\n"), b"x"),
        (answer(200, b"", content_length=LIMIT + 1), b"x"),
    ],
)
def test_an_answer_without_an_end_is_refused_within_bounds(first, again):
    taken = 0

    def endless():
        nonlocal taken
        data = again if taken else first or again
        taken += len(data)
        return data

    with pytest.raises(NoAnswerError):
        ResponseReader(endless, limit=LIMIT).read("GET")
    assert taken <= http_connection.MOST_HEAD + 6 * LIMIT + 1000


def test_hints_without_an_end_are_read_until_the_time_is_over():
    hints = iter([b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 1000)

    def in_time():
        for hint in hints:
            return hint
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ResponseReader(in_time, limit=LIMIT).read("GET")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])
def test_what_was_packed_unasked_is_unpacked_up_to_the_limit(pack):
    coding = "gzip" if pack is gzip.compress else "deflate"

    def packed(size):
        return answer(200, pack(b"x" * size), content_encoding=coding)

    assert read(packed(LIMIT))[0].body == b"x" * LIMIT
    with pytest.raises(NoAnswerError, match="larger"):
        read(packed(LIMIT + 1))


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more"),
        ("deflate", b"\xff\xff\xff"),
    ],
)
def test_what_is_packed_badly_is_refused(coding, body):
    with pytest.raises(NoAnswerError):
        read(answer(200, body, content_encoding=coding))


def test_what_is_packed_in_a_way_of_its_own_is_left_to_the_dialect_as_it_is():
    reply, kept = read(answer(502, b"\x1b\x00", content_encoding="br"))

    assert (reply.status, reply.body, kept) == (502, b"\x1b\x00", True)
