"""AnalyzeTrends: where its Shorts come from, what that costs, and what is derived about them, by hand."""

from __future__ import annotations

import pytest

from plugins.youtube_shorts.tests.entries import entry
from prismq_worker_sdk import Defer
from prismq_worker_sdk.model.outcome import Failed, Released
from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.errors import DayQuotaUsedUp, NotThere
from prismq_youtube_shorts.resources import CHANNELS, Video
from prismq_youtube_shorts.result import DISCLOSURE

# By the clock of these tests it is 2026-11-23 20:00 UTC.
TEN_HOURS_AGO = "2026-11-23T10:00:00Z"
TWO_DAYS_AGO = "2026-11-21T20:00:00Z"
LONG_AGO = "2026-10-01T00:00:00Z"
ONE, TWO, NOBODY = ("UC" + letter * 22 for letter in "abz")


@pytest.fixture
def run(make_youtube, handler_of):
    """Runs the handler once on a stand-in; derived metrics are on unless `given` says otherwise."""

    def run(sandbox, *, youtube=None, given=None, **params):
        youtube = youtube or make_youtube(sandbox, **{"derived_metrics": True, **(given or {})})
        handler = handler_of(AnalyzeTrends, youtube)
        return HandlerHarness(handler).run(params)

    return run


@pytest.fixture
def place(make_sandbox, clock):
    """A stand-in whose clock is that of the test."""
    return lambda entries, **options: make_sandbox(entries, now=clock, **options)


def video(name, views, *, published=TEN_HOURS_AGO, likes=None, comments=None, channel=ONE, **more):
    counts = {"viewCount": views, "likeCount": likes, "commentCount": comments}
    told = {kind: str(count) for kind, count in counts.items() if count is not None}
    return entry(f"{name:_<11}", published_at=published, channel_id=channel, statistics=told, **more)


def names(result):
    return [short["video_id"].rstrip("_") for short in result["videos"]]


def by_name(result):
    return {short["video_id"].rstrip("_"): short for short in result["videos"]}


# sources


def test_a_query_asks_for_the_most_viewed_since_midnight_some_days_ago(place, run):
    sandbox = place([video("a", 10, title="cooking"), video("b", 20, title="cooking")])

    result = run(
        sandbox, search_query="cooking", published_within_days=3, region_code="DE", category_id="22"
    ).result
    asked = sandbox.requests[0].params
    assert (asked["order"], asked["publishedAfter"]) == (["viewCount"], ["2026-11-20T00:00:00Z"])
    assert (asked["regionCode"], asked["videoCategoryId"]) == (["DE"], ["22"])
    assert (result["source"], result["search_query"], result["language"]) == ("query", "cooking", "en")
    assert (sandbox.calls("search"), sandbox.calls("videos")) == (1, 1)


def test_the_same_query_of_a_day_is_answered_from_kept_pages(place, run, make_youtube, clock):
    sandbox = place([video("a", 10)])
    youtube = make_youtube(sandbox)
    run(sandbox, youtube=youtube, search_query="cooking")
    clock.turn(hours=3)

    result = run(sandbox, youtube=youtube, search_query="cooking").result
    assert result["quota"]["from_cache"] is True
    assert result["fetched_at"] == "2026-11-23T20:00:00Z"


def test_the_chart_costs_units_alone_and_gives_its_shorts(place, run):
    wide = [video(f"w{number}", 10, width=1920, height=1080) for number in range(60)]
    sandbox = place([*wide, video("short", 5)])

    result = run(sandbox, source="chart", region_code="US").result
    assert names(result) == ["short"]
    assert sandbox.calls("search") == 0
    assert sandbox.calls("videos") == result["quota"]["units"] == 2
    assert result["stats"]["non_shorts"] == 60


def test_a_chart_that_does_not_exist_is_a_wrong_parameter(place, run):
    found = run(place([video("a", 1)]), source="chart", category_id="999")

    assert isinstance(found.error, NotThere)
    assert isinstance(found.outcome, Failed)
    assert found.outcome.retryable is False


def test_known_videos_come_in_the_order_given_whether_their_shape_is_known_or_not(place, run):
    sandbox = place(
        [
            video("a", 1),
            video("b", 2, width=0, height=0),
            video("c", 3, width=1920, height=1080),
            video("d", 4, deleted=True),
        ]
    )
    ids = [f"{name:_<11}" for name in "bacdb"]

    result = run(sandbox, source="video_ids", video_ids=ids).result
    assert names(result) == ["b", "a", "c", "d"]
    assert [video["shorts_check"] for video in result["videos"]] == [
        "unverified",
        "verified",
        "not_a_short",
        "unavailable",
    ]
    assert [video["url"].rpartition("/")[0] for video in result["videos"]] == [
        "https://www.youtube.com/shorts",
        "https://www.youtube.com/shorts",
        "https://www.youtube.com",
        "https://www.youtube.com",
    ]
    assert [video["derived"] is None for video in result["videos"]] == [False, False, True, True]
    assert (result["total_found"], result["left_out"]) == (4, [])
    assert (result["stats"]["unavailable"], result["stats"]["non_shorts"]) == (1, 1)
    assert sandbox.calls("videos") == 1


def test_channels_give_their_latest_the_most_viewed_first(place, run):
    sandbox = place(
        [
            video("a1", 10),
            video("a2", 500),
            video("old", 9_000, published=LONG_AGO),
            video("b1", 70, channel=TWO),
            video("b2", None, channel=TWO),
            video("wide", 8_000, width=1920, height=1080),
        ]
    )

    result = run(sandbox, source="channels", channels=[ONE, TWO, ONE]).result
    assert names(result) == ["a2", "b1", "a1", "b2"]
    assert (sandbox.calls("playlistItems"), sandbox.calls("videos")) == (2, 2)
    assert result["partial"] is False
    assert names(run(sandbox, source="channels", channels=[ONE, TWO], max_results=1).result) == ["a2"]


def test_a_channel_without_a_list_of_shorts_is_read_by_its_uploads_and_one_that_is_not_there_is_passed_over(
    place, run
):
    sandbox = place([video("wide", 5, width=1920, height=1080, channel=TWO), video("a", 1)])

    found = run(sandbox, source="channels", channels=[NOBODY, TWO, ONE])
    assert names(found.result) == ["a"]
    assert (found.result["partial"], found.result["stop_reason"]) == (True, "trouble")
    assert found.result["left_out"] == [{"id": NOBODY, "reason": "not_there"}]
    ((_level, _message, said),) = [line for line in found.logs if line[1] == "a channel is passed over"]
    assert said["channel_id"] == NOBODY
    assert "cannot be found" in said["reason"]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "source 'query' needs search_query"),
        ({"source": "channels"}, "source 'channels' needs channels"),
        ({"source": "video_ids"}, "source 'video_ids' needs video_ids"),
        ({"source": "chart", "search_query": "x"}, "search_query goes with source 'query' only"),
        ({"source": "chart", "video_ids": ["a" * 11]}, "video_ids goes with source 'video_ids' only"),
        ({"source": "video_ids", "video_ids": ["a"]}, "/video_ids/0"),
        ({"source": "channels", "channels": [ONE] * 11}, "/channels"),
        ({"source": "trending"}, "/source"),
        ({"search_query": "x", "max_results": 0}, "/max_results"),
        ({"search_query": "x", "published_within_days": 0}, "/published_within_days"),
        ({"search_query": "   "}, "search_query is blank"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_and_nothing_is_asked(place, run, params, named):
    sandbox = place([])
    outcome = run(sandbox, **params).outcome

    assert isinstance(outcome, Failed)
    assert named in outcome.error
    assert sandbox.requests == []


def test_a_query_without_searches_waits_alone_for_the_next_day_and_the_other_sources_go_on(place, run):
    sandbox = place([video("a", 1)], search_quota=0)

    found = run(sandbox, search_query="cooking")
    assert isinstance(found.error, Defer)
    assert isinstance(found.outcome, Released)
    assert found.outcome.delay_seconds == 12 * 3_600 + 60
    assert found.error.or_pause  # where the server cannot keep it back
    assert "the day's search quota" in found.outcome.reason
    assert run(sandbox, source="chart").completed


def test_an_empty_bucket_of_units_pauses_the_type_as_no_source_can_do_without(place, run):
    found = run(place([video("a", 1)], unit_quota=0), source="chart")

    assert isinstance(found.error, DayQuotaUsedUp)


@pytest.mark.parametrize(
    "params",
    [{"source": "channels", "channels": [ONE]}, {"source": "video_ids", "video_ids": ["a" + "_" * 10]}],
)
def test_what_cannot_be_watched_in_the_region_is_not_given(place, run, params):
    sandbox = place([video("a", 1, region_blocked=("DE", "AT"))])

    assert names(run(sandbox, region_code="FR", **params).result) == ["a"]
    result = run(sandbox, region_code="DE", **params).result
    assert (names(result), result["stats"]["unavailable"]) == ([], 1)
    named = [{"id": "a__________", "reason": "region"}] if "video_ids" in params else []
    assert result["left_out"] == named


@pytest.mark.parametrize(
    ("rule", "watchable"),
    [
        ({}, True),
        ({"blocked": ["DE"]}, False),
        ({"blocked": ["US"]}, True),
        ({"blocked": []}, True),
        ({"allowed": ["US", "CA"]}, False),
        ({"allowed": ["DE"]}, True),
        ({"allowed": []}, False),
    ],
)
def test_a_region_is_kept_out_by_a_list_of_the_blocked_or_of_the_allowed(rule, watchable):
    told = Video.model_validate({"contentDetails": {"regionRestriction": rule}})

    assert told.watchable_in("DE") is watchable
    assert told.watchable_in(None)


def test_rows_of_a_list_that_are_private_are_counted_unless_they_are_too_old(place, run):
    private = {"privacy_status": "private"}
    sandbox = place([video("a", 1), video("b", 1, **private), video("c", 1, published=LONG_AGO, **private)])

    stats = run(sandbox, source="channels", channels=[ONE]).result["stats"]
    assert (stats["candidates"], stats["unavailable"]) == (2, 1)


def test_a_list_that_goes_on_is_not_called_exhausted_unless_what_follows_is_too_old(place, run):
    many = [video(f"v{number}", number) for number in range(60)]

    def stop(sandbox, channels):
        result = run(sandbox, source="channels", channels=channels).result
        return result["stop_reason"], result["partial"]

    assert stop(place(many), [ONE]) == ("page_cap", False)
    assert stop(place([*many, video("x", 1, channel=TWO)]), [ONE, TWO]) == ("page_cap", False)
    assert stop(place([*many[:49], *(video(f"o{n}", 1, published=LONG_AGO) for n in range(9))]), [ONE]) == (
        "exhausted",
        False,
    )


@pytest.mark.parametrize("fault", ["channel_not_accessible", "channel_closed", "forbidden_thing"])
def test_a_channel_that_may_not_be_read_is_passed_over_and_pauses_nothing(place, run, fault):
    sandbox = place([video("a", 1), video("b", 2, channel=TWO)])
    sandbox.faults.add(fault, "playlistItems", times=2)

    found = run(sandbox, source="channels", channels=[ONE, TWO])
    assert names(found.result) == ["b"]
    assert found.result["left_out"] == [{"id": ONE, "reason": "not_accessible"}]
    assert any(line[1] == "a channel is passed over" for line in found.logs)


def test_trouble_after_the_first_channel_keeps_what_there_is(place, run):
    sandbox = place([video("a", 1), video("b", 2, channel=TWO)])
    sandbox.faults.add("http_503", "playlistItems", times=None, after=1)

    result = run(sandbox, source="channels", channels=[ONE, TWO]).result
    assert (names(result), result["partial"], result["stop_reason"]) == (["a"], True, "trouble")


# derived metrics


def test_nothing_is_derived_and_no_look_is_kept_unless_the_operator_says_so(place, run, make_youtube):
    sandbox = place([video("a", 1_000, likes=50, comments=10)])
    youtube = make_youtube(sandbox)

    result = run(
        sandbox, youtube=youtube, source="video_ids", video_ids=["a__________"], outliers=True
    ).result
    assert result["derived"] is None
    assert [short["derived"] for short in result["videos"]] == [None]
    assert result["videos"][0]["view_count"] == 1_000
    assert sandbox.calls("channels") == sandbox.calls("playlistItems") == 0
    rows = youtube.file.run(lambda db: db.execute("SELECT count(*) FROM looks").fetchone()[0], -1)
    assert rows == 0


def test_the_figures_of_a_short_are_those_worked_out_by_hand(place, run):
    """1,000 views in 10 hours: 100 an hour; 50 likes are 5 %, 10 comments 1 %, both 6 %."""
    sandbox = place([video("a", 1_000, likes=50, comments=10)])

    (short,) = run(sandbox, source="video_ids", video_ids=["a__________"]).result["videos"]
    assert short["derived"] == {
        "disclosure": DISCLOSURE,
        "age_hours": 10.0,
        "views_per_hour": 100.0,
        "velocity": None,
        "velocity_since": None,
        "engagement_rate": 6.0,
        "like_ratio": 5.0,
        "comment_ratio": 1.0,
        "outlier_score": None,
        "outlier_basis": None,
        "z_score": None,
        "percentile": None,
    }


def test_what_is_hidden_is_unknown_and_never_nothing(place, run):
    sandbox = place([video("a", 1_000, comments=10), video("b", None)])

    found = by_name(run(sandbox, source="video_ids", video_ids=["a__________", "b__________"]).result)
    assert (found["a"]["like_count"], found["a"]["derived"]["like_ratio"]) == (None, None)
    assert found["a"]["derived"]["engagement_rate"] is None
    assert found["b"]["derived"]["views_per_hour"] is None


def test_two_looks_give_the_real_velocity_and_the_second_costs_statistics_alone(
    place, run, make_youtube, clock
):
    """It grows by 250 views an hour, whatever its average over the days before."""
    sandbox = place([video("a", 1_000, published=TWO_DAYS_AGO, views_per_hour=250.0)])
    youtube = make_youtube(sandbox, derived_metrics=True)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    run(sandbox, youtube=youtube, **asked)
    clock.turn(hours=2)

    result = run(sandbox, youtube=youtube, **asked).result
    (short,) = result["videos"]
    assert short["view_count"] == 1_500
    assert short["derived"]["velocity"] == 250.0
    assert short["derived"]["velocity_since"] == "2026-11-23T20:00:00Z"
    assert short["derived"]["views_per_hour"] == 30.0  # 1,500 in 50 hours
    assert (sandbox.calls("videos"), sandbox.calls("batchGetStats")) == (1, 1)
    assert (result["quota"]["units"], result["quota"]["stats_calls"]) == (0, 1)
    assert result["fetched_at"] == "2026-11-23T20:00:00Z", "its texts are as old as that"


def test_a_second_look_within_minutes_tells_no_velocity(place, run, make_youtube, clock):
    sandbox = place([video("a", 1_000, views_per_hour=250.0)])
    youtube = make_youtube(sandbox, derived_metrics=True)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    run(sandbox, youtube=youtube, **asked)
    clock.turn(minutes=10)

    (short,) = run(sandbox, youtube=youtube, **asked).result["videos"]
    assert short["derived"]["velocity"] is None


def test_a_known_video_that_was_deleted_since_is_unavailable(place, run, make_youtube, clock):
    youtube = make_youtube(place([video("a", 1_000)]), derived_metrics=True)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    run(None, youtube=youtube, **asked)
    clock.turn(hours=1)
    gone = place([video("a", 1_000, deleted=True)])
    later = make_youtube(gone, derived_metrics=True)

    result = run(gone, youtube=later, **asked).result
    (gone,) = result["videos"]
    assert (gone["shorts_check"], gone["title"], gone["view_count"]) == ("unavailable", "", None)
    assert result["stats"]["unavailable"] == 1


def test_an_outlier_stands_out_of_its_own_channel(place, run):
    """Peers of the same age with 10, 20, 30, 40 and 50 views an hour: the median is 30, 90 is 3 times that."""
    peers = [video(f"p{number}", 100 * number) for number in range(1, 6)]
    sandbox = place([video("hit", 900), *peers])

    result = run(sandbox, source="video_ids", video_ids=["hit________"], outliers=True).result
    derived = result["videos"][0]["derived"]
    assert (derived["outlier_score"], derived["outlier_basis"]) == (3.0, "channel_median")
    assert (sandbox.calls("channels"), sandbox.calls("playlistItems")) == (1, 1)
    assert result["quota"]["units"] == 4  # the video, its channel, the list, the list's videos


def test_channels_that_cannot_be_asked_leave_the_outliers_unknown_and_the_result_partial(place, run):
    sandbox = place([video("hit", 900)])
    sandbox.faults.add("http_503", "playlistItems", times=None)

    found = run(sandbox, source="video_ids", video_ids=["hit________"], outliers=True)
    assert (found.result["partial"], found.result["stop_reason"]) == (True, "trouble")
    assert "some channels are not compared with" in [message for _, message, _ in found.logs]


def test_the_summary_is_that_worked_out_by_hand(place, run):
    """Views an hour: 100, 200, 300, 40, 50; the median of all is 100, that of the three with "pasta" 200."""
    entries = [
        video("a", 1_000, title="pasta one #food", default_audio_language="en"),
        video("b", 2_000, title="pasta two #food", default_audio_language="en"),
        video("c", 3_000, title="pasta three", default_audio_language="de", channel=TWO),
        video("d", 400, title="bread", duration="PT2M", seconds=120),
        video("e", 500, title="soup #food", duration="PT10S", seconds=10),
    ]
    sandbox = place(entries)
    ids = [one.id for one in entries]

    result = run(sandbox, source="video_ids", video_ids=ids).result
    derived = result["derived"]
    assert derived["disclosure"] == DISCLOSURE
    assert {
        "token": "pasta",
        "support": 3,
        "median_views_per_hour": 200.0,
        "lift": 2.0,
    } in derived["keywords"]
    assert derived["hashtags"] == [
        {"token": "food", "support": 3, "median_views_per_hour": 100.0, "lift": 1.0}
    ]
    assert (derived["publish_hours"][10], sum(derived["publish_hours"])) == (5, 5)
    assert derived["durations"] == {"0-15": 1, "16-30": 3, "31-60": 0, "61-180": 1, "unknown": 0}
    assert [(one["channel_id"], one["videos"], one["views"]) for one in derived["top_channels"]] == [
        (ONE, 4, 3_900),
        (TWO, 1, 3_000),
    ]
    assert derived["languages"]["en"] >= 2
    assert by_name(result)["c"]["derived"]["percentile"] == 100.0


def test_the_published_result_schema_names_what_is_derived():
    schema = AnalyzeTrends().as_handler().result_schema

    assert "views_per_hour" in schema["$defs"]["Derived"]["properties"]
    assert list(schema["properties"])[:3] == ["videos", "total_found", "source"]


def test_a_known_video_costs_statistics_alone_whether_metrics_are_derived_or_not(
    place, run, make_youtube, clock
):
    sandbox = place([video("a", 1_000)])
    youtube = make_youtube(sandbox, derived_metrics=False)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    run(sandbox, youtube=youtube, **asked)
    clock.turn(hours=1)
    run(sandbox, youtube=youtube, **asked)

    assert (sandbox.calls("videos"), sandbox.calls("batchGetStats")) == (1, 1)


def test_what_is_known_of_a_video_is_fetched_anew_after_thirty_days_however_often_it_is_looked_at(
    place, run, make_youtube, clock
):
    sandbox = place([video("a", 1_000)])
    youtube = make_youtube(sandbox, derived_metrics=True)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    told = []
    for _ in range(4):
        told.append(run(sandbox, youtube=youtube, **asked).result["fetched_at"][:10])
        clock.turn(days=10)

    assert told == ["2026-11-23", "2026-11-23", "2026-11-23", "2026-12-23"]
    assert sandbox.calls("videos") == 2


def test_known_videos_are_asked_for_whole_where_the_quota_of_statistics_is_used_up(
    place, run, make_youtube, clock
):
    sandbox = place([video("a", 1_000)], stats_quota=0)
    youtube = make_youtube(sandbox)
    asked = {"source": "video_ids", "video_ids": ["a__________"]}
    run(sandbox, youtube=youtube, **asked)
    clock.turn(hours=1)

    assert run(sandbox, youtube=youtube, **asked).result["total_found"] == 1
    assert sandbox.calls("videos") == 2


def test_a_velocity_is_told_from_kept_pages_too(place, run, make_youtube, clock):
    """Snapshots at 0 h and 7 h; half an hour later the second is answered from disk, and tells the same."""
    sandbox = place([video("a", 1_000, published=TWO_DAYS_AGO, views_per_hour=250.0, title="cooking")])
    youtube = make_youtube(sandbox, derived_metrics=True, cache_lifetime="6h")
    told = []
    for hours in (7, 0.5, 0):
        (short,) = run(sandbox, youtube=youtube, search_query="cooking").result["videos"]
        told.append(short["derived"]["velocity"])
        clock.turn(hours=hours)

    assert told == [None, 250.0, 250.0]


def test_channels_are_compared_with_while_there_is_time(place, make_youtube, handler_of):
    from prismq_worker_sdk.testing import FakeClock

    sandbox = place([video("hit", 900)])
    youtube = make_youtube(sandbox, derived_metrics=True)
    handler = handler_of(AnalyzeTrends, youtube)
    time = FakeClock()
    harness = HandlerHarness(handler, clock=time)
    call = youtube.call

    def slow(endpoint, params, **options):
        time.turn(280 if endpoint is CHANNELS else 0)
        return call(endpoint, params, **options)

    youtube.call = slow

    found = harness.run({"source": "video_ids", "video_ids": ["hit________"], "outliers": True})
    assert (found.result["partial"], found.result["stop_reason"]) == (True, "trouble")
    assert found.result["total_found"] == 1
    assert sandbox.calls("playlistItems") == 0


def test_all_videos_that_were_named_come_back(place, run):
    entries = [video(f"v{number:02d}", number) for number in range(50)]

    result = run(place(entries), source="video_ids", video_ids=[one.id for one in entries]).result
    assert result["total_found"] == 50
