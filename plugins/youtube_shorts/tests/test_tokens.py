"""Hashtags, keywords, and which of them go with many views."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismq_youtube_shorts.tokens import hashtags_of, keywords_of

STOP_WORDS = {
    language: set(words.split())
    for language, words in json.loads(
        files("prismq_youtube_shorts").joinpath("stop_words.json").read_text("utf-8")
    ).items()
}
FULL_WIDTH_CATS = "\uff23\uff41\uff54\uff53"
FULL_WIDTH_HASH = "\uff03"
ZERO_WIDTH_JOINER = "\u200d"

# --- hashtags


def test_hashtags_come_from_title_and_description_in_order_each_once():
    assert hashtags_of("Cats #shorts #Funny", "#funny #cats\n#shorts") == ("shorts", "funny", "cats")


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        ("", ()),
        ("no hashtag # here", ()),
        ("#one#two,#three", ("one", "two", "three")),
        ("(#one) \u201c#two\u201d #three!", ("one", "two", "three")),
        ("##twice", ("twice",)),
        ("#snake_case #7days", ("snake_case", "7days")),
        ("#cats/#dogs", ("cats", "dogs")),
        ("#rock&roll", ("rock",)),
    ],
)
def test_a_hashtag_is_a_hash_and_letters_digits_or_underscores(text, hashtags):
    assert hashtags_of(text, "") == hashtags


@pytest.mark.parametrize("text", ["#1", "#2024", "#_", "#1_2", "# cats", "#"])
def test_without_a_letter_it_is_no_hashtag(text):
    assert hashtags_of(text, "") == ()
    assert hashtags_of(f"#cats{text}", "") == ("cats",)


@pytest.mark.parametrize("text", ["C#major", "7#b", "under_#score", "\u732b#\u72ac"])
def test_after_a_letter_a_hash_begins_no_hashtag(text):
    assert hashtags_of(text, "") == ()


@pytest.mark.parametrize(
    "link",
    [
        "https://example.org/page#part",
        "https://example.org/#part",
        "https://example.org/a?b=#part",
        "HTTP://EXAMPLE.ORG/#!/part-#two",
        "www.example.org/#part",
        "example.org/#part",
        "sub.example.org/a/#part",
        "example.org#part",
    ],
)
def test_the_fragment_of_a_link_is_no_hashtag(link):
    assert hashtags_of("", f"see {link} and #cats") == ("cats",)


@pytest.mark.parametrize("entity", ["&#39;", "&#x27;", "&#X1F600;", "&#x27", "&amp;#x27;"])
def test_an_html_entity_is_no_hashtag(entity):
    assert hashtags_of(f"it{entity}s #cats", entity) == ("cats",)


def test_a_hashtag_after_an_entity_is_one():
    assert hashtags_of("Tom &amp; Jerry&#39;s&quot;#cats", "&amp;#dogs") == ("cats", "dogs")


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        (f"#{FULL_WIDTH_CATS} {FULL_WIDTH_HASH}cats", ("cats",)),
        ("#STRASSE #stra\u00dfe #Stra\u1e9ee", ("strasse",)),
        ("#\u0130stanbul #istanbul #ISTANBUL", ("istanbul",)),
        ("#\u0131\u015fpar\u0131a", ("\u0131\u015fpar\u0131a",)),
        ("#Cafe\u0301 #caf\u00e9", ("caf\u00e9",)),
        ("#\u732b\u306e\u52d5\u753b", ("\u732b\u306e\u52d5\u753b",)),
        ("#\u0939\u093f\u0928\u094d\u0926\u0940", ("\u0939\u093f\u0928\u094d\u0926\u0940",)),
        ("#\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", ("\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",)),
    ],
    ids=[
        "full width",
        "German",
        "Turkish dotted",
        "Turkish dotless",
        "composed",
        "Japanese",
        "Hindi",
        "Thai",
    ],
)
def test_spellings_of_one_hashtag_are_one_in_any_script(text, hashtags):
    assert hashtags_of(text, "") == hashtags


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        ("#\U0001f600", ()),
        ("\U0001f600#fun\U0001f600", ("fun",)),
        ("#love\u2764\ufe0f#you", ("love", "you")),
        (f"#\U0001f468{ZERO_WIDTH_JOINER}\U0001f469 #family", ("family",)),
    ],
    ids=["alone", "around", "with a selector", "joined"],
)
def test_emoji_are_no_part_of_a_hashtag(text, hashtags):
    assert hashtags_of(text, "") == hashtags


@settings(deadline=None)
@given(st.text(), st.text())
def test_every_hashtag_is_folded_and_found_again_by_itself(title, description):
    found = hashtags_of(title, description)

    assert len(set(found)) == len(found)
    assert all(hashtags_of(f"#{tag}", "") == (tag,) for tag in found)


# --- keywords


def test_keywords_are_the_words_of_the_title_and_then_the_tags():
    assert keywords_of("Funny CATS jump", ["cat video", "Pets"], None) == (
        "funny",
        "cats",
        "jump",
        "cat video",
        "pets",
    )


def test_a_tag_is_one_phrase_in_lower_case_with_single_spaces():
    assert keywords_of("", ["  Funny \t CATS\u00a0video ", "one-two"], None) == (
        "funny cats video",
        "one-two",
    )


def test_a_keyword_counts_once_whether_of_title_or_tags():
    assert keywords_of("Cats, cats & more cats", ["CATS", "more", "cats"], None) == ("cats", "more")


def test_hashtags_of_the_title_are_not_counted_again():
    assert keywords_of("Jump #cats#dogs", [], None) == ("jump",)
    assert keywords_of("#cats jump #dogs high #shorts", [], None) == ("jump", "high")
    assert keywords_of("Cats jump #cats", [], None) == ("cats", "jump")


def test_a_hash_that_makes_no_hashtag_leaves_its_word():
    assert keywords_of("#100 days in C#major", [], None) == ("100", "days", "in", "major")


def test_the_hash_of_a_tag_is_left_out():
    assert keywords_of("", ["#shorts", "# funny cats", "#"], None) == ("shorts", "funny cats")


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("", ()),
        ("a 7 I", ()),
        ("10 x 4k", ("10", "4k")),
        ("snake_case", ("snake", "case")),
        ("\u732b x \u732b", ("\u732b",)),
        ("\u306d\u3053 \u3048 \ub108", ("\u306d\u3053", "\u3048", "\ub108")),
        ("\U0001f600 \U0001f600\U0001f600 !!", ()),
        ("see https://example.org/watch now", ("see", "now")),
        ("it&#39;s Tom &amp; Jerry", ("it", "tom", "jerry")),
    ],
)
def test_a_word_is_two_letters_or_digits_or_one_cjk_character(title, words):
    assert keywords_of(title, [], None) == words


@pytest.mark.parametrize("tag", ["", "  ", "x", "\U0001f600\U0001f600", "\u2026!"])
def test_a_tag_that_says_nothing_is_dropped(tag):
    assert keywords_of("", [tag], None) == ()


def test_keywords_are_compared_in_one_form():
    title = f"{FULL_WIDTH_CATS} cats STRASSE stra\u00dfe \u0130zmir izmir Cafe\u0301 caf\u00e9"

    assert keywords_of(title, [FULL_WIDTH_CATS], None) == ("cats", "strasse", "izmir", "caf\u00e9")


@pytest.mark.parametrize(
    ("language", "title", "words"),
    [
        ("en", "The cat and the dog", ("cat", "dog")),
        ("de", "Die Katze und der Hund", ("katze", "hund")),
        ("es", "El gato y los perros", ("gato", "perros")),
        ("fr", "Le chat et l'oiseau", ("chat", "oiseau")),
        ("cs", "Ko\u010dka a pes jsou na st\u0159e\u0161e", ("ko\u010dka", "pes", "st\u0159e\u0161e")),
        ("pt", "O gato n\u00e3o \u00e9 uma estrela", ("gato", "estrela")),
        ("pt-BR", "Uma estrela", ("estrela",)),
        ("EN", "The cat", ("cat",)),
        ("de", "The cat", ("the", "cat")),
        ("xx", "The cat", ("the", "cat")),
        ("", "The cat", ("the", "cat")),
        (None, "The cat", ("the", "cat")),
    ],
)
def test_stop_words_of_the_language_are_dropped_and_of_no_other(language, title, words):
    assert keywords_of(title, [], language) == words


def test_a_stop_word_is_dropped_as_a_tag_but_stays_in_a_phrase():
    assert keywords_of("", ["the", "the cat"], "en") == ("the cat",)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "cs", "pt"])
def test_every_stop_word_is_written_as_a_keyword_would_be(language):
    words = STOP_WORDS[language]

    assert {keywords_of(word, [], None) for word in words} == {(word,) for word in words}


@settings(deadline=None)
@given(st.text(), st.lists(st.text(max_size=20), max_size=5), st.sampled_from([None, "en", "de"]))
def test_keywords_of_any_text_are_each_once_and_no_stop_words(title, tags, language):
    found = keywords_of(title, tags, language)

    assert len(set(found)) == len(found)
    assert not set(found) & STOP_WORDS.get(language, set())
