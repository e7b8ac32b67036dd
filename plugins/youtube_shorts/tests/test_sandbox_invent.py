"""The invented catalogue: repeatable, labelled, and good for looking at trends."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from plugins.youtube_shorts.tests.sandbox_support import Clock, good
from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.sandbox import Entry, invent


def test_the_catalogue_is_the_same_for_the_same_seed_and_labelled_throughout():
    entries = invent(300)

    assert entries == invent(300)
    assert entries != invent(300, seed=7)
    assert all("[invented]" in entry.title and entry.video_id.startswith("standin") for entry in entries)
    assert len({entry.video_id for entry in entries}) == 300


def test_the_catalogue_has_every_sort_of_video():
    entries = invent()

    assert {entry.live for entry in entries} == {"none", "live", "upcoming"}
    assert {"PT0S", "P0D", "PT1H", "P1DT2H", None} <= {entry.duration for entry in entries}
    assert any(entry.deleted for entry in entries)
    assert any(entry.width == 0 for entry in entries)
    assert any(entry.width > entry.height for entry in entries)
    assert any("likeCount" not in entry.statistics for entry in entries)
    assert any("shortsAspectRatio" in entry.thumbnails for entry in entries)


def test_the_catalogue_has_tags_categories_languages_and_labels_of_every_sort():
    entries = invent()

    assert {len(entry.tags) > 0 for entry in entries} == {True, False}
    assert {"1", "10", "20"} & {entry.category_id for entry in entries} == {"10", "20"}
    assert {None, "en", "de"} <= {entry.default_language for entry in entries}
    assert {None, "en", "de"} <= {entry.default_audio_language for entry in entries}
    assert {entry.made_for_kids for entry in entries} == {True, False}
    assert {entry.embeddable for entry in entries} == {True, False}
    assert {entry.contains_synthetic_media for entry in entries} == {None, True, False}
    assert {entry.license for entry in entries} == {"youtube", "creativeCommon"}
    assert {entry.privacy_status for entry in entries} == {"public", "private"}
    assert any("DE" in entry.region_blocked for entry in entries)
    assert any("#shorts" in entry.description for entry in entries)


def test_most_channels_have_several_shorts():
    shorts = Counter(entry.channel_id for entry in invent() if entry.listed and entry.is_short)

    assert len(shorts) == 44
    assert sum(count >= 3 for count in shorts.values()) > 30


def test_there_are_shorts_of_the_last_days_whenever_it_is_made():
    until = datetime(2031, 3, 4, 5, tzinfo=UTC)

    entries = invent(until=until)

    published = [entry.published for entry in entries if entry.is_short]
    assert max(published) <= until
    assert sum(until - timedelta(days=7) <= moment for moment in published) > 20
    assert {entry.seen_at for entry in entries} == {"2031-03-04T05:00:00Z"}


def test_a_clock_from_before_there_were_such_shorts_does_no_harm():
    entries = invent(until=datetime(2001, 1, 1, tzinfo=UTC))

    assert any(entry.is_short and entry.seconds > 60 for entry in entries)


def test_the_stand_in_invents_up_to_its_own_clock_and_views_run_on_from_there(make_sandbox):
    clock = Clock("2030-01-01T00:00:00Z")
    sandbox = make_sandbox(now=clock)
    fast = max(invent(until=clock.now), key=_pace)

    def views() -> int:
        (video,) = good(sandbox, "videos", id=fast.video_id, part="statistics")["items"]
        return int(video["statistics"]["viewCount"])

    before = views()
    clock.turn(hours=10)

    assert before == int(fast.statistics["viewCount"])
    assert views() == before + int(10 * fast.views_per_hour)


def _pace(entry: Entry) -> float:
    return entry.views_per_hour if entry.listed and "statistics" not in entry.absent else 0.0
