import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.wire.transport import join


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("http://localhost:8000/api", "http://localhost:8000/api"),
        ("http://localhost:8000/api/", "http://localhost:8000/api"),
        ("http://localhost:8000/api//", "http://localhost:8000/api"),
        ("  http://localhost:8000/api\n", "http://localhost:8000/api"),
        ("HTTP://LocalHost:8000/Api", "http://localhost:8000/Api"),
        ("http://example.org:80/api", "http://example.org/api"),
        ("https://example.org:443/api", "https://example.org/api"),
        ("https://example.org:80/api", "https://example.org:80/api"),
        ("http://example.org:/api", "http://example.org/api"),
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("http://[::1]:8000/api", "http://[::1]:8000/api"),
        ("http://[FE80::A]/api", "http://[fe80::a]/api"),
        ("http://example.org/behind/a/prefix/api", "http://example.org/behind/a/prefix/api"),
        ("http://example.org/v%20x/api", "http://example.org/v%20x/api"),
    ],
)
def test_r01_an_address_has_one_normal_form(written, normal):
    assert normalise(written) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        "localhost:8000/api",
        "localhost",
        "//localhost/api",
        "http:/localhost/api",
        "http://",
        "http://:8000/api",
        "ftp://localhost/api",
        "http://localhost:port/api",
        "http://localhost:65536/api",
        "http://[::1/api",
        "http://local host/api",
        "http://local\nhost/api",
        "http://localhost/a pi",
        "http://localhost/\x00api",
        "http://localhost/api?x=1",
        "http://localhost/api?",
        "http://localhost/api#",
    ],
)
def test_what_is_no_address_is_refused_with_an_example_of_one(written):
    with pytest.raises(SettingsError, match="http://localhost:8000/api"):
        normalise(written)


@pytest.mark.parametrize(
    "written",
    [
        "http://me:CANARY@localhost/api",
        "http://CANARY@localhost/api",
        "me:CANARY@localhost/api",
        "http://me:CAN/ARY@localhost/api",
        "http://me:CANARY@localhost:port/api",
    ],
)
def test_an_address_with_a_password_is_refused_without_showing_it(written):
    with pytest.raises(SettingsError, match="user name or a password") as refused:
        normalise(written)

    assert "CAN" not in str(refused.value)


@given(st.text())
def test_any_text_is_an_address_in_normal_form_or_a_settings_error(text):
    try:
        normal = normalise(text)
    except SettingsError:
        return
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("base", "segments", "joined"),
    [
        ("http://h/api", ("health",), "http://h/api/health"),
        ("http://h/api", ("tasks", "claim"), "http://h/api/tasks/claim"),
        ("http://h", ("health",), "http://h/health"),
        ("http://h/a/b/api", ("tasks", "1", "complete"), "http://h/a/b/api/tasks/1/complete"),
        ("http://h/api", ("tasks", "a/b?c#d", "fail"), "http://h/api/tasks/a%2Fb%3Fc%23d/fail"),
        ("http://h/api", ("tasks", "../x"), "http://h/api/tasks/..%2Fx"),
        ("http://h/api", ("/health",), "http://h/api/%2Fhealth"),
        ("http://h/api", ("http://other/",), "http://h/api/http%3A%2F%2Fother%2F"),
        ("http://h/api", ("ü %",), "http://h/api/%C3%BC%20%25"),
    ],
)
def test_every_path_stays_below_the_api_url(base, segments, joined):
    assert join(base, tuple(segments)) == joined


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_no_quoting_keeps_in_its_place_is_refused(segment):
    with pytest.raises(ValueError, match="part of a path"):
        join("http://h/api", ("tasks", segment))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_joining_adds_exactly_the_segments(segments):
    if {".", ".."} & set(segments):
        return
    joined = join("http://h/api", tuple(segments))

    assert joined.startswith("http://h/api/")
    assert joined.removeprefix("http://h/api").count("/") == len(segments)
    assert not {"?", "#", " "} & set(joined)
