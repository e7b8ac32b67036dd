"""`PrismQ.YouTube.ScrapeShorts`: a search term in, verified Shorts out."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from prismq_worker_sdk import Permanent, TaskContext, TaskHandler, TaskParams
from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.client import CALL_TIMEOUT, YouTubeClient
from prismq_youtube_shorts.errors import Misconfigured, PageTokenRefused
from prismq_youtube_shorts.result import ScrapeShortsResult, Short
from prismq_youtube_shorts.settings import YouTubeSettings
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check

__all__ = ["MAX_PAGES", "ScrapeShorts", "ScrapeShortsParams", "find_shorts"]

MAX_PAGES = 3
"""Search pages of 50 for one task; each costs one of the project's 100 search calls of the day."""
NO_KEY = "set YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE) to a key of the YouTube Data API v3"


class ScrapeShortsParams(TaskParams):
    """What to search for, and how much of it."""

    search_query: str = Field(min_length=1, max_length=200, description="Search term for YouTube Shorts")
    max_results: int = Field(10, ge=1, le=50, description="The most Shorts to give back")
    language: str = Field(
        "en", pattern="^[a-z]{2}$", description="ISO 639-1; a hint that YouTube follows loosely"
    )


class ScrapeShorts(TaskHandler):
    """Finds Shorts by the official YouTube Data API."""

    task_type = "PrismQ.YouTube.ScrapeShorts"
    params = ScrapeShortsParams
    time_limit = "2m"

    settings: YouTubeSettings | None = None
    client: YouTubeClient | None = None

    def ready(self) -> str | None:
        """None with a key, else which variable to set."""
        return None if self._told().youtube_api_key else NO_KEY

    def setup(self) -> None:
        """Prepare the client; it imports Google's library and connects at its first call only."""
        told = self._told()
        if told.youtube_api_key is not None:
            self.client = YouTubeClient(told.youtube_api_key.get_secret_value(), told.youtube_api_endpoint)

    def process(self, params: ScrapeShortsParams, ctx: TaskContext) -> ScrapeShortsResult:
        """Find up to `max_results` verified Shorts."""
        if self.client is None:
            raise Misconfigured(NO_KEY)
        return find_shorts(self.client, params, ctx)

    def teardown(self) -> None:
        """Close the connections."""
        if self.client is not None:
            self.client.close()

    def _told(self) -> YouTubeSettings:
        """The settings given, or, in an embedding program that gave none, those of the environment."""
        return self.settings or YouTubeSettings()


def find_shorts(client: YouTubeClient, params: ScrapeShortsParams, ctx: TaskContext) -> ScrapeShortsResult:
    """Verified Shorts in YouTube's order; at most MAX_PAGES searches with one videos.list each.

    Raises:
        Permanent: The search term is blank, or YouTube does not take it.
        HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`.
    """
    query = params.search_query.strip()
    if not query:
        raise Permanent("search_query is blank; give at least one word")
    find = _Find(client, ctx)
    token: str | None = None
    for page in range(1, MAX_PAGES + 1):
        token = find.read_page(page, query, params.language, token)
        if len(find.shorts) >= params.max_results or token is None:
            break
        ctx.progress(100 * page / MAX_PAGES, f"{len(find.shorts)} of {params.max_results} Shorts so far")
    shorts = tuple(find.shorts[: params.max_results])
    return ScrapeShortsResult(shorts=shorts, total_found=len(shorts), search_query=params.search_query)


@dataclass(slots=True)
class _Find:
    """One search under way: what was seen and what was found."""

    client: YouTubeClient
    ctx: TaskContext
    seen: set[str] = field(default_factory=set)
    shorts: list[Short] = field(default_factory=list)

    def read_page(self, page: int, query: str, language: str, token: str | None) -> str | None:
        """Read one page and verify it; returns the token of the next, None when there is none."""
        try:
            answer = self.client.search(query, language=language, page_token=token, timeout=self._timeout())
        except PageTokenRefused as refused:
            if token is None:
                raise
            self.ctx.log.warning("the search ends early", page=page, reason=str(refused))
            return None
        self.ctx.progress(100 * (page - 0.5) / MAX_PAGES, f"page {page}: {len(answer.items)} videos to check")
        # YouTube repeats videos across pages; a dict keeps the first of each, in order.
        fresh = [video_id for video_id in dict.fromkeys(answer.video_ids) if video_id not in self.seen]
        self.seen.update(fresh)
        videos = self.client.videos(fresh, timeout=self._timeout()) if fresh else {}
        self._verify(page, fresh, videos)
        return answer.next_page_token

    def _verify(self, page: int, ids: list[str], videos: dict[str, Video]) -> None:
        there = [videos[video_id] for video_id in ids if video_id in videos]
        checked = [(video, check(video.traits)) for video in there if video.watchable]
        verdicts = [verdict for _, verdict in checked]
        self.shorts.extend(Short.of(video) for video, verdict in checked if verdict is ShortsCheck.VERIFIED)
        self.ctx.log.info(
            "page read",
            page=page,
            candidates=len(ids),
            shorts=verdicts.count(ShortsCheck.VERIFIED),
            not_shorts=verdicts.count(ShortsCheck.NOT_A_SHORT),
            unverified=verdicts.count(ShortsCheck.UNVERIFIED),
            unavailable=len(ids) - len(checked),
        )

    def _timeout(self) -> float:
        """Seconds the next call may be silent; the point between calls where a cancelled task ends."""
        self.ctx.check()
        return max(1.0, min(CALL_TIMEOUT, self.ctx.time_left))
