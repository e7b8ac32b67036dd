"""The words of Shorts: hashtags, keywords, and which of them go with many views.

Words are compared in one form: NFKC, case-folded, so that `CATS`, `cats` and full-width letters are one word.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["TokenLift", "hashtags_of", "keywords_of", "lift"]

STOP_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "about all an and are as at be but by can did do does don for from get got had has have "
        "he her his how if in into is isn it its just ll me my no not of on or our out re she so "
        "than that the their them then there they this to too up us ve was we were what when "
        "where which who why will with you your",
        "de": "aber als am an auch auf aus bei bin bist das dass dein dem den der des die dir du durch "
        "ein eine einem einen einer er es für hab habe hat ich ihr im in ist ja kann kein mein "
        "mich mir mit nach nicht noch nur ob oder sich sie sind so über um und uns unter vom von "
        "vor war was wenn wer wie wir wird zu zum zur",
        "es": "al como con cuando de del desde donde el ella en eres es esta este esto está fue ha hay "
        "la las le les lo los me mi mis más muy ni no nos para pero por porque que quien qué se "
        "ser si sin sobre son soy su sus sí te tu tus un una unas uno unos ya yo",
        "fr": "ai au aux avec ce ces cette comme dans de des du elle en es est et eux il ils je la le "
        "les leur lui ma mais me mes mon même ne nos notre nous on ont ou où par pas plus pour qu "
        "quand que qui sa sans se ses si son sont sur ta te tes toi ton tu un une vos votre vous",
        "cs": "aby ale ani asi až bez bude by byl byla bylo být co do ho já jak jako je jeho její jen "
        "ještě ji jsem jsi jsme jsou kde kdo kdy když která které který má mi mít mu můj na nad "
        "ne nebo než od po pod pro proč při se si tak také tam ten to tu ty už ve však všechno vy "
        "za ze že",
        "pt": "ao aos as até com como da das de dela dele do dos ela ele em entre era essa esse esta "
        "este está eu foi há isso já lhe mais mas me meu minha muito na nas nem no nos não nós os "
        "ou para pela pelo por porque qual quando que quem se sem ser seu sua são só também te "
        "tem um uma você",
    }.items()
}
"""By language; short on purpose: what is left out here shows a lift near 1 and sinks by itself."""

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


@dataclass(frozen=True, slots=True)
class TokenLift:
    """How the Shorts with a word do against all.

    Attributes:
        support: Shorts with the word whose views per hour are known.
        median_views_per_hour: Of those.
        lift: That median by the median of all: 1 is usual, 2 is twice the usual.
    """

    token: str
    support: int
    median_views_per_hour: float
    lift: float


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
    stop_words = STOP_WORDS.get((language or "").split("-")[0].casefold(), frozenset())
    return tuple(dict.fromkeys(word for word in words + phrases if word not in stop_words and _tells(word)))


def lift(
    tokens_of: Mapping[str, tuple[str, ...]],
    vph_of: Mapping[str, float | None],
    *,
    min_support: int = 3,
    most: int = 50,
) -> tuple[TokenLift, ...]:
    """The words that go with many views: median(views per hour with the word) / median(views per hour of all).

    A derived metric in the sense of YouTube API Services Developer Policies III.E.4.h. The lift is a plain number
    from 0 up. Highest lift first, then most support, then by the alphabet.
    Videos with unknown views per hour are passed over; empty when the median of all is not above 0 or cannot be told.

    Args:
        tokens_of: By video id; a word counts once for a video.
        vph_of: Views per hour by video id, None or absent when unknown; all of them make up the median of all.
        min_support: Words of fewer videos are left out: their median is chance.
        most: At most so many words.
    """
    known = {video: rate for video, rate in vph_of.items() if rate is not None}
    overall = median(known.values()) if known else 0
    if overall <= 0:
        return ()
    rates_of: defaultdict[str, list[float]] = defaultdict(list)
    for video in tokens_of.keys() & known.keys():
        for token in set(tokens_of[video]):
            rates_of[token].append(known[video])
    lifts = [
        TokenLift(token, len(rates), middle := median(rates), middle / overall)
        for token, rates in rates_of.items()
        if len(rates) >= min_support
    ]
    return tuple(sorted(lifts, key=lambda each: (-each.lift, -each.support, each.token))[:most])


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
