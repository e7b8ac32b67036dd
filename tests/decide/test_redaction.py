"""Secrets leave texts and values: by key name, by known value, by shape; everything else stays."""

import base64
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from random import Random
from string import ascii_letters, digits
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.ends import outcome_of_error
from prismq_worker_sdk.decide.redaction import MARK, TOKENS, Redactor, is_secret_name, weakness
from prismq_worker_sdk.errors import Permanent

CANARY = 'kan"arie\\ 4711/+é=?'
GOOGLE_KEY = "AIza" + "SyD4-x_Q" * 4 + "abc"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

WORDS = st.sampled_from(
    [
        *(
            "token",
            "api_key",
            "key",
            "password",
            "Authorization",
            "dedupe_key",
            "bearer",
            "Basic",
            "none",
            "secret",
        ),
        *(
            "=",
            ": ",
            ":",
            " ",
            "  ",
            '"',
            "'",
            "\\",
            "&",
            "?",
            "[",
            "]",
            "{",
            "}",
            "@",
            "://",
            "http",
            "-",
            "_",
            "%3D",
        ),
        *(
            "abcd",
            "A1b2c3d4e5",
            "AIza",
            "x" * 32,
            "eyJ",
            ".",
            "ghp_",
            "sk-",
            MARK,
            "redacted",
            "é",
            "\n",
            "\ud800",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=14).map("".join))
SECRETS = st.lists(st.text(st.characters(exclude_characters="[]"), min_size=4, max_size=12), max_size=3)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(TEXTS, st.integers(), st.sampled_from(["api_key", "token"])), inner, max_size=4
        ),
        st.tuples(inner, inner),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "apiKey",
            "APIKEY",
            "X-API-Key",
            "YOUTUBE_API_KEY",
            "key",
            "password",
            "db_password",
            "Authorization",
        ),
        *(
            "Proxy-Authorization",
            "access_token",
            "refreshToken",
            "client_secret",
            "Set-Cookie",
            "credentials",
            "lease_token",
        ),
    ],
)
def test_a_value_is_redacted_by_the_name_of_its_key(name):
    assert is_secret_name(name)
    assert Redactor().value({name: "x", "other": "y"}) == {name: MARK, "other": "y"}


@pytest.mark.parametrize(
    "name", ["dedupe_key", "tokens", "max_tokens", "author", "keyboard", "monkey", "secretary", "keys"]
)
def test_a_name_that_only_looks_like_a_secret_keeps_its_value(name):
    assert not is_secret_name(name)
    assert Redactor().value({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("word", ["error", "task", "type", "event", "password"])
def test_a_key_that_is_a_word_renames_no_field(word):
    said = {f"{word}_type": 1, "more": {word: 2}, f"{word}s": f"a {word}"}

    assert list(Redactor([word]).value(said)) == [f"{word}_type", "more", f"{word}s"]
    assert Redactor([word]).value(said)[f"{word}s"] == f"a {MARK}"


def test_a_name_that_holds_a_secret_is_changed():
    assert Redactor(["a1b2c3d4e5f6"]).value({"x_a1b2c3d4e5f6": 1}) == {f"x_{MARK}": 1}


@pytest.mark.parametrize(
    ("key", "weak"),
    [
        *((key, True) for key in ("", "abc", "a1b2c3d", "password", "PASSWORD", "Swordfish")),
        *((key, False) for key in ("a1b2c3d4", "long-and-random-1", "x" * 21, "aBcDeFgHiJ")),
    ],
)
def test_a_key_that_may_be_a_word_is_told_and_not_shown(key, weak):
    told = weakness(key)

    assert (told is not None) is weak
    assert not key or key not in (told or "")


def test_a_secret_that_is_a_number_or_a_structure_is_redacted_whole():
    assert Redactor().value({"password": 12345, "token": ["a", "b"]}) == {"password": MARK, "token": MARK}


def test_that_a_secret_is_missing_may_be_seen():
    empty = {"api_key": None, "token": "", "password": False}

    assert Redactor().value(empty) == empty


def test_nested_values_keep_their_structure():
    redactor = Redactor([CANARY])
    value = {"a": [{"b": (f"x {CANARY}", 1)}, {"token": "t"}], f"at {CANARY}": {"c"}}

    assert redactor.value(value) == {"a": [{"b": (f"x {MARK}", 1)}, {"token": MARK}], f"at {MARK}": ["c"]}


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY, safe=""),
        quote(CANARY),
        quote_plus(CANARY),
        quote(CANARY, safe="")
        .replace("%2F", "%2f")
        .replace("%2B", "%2b")
        .replace("%C3%A9", "%c3%a9")
        .replace("%5C", "%5c")
        .replace("%3D", "%3d")
        .replace("%3F", "%3f"),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
        json.dumps(CANARY)[1:-1],
        json.dumps(CANARY, ensure_ascii=False)[1:-1],
        repr(CANARY)[1:-1],
    ],
)
def test_a_known_secret_is_found_in_every_form(form):
    clean = Redactor([CANARY]).text(f"before {form} after")

    assert form not in clean
    assert clean.startswith(f"before {MARK}")
    assert clean.endswith(" after")


def test_a_secret_learned_later_is_known_beside_the_earlier_ones():
    redactor = Redactor(["first-one"])
    redactor.learn("second-one")

    assert redactor.text("first-one second-one") == f"{MARK} {MARK}"


def test_secrets_that_are_learned_at_the_same_time_are_all_known():
    redactor, meanwhile = Redactor(), ["second-one"]

    class Slow(str):
        __slots__ = ()

        def strip(self):
            while meanwhile:
                redactor.learn(meanwhile.pop())  # as another thread may
            return "first-one"

    redactor.learn(Slow("first-one"))

    assert redactor.text("first-one second-one") == f"{MARK} {MARK}"


def test_known_values_too_short_or_blank_redact_nothing():
    assert Redactor(["", "abc", "     "]).text("abc      def") == "abc      def"


def test_of_two_known_secrets_the_longer_one_goes_whole():
    assert Redactor(["abcdef", "abcdefghij"]).text("abcdefghij") == MARK


def test_a_redactor_does_not_show_what_it_knows():
    assert repr(Redactor(["first-one"])) == "Redactor(1 secrets)"


def test_a_known_secret_may_hold_bytes_that_are_no_text():
    assert Redactor(["abcd\udc80"]).text("x abcd\udc80") == f"x {MARK}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /v3/search?part=snippet&key=s3cr3tvalue&q=x", "s3cr3tvalue"),
        ("GET /v3/search?key=s3cr3tvalue", "s3cr3tvalue"),
        ("next=%2Fsearch%3Ftoken%3Ds3cr3tvalue", "s3cr3tvalue"),
        ("Authorization: Bearer abcdefghijkl", "abcdefghijkl"),
        ("Authorization: Bearer   abcdefghijkl", "abcdefghijkl"),
        ("Authorization: Token abcdefghijkl", "abcdefghijkl"),
        ("authorization: abcdefghijkl", "abcdefghijkl"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("sent Bearer abc123def456 to it", "abc123def456"),
        ("X-API-Key: s3cr3tvalue", "s3cr3tvalue"),
        ("{'x-api-key': 's3cr3tvalue', 'accept': '*/*'}", "s3cr3tvalue"),
        ('{"api_key": "s3cr3tvalue"}', "s3cr3tvalue"),
        ('body "{\\"api_key\\": \\"s3cr3tvalue\\"}"', "s3cr3tvalue"),
        ("{b'api_key': b's3cr3tvalue'}", "s3cr3tvalue"),
        ("Settings(youtube_api_key='s3cr3tvalue', retries=3)", "s3cr3tvalue"),
        ("PRISMQ_YOUTUBE_KEY=s3cr3tvalue", "s3cr3tvalue"),
        ("bad token: password: s3cr3tvalue", "s3cr3tvalue"),
        ("password=None1234", "None1234"),
        (f"API key not valid: {GOOGLE_KEY}.", GOOGLE_KEY),
        ("mysql://worker:s3cr3tvalue@db/prismq", "s3cr3tvalue"),
        ("mysql://worker:s3cr@3tvalue@db/prismq", "3tvalue"),
        ("redis://:s3cr3tvalue@db/0", "s3cr3tvalue"),
        ("ghp_abcdefghijklmnopqrst0123", "ghp_abcdefghijklmnopqrst0123"),
        ("sk-abcdefghijklmnop0123", "sk-abcdefghijklmnop0123"),
        ("xoxb-1234567890-abc", "xoxb-1234567890-abc"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        (f"cookie {JWT}", JWT),
    ],
)
def test_a_secret_is_found_by_its_shape(text, secret):
    clean = Redactor().text(text)

    assert secret not in clean
    assert MARK in clean
    assert Redactor().text(clean) == clean


def random_text(number, alphabet=ascii_letters + digits):
    return "".join(Random(number).choices(alphabet, k=number))


HEX = "0123456789abcdef"
PARTS = {  # in two parts each, so that no scanner takes this file for a leak
    "Google": [("AI" + "za", 35), ("ya" + "29.", 60), ("1/" + "/0", 40), ("GOC" + "SPX-", 28)],
    "Amazon": [
        ("AK" + "IA", random_text(16, digits + "ABC")),
        ("AS" + "IA", random_text(16, digits + "ABC")),
    ],
    "GitHub": [
        ("gh" + "p_", 36),
        ("gh" + "s_", 36),
        ("github" + "_pat_", random_text(22) + "_" + random_text(59)),
    ],
    "GitLab": [("gl" + "pat-", 20), ("gl" + "rt-", 20)],
    "Slack": [("xo" + "xb-", 24), ("xa" + "pp-", 30)],
    "Stripe": [("sk_" + "live_", 24), ("rk_" + "test_", 24), ("wh" + "sec_", 32)],
    "OpenAI, Anthropic": [("s" + "k-proj-", 40), ("s" + "k-ant-api03-", 60)],
    "Hugging Face": [("h" + "f_", 34)],
    "npm": [("np" + "m_", 36)],
    "PyPI": [("py" + "pi-", 80)],
    "Docker": [("dckr" + "_pat_", 27)],
    "SendGrid": [("S" + "G.", random_text(22) + "." + random_text(43))],
    "Mailgun": [("ke" + "y-", random_text(32, HEX))],
    "DigitalOcean": [("do" + "p_v1_", random_text(64, HEX))],
    "Shopify": [("sh" + "pat_", random_text(32, HEX))],
    "Databricks": [("da" + "pi", random_text(32, HEX))],
    "HashiCorp Vault": [("hv" + "s.", 24)],
    "Atlassian": [("ATA" + "TT3", 60)],
    "Notion": [("nt" + "n_", 46)],
    "Linear": [("lin" + "_api_", 40)],
    "Groq": [("gs" + "k_", 52)],
    "Replicate": [("r" + "8_", 37)],
    "PrismQ": [("prismq" + "_key_", 43)],
    "Telegram": [("bot123456789:", "AA" + random_text(33)), ("123456789:A", "A" + random_text(33))],
    "JWT": [("ey" + "JhbGciOiJIUzI1NiJ9.", random_text(30) + "." + random_text(43))],
}


@pytest.mark.parametrize("service", TOKENS)
def test_a_token_of_a_common_service_is_found_by_how_it_begins(service):
    for prefix, rest in PARTS[service]:
        secret = rest if isinstance(rest, str) else random_text(rest)
        for text in ("token {} is refused", "{}", "GET /x/{}?y=1: 404", "['{}']", 'url "http://h/{}?a=b"'):
            clean = Redactor().text(text.format(prefix + secret))
            assert secret not in clean
            assert clean == text.format(MARK)


def test_every_service_whose_tokens_are_known_is_told_on_the_page_of_operations():
    page = (Path(__file__).parents[2] / "docs" / "operations" / "README.md").read_text(encoding="utf-8")

    names = [name for names in TOKENS for name in names.split(", ")]
    assert [name for name in names if name not in page] == []


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:1/b/k?X-Amz-Algorithm=A&X-Amz-Signature={}",
        "url: /b/k?X-Goog-Signature={}&x=1",
        "/c?sp=r&sig={}",
        "next=%2Fback%3Fcode%3D{}",
        "http://localhost/callback?code=4{}&state=x",
        "Endpoint=sb://x/;SharedAccessKey={}",
        "http://h/services/T0AB12CD3/B0AB12CD3/{}",
        "http://h/api/webhooks/123456789012345678/{}",
    ],
)
def test_what_proves_the_right_to_a_link_is_found(text):
    secret = random_text(64)
    clean = Redactor().text(f"{text.format(secret)} failed")

    assert secret not in clean
    assert clean.endswith(" failed")
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize("end", ["\n-----END RSA PRIVATE KEY-----\nbye", ""])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\\n"])
def test_a_private_key_is_found_whole_or_cut_off(line_end, end):
    lines = [random_text(64 - number) for number in range(4)]
    head = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\n"
    clean = Redactor().text((f"no key: {head}" + "\n".join(lines) + end).replace("\n", line_end))

    assert not any(line in clean for line in lines)
    assert clean.startswith("no key: -----BEGIN RSA PRIVATE KEY-----" + MARK)
    assert clean.endswith("bye" if end else MARK)


KEY_LINES = [random_text(64 - number) for number in range(9)]
KEY = "\n".join(["-----BEGIN KEY-----", *KEY_LINES, "-----END KEY-----", ""])
KEY_FILE = json.dumps(
    {"type": "service_account", "private_key": KEY, "nested": [{"client_secret": "c" * 20}]}
)


@pytest.mark.parametrize("known", [KEY, KEY.replace("\n", "\r\n"), KEY.replace("\n", "\\n"), KEY_FILE])
@pytest.mark.parametrize(
    "form",
    [
        KEY,
        KEY_LINES[3],
        f"  {KEY_LINES[3]}\r",
        repr(KEY_LINES),
        json.dumps({"private_key": KEY}, indent=4),
        json.dumps(json.dumps({"private_key": KEY})),
    ],
)
def test_every_longer_line_of_a_known_secret_is_known(known, form):
    clean = Redactor([known]).text(f"before {form} after")

    assert not any(line in clean for line in KEY_LINES)
    assert clean.startswith("before ")
    assert clean.endswith(" after")


def test_what_a_known_secret_holds_under_a_secret_name_is_known():
    assert Redactor([KEY_FILE]).text(f"at {'c' * 20}: service_account") == f"at {MARK}: service_account"


def test_a_short_line_of_a_known_secret_is_an_ordinary_word():
    assert Redactor(["a first line\na task"]).text("a first line, a task") == "a first line, a task"


def test_what_stands_around_a_secret_stays():
    text = f"GET https://u:pass1@host/search?part=snippet&key={GOOGLE_KEY}&q=cats failed, X-API-Key: abcd1234, see log"

    assert Redactor().text(text) == (
        f"GET https://{MARK}@host/search?part=snippet&key={MARK}&q=cats failed, X-API-Key: {MARK}, see log"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "page 1 of 3, 25 shorts",
        "a basic understanding of bearer authentication",
        "Basic authentication is off. Bearer authentication is on.",
        "primary key: user_id, dedupe_key=abcd, idempotency_key: PrismQ.Test.Echo:1",
        "KeyError: 'name'",
        "password is missing; token=None, api_key=''",
        "max_tokens=2000, nextPageToken=CAUQAA",
        "http://localhost:8000/api and ssh://git@github.com/prismq and me@example.org",
        "7b1f6a52-5d6b-4a9f-8a47-0d5f4d8f2f7b took 3.2s",
        "exit?code=permission_denied, status code=404, child:1234567:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd",
        "pypi-attestations hf_transfer npm_config_cache sk_learn github_pat_ bot1:x SG.a.b 1//0 services/T1/B2",
        "líneas ünïcode 日本語 \U0001f600\ttab\nnew line",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert Redactor(["some-known-secret"]).text(text) == text


def test_the_text_of_an_exception_is_reported_without_its_secrets():
    redact = Redactor([CANARY]).text
    for error in (
        ValueError(f"bad {CANARY}"),
        Permanent(f"GET /x?key={quote_plus(CANARY)}"),
        KeyError(CANARY),
    ):
        outcome = outcome_of_error(error, redact=redact)
        assert "4711" not in outcome.error
        assert MARK in outcome.error


@given(TEXTS, SECRETS)
def test_redacting_a_text_twice_changes_nothing_more(text, secrets):
    redactor = Redactor(secrets)
    once = redactor.text(text)

    assert redactor.text(once) == once


@pytest.mark.parametrize("secret", ["redacted", "acte", MARK, "token", "Bearer"])
def test_a_secret_that_is_part_of_the_mark_does_not_make_it_grow(secret):
    redactor = Redactor([secret])
    once = redactor.text(f"a {secret} token={secret} Bearer {secret} {MARK}")

    assert redactor.text(once) == once


@given(VALUES, SECRETS)
def test_redacting_a_value_never_raises_and_twice_changes_nothing_more(value, secrets):
    redactor = Redactor(secrets)
    once = redactor.value(value)

    assert repr(redactor.value(once)) == repr(once)


@given(st.text(min_size=4).filter(lambda secret: len(secret.strip()) >= 4), TEXTS, TEXTS)
def test_a_known_secret_never_stands_in_what_is_left(secret, before, after):
    clean = Redactor([secret]).text(before + secret + after)

    assert secret not in clean.replace(MARK, "\0")


def test_structures_without_end_are_cut_and_do_not_raise():
    endless = {"token": "t"}
    endless["self"] = [endless]
    deep = []
    for _level in range(5000):
        deep = [deep]

    assert MARK in str(Redactor().value(endless))
    assert "…" in str(Redactor().value(deep))


def test_a_mapping_that_cannot_be_read_is_named():
    class Broken(Mapping):
        def __getitem__(self, key):
            raise OSError(key)

        def __iter__(self):
            raise OSError

        def __len__(self):
            return 1

    assert Redactor().value({"a": Broken(), "b": 1}) == {"a": "<Broken>", "b": 1}


def test_a_value_that_does_not_compare_is_no_trouble():
    class Odd:
        def __eq__(self, other):
            raise TypeError

        __hash__ = object.__hash__

    assert Redactor().value({"password": Odd()}) == {"password": MARK}


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        ("-eyJaaaaaaaa", 100_000),
        ("key=[", 50_000),
        ("a://b:", 50_000),
        ("_token", 50_000),
        ("bearer    ", 30_000),
        ("a_", 100_000),
        ("x", 300_000),
        ("Basic a", 50_000),
        ('\\"', 100_000),
        ("-----BEGIN PRIVATE KEY-----", 10_000),
        ("-----BEGIN KEY-----\n- ", 10_000),
        ("?code=a", 50_000),
        ("SG.aaaaaaaaaaaaaaaa.", 20_000),
        ("sk_live_", 50_000),
        ("bot123456:", 50_000),
    ],
)
def test_a_long_text_does_not_hold_the_log_up_for_minutes(piece, times):
    assert len(Redactor(["some-known-secret", KEY]).text(piece * times)) > 0


@pytest.mark.parametrize(
    "secret", ['it\'s "odd" \\ ü/\n\tx9', "nothing odd x9", "it's/x9", '"quoted" x9', "\\'x9"]
)
def test_a_secret_is_found_however_often_the_text_that_holds_it_was_escaped(secret):
    ways = (
        lambda text: json.dumps({"v": text}),
        lambda text: json.dumps({"v": text}, ensure_ascii=False),
        lambda text: json.dumps([text]).replace("/", "\\/"),
        lambda text: str({"v": text, "q": "'"}),
    )
    redactor = Redactor([secret])
    for chain in product(ways, repeat=3):
        text = secret
        for way in chain:
            text = way(text)
            assert "x9" not in redactor.text(text), text


def test_a_long_run_of_backslashes_is_looked_through_once():
    clean = Redactor(['\\"secret', "a'b/secret"]).text("\\" * 300_000 + "a'b/secret")

    assert clean == "\\" * 300_000 + MARK
