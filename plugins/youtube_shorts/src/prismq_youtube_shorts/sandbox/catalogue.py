"""The catalogue as the API looks into it: videos by id and by channel, and counters that run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from prismq_youtube_shorts.sandbox.channel import Channel, derive
from prismq_youtube_shorts.sandbox.entry import Entry

__all__ = ["Catalogue"]


class Catalogue:
    """Videos and their channels.

    Args:
        entries: In the order in which equally fitting videos are found.
        channels: Those that are not to be derived from their videos.
        now: The stand-in's clock, with time zone.
    """

    def __init__(
        self, entries: Sequence[Entry], *, channels: Sequence[Channel] = (), now: Callable[[], datetime]
    ) -> None:
        self.entries = tuple(entries)
        self._now = now
        self._since = now()
        self._by_id = {entry.video_id: entry for entry in entries}
        self._words = {entry.video_id: entry.words for entry in entries}
        self._of_channel: dict[str, list[Entry]] = {}
        for entry in entries:
            self._of_channel.setdefault(entry.channel_id, []).append(entry)
        derived = {name: derive(name, videos) for name, videos in self._of_channel.items()}
        self._channels = derived | {channel.id: channel for channel in channels}

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels."""
        return tuple(self._channels.values())

    def videos(self, ids: Iterable[str]) -> list[Entry]:
        """Those of these that can be seen; the others are silently absent, as in the API."""
        known = (self._by_id[video_id] for video_id in ids if video_id in self._by_id)
        return [entry for entry in known if entry.viewable]

    def channel(self, channel_id: str) -> Channel | None:
        """The channel of this id."""
        return self._channels.get(channel_id)

    def uploads(self, channel_id: str) -> list[Entry]:
        """The rows of a channel's list, the newest first; private videos stay in it."""
        shown = [entry for entry in self._of_channel.get(channel_id, ()) if entry.in_lists]
        return sorted(shown, key=lambda entry: entry.published_at, reverse=True)

    def fit(self, entry: Entry, words: frozenset[str]) -> int:
        """How many of these words the video has."""
        return len(words & self._words[entry.video_id])

    def statistics(self, entry: Entry) -> dict[str, str]:
        """What is counted by now, with whatever is hidden missing."""
        return entry.statistics_at(self._now(), since=self._since)

    def count(self, entry: Entry, name: str) -> int:
        """One of the counters by now; 0 when it is hidden."""
        return int(self.statistics(entry).get(name, "0"))
