"""Which results a search has, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from prismq_youtube_shorts.sandbox.api.question import Question
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.channel import Channel
from prismq_youtube_shorts.sandbox.entry import Entry

__all__ = ["Found", "ranked"]

Found = Entry | Channel

IN_LANGUAGE = 4
"""So many results in the language that is asked for, then one in another: the language is a hint."""


def ranked(question: Question, catalogue: Catalogue) -> list[Found]:
    """All results, the best first."""
    allowed = [entry for entry in catalogue.entries if question.allows(entry)]
    wanted = [entry for entry in allowed if not catalogue.fit(entry, question.unwanted)]
    return [*_channels(question, catalogue), *_ordered(wanted, question, catalogue)]


def _channels(question: Question, catalogue: Catalogue) -> Iterator[Channel]:
    if "channel" in question.types and not question.channel_id:
        for channel in catalogue.channels:
            if question.words & set(channel.title.casefold().split()):
                yield channel


def _ordered(entries: list[Entry], question: Question, catalogue: Catalogue) -> list[Entry]:
    """By relevance everything is found, the loosely fitting last; any other order finds less."""
    if question.order in {"relevance", "searchSortUnspecified", "videoCount"}:
        return _by_relevance(entries, question, catalogue)
    fitting = [entry for entry in entries if catalogue.fit(entry, question.words)] or entries
    if question.order == "title":
        return sorted(fitting, key=lambda entry: entry.title.casefold())
    if question.order == "date":
        return sorted(fitting, key=lambda entry: entry.published_at, reverse=True)
    counter = "viewCount" if question.order == "viewCount" else "likeCount"
    return sorted(fitting, key=lambda entry: catalogue.count(entry, counter), reverse=True)


def _by_relevance(entries: list[Entry], question: Question, catalogue: Catalogue) -> list[Entry]:
    def misfit(entry: Entry) -> int:
        return -catalogue.fit(entry, question.words)

    tiers = groupby(sorted(entries, key=misfit), key=misfit)
    return [entry for _, tier in tiers for entry in _mixed(list(tier), question.language)]


def _mixed(entries: Sequence[Entry], language: str) -> Iterator[Entry]:
    """Those in the language first, with some of the others in between."""
    spoken = iter([entry for entry in entries if not language or entry.language == language])
    others = iter([entry for entry in entries if language and entry.language != language])
    left = len(entries)
    while left:
        turn = [*_some(spoken, IN_LANGUAGE), *_some(others, 1)]
        left -= len(turn)
        yield from turn


def _some(entries: Iterator[Entry], count: int) -> Iterator[Entry]:
    for _, entry in zip(range(count), entries, strict=False):
        yield entry
