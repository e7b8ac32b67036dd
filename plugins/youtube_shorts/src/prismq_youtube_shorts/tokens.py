"""The words of Shorts: hashtags and keywords.

Words are compared in one form: NFKC, case-folded, so that `CATS`, `cats` and full-width letters are one word.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

_LINK = re.compile(r"(?:https?://|www\.|(?<![\w.-])(?:[\w-]+\.)+[a-z]{2,}/)\S*")
_ENTITY = re.compile(r"&(?:amp;)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos|nbsp);")
# Both are matched on a text's outline, where `a` stands for every letter, digit and mark.
_HASHTAGS = re.compile(r"(?<![a_&])(?:#[a_]+)+")
_WORD = re.compile(r"a+")
_CJK = re.compile(r"[\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_INVISIBLE = dict.fromkeys(
    [0xAD, 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
"""Marks of direction, soft hyphens and word joiners: no letters and no break."""


def hashtags_of(title: str, description: str) -> tuple[str, ...]:
    """The hashtags, without `#` and folded, in the order of their first use.

    A hashtag is `#` and letters, digits or underscores, at least one letter among them, with no letter before it;
    `#one#two` are two. What follows `#` in a link or in an HTML entity (`&#39;`) is none. Empty when there are none.
    """
    found: dict[str, None] = {}
    for text in (_readable(title), _readable(description)):
        for start, end in _hashtag_runs(text):
            words = text[start:end].split("#")
            found.update(dict.fromkeys(word for word in words if _has_letter(word)))
    return tuple(found)


def keywords_of(title: str, tags: Iterable[str], language: str | None) -> tuple[str, ...]:
    """The title's words and then the tags as whole phrases, folded, each once.

    A word is letters and digits, at least two of them or one Chinese, Japanese or Korean character. Stop words of
    the language are dropped, none when it is unknown. Hashtags in the title are left to `hashtags_of`.

    Args:
        language: As YouTube writes it, `pt-BR` counts as `pt`; None when unknown.
    """
    text = _readable(title)
    for start, end in reversed(_hashtag_runs(text)):
        text = f"{text[:start]} {text[end:]}"
    words = [text[word.start() : word.end()] for word in _WORD.finditer(_outline(text))]
    phrases = [" ".join(_folded(tag).split()).lstrip("# ") for tag in tags]
    stop_words = _stop_words().get((language or "").split("-")[0].casefold(), frozenset())
    return tuple(dict.fromkeys(word for word in words + phrases if word not in stop_words and _tells(word)))


@cache
def _stop_words() -> Mapping[str, frozenset[str]]:
    """By language; short on purpose: what is left out there shows a lift near 1 and sinks by itself."""
    found = json.loads(files(__package__).joinpath("stop_words.json").read_text("utf-8"))
    return {language: frozenset(words.split()) for language, words in found.items()}


def _folded(text: str) -> str:
    seen = text.translate(_INVISIBLE)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    # The Turkish capital I with a dot folds to i and a dot of its own, which nobody types in lower case.
    return folded.replace("i\u0307", "i")


def _readable(text: str) -> str:
    return _ENTITY.sub(" ", _LINK.sub(" ", _folded(text)))


def _hashtag_runs(text: str) -> list[tuple[int, int]]:
    """Where hashtags stand, those written as one (`#one#two`) together."""
    spans = (run.span() for run in _HASHTAGS.finditer(_outline(text)))
    return [(start, end) for start, end in spans if _has_letter(text[start:end])]


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))


def _outline(text: str) -> str:
    return "".join("a" if _in_word(character) else character for character in text)


def _in_word(character: str) -> bool:
    if character.isalnum():
        return True
    # The vowels of Hindi, Thai and others are marks: without them their words would fall to pieces.
    return unicodedata.category(character) in {"Mn", "Mc"} and ord(character) not in _VARIATION_SELECTORS


def _tells(word: str) -> bool:
    if len(word) == 1:
        return _CJK.fullmatch(word) is not None
    return any(map(str.isalnum, word))
