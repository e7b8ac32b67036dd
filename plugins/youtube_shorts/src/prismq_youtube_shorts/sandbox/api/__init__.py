"""What the stand-in answers: the calls of the API over a catalogue; no HTTP in here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from prismq_youtube_shorts.sandbox.api.channels import channels_list
from prismq_youtube_shorts.sandbox.api.guides import languages_list, regions_list, video_categories_list
from prismq_youtube_shorts.sandbox.api.masks import applied, check, parse
from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.playlist_items import playlist_items_list
from prismq_youtube_shorts.sandbox.api.quota import Quota
from prismq_youtube_shorts.sandbox.api.search import search_list
from prismq_youtube_shorts.sandbox.api.shapes import PARTS, SHAPES
from prismq_youtube_shorts.sandbox.api.stats import stats_list
from prismq_youtube_shorts.sandbox.api.videos import videos_list
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Answer, Body, Refused

__all__ = ["Api", "Quota"]

_ENDPOINTS: dict[str, Callable[[Params, Catalogue], Body]] = {
    "search": search_list,
    "videos": videos_list,
    "batchGetStats": stats_list,
    "channels": channels_list,
    "playlistItems": playlist_items_list,
    "videoCategories": video_categories_list,
    "i18nLanguages": languages_list,
    "i18nRegions": regions_list,
}


class Api:
    """The YouTube Data API over an invented catalogue.

    Args:
        catalogue: The videos and their channels.
        quota: What is left of the day's calls.
        key: The only key that is taken.
    """

    def __init__(self, catalogue: Catalogue, quota: Quota, *, key: str) -> None:
        self._catalogue = catalogue
        self._quota = quota
        self._key = key

    def admit(self, call: str, key: str) -> Answer | None:
        """The refusal for a wrong key or a quota that is used up; a right key is charged, come what may."""
        if key != self._key:
            return REFUSALS["key_bad" if key else "key_missing"]
        return self._quota.charge(call)

    def answer(self, call: str, given: Mapping[str, Sequence[str]]) -> tuple[Answer, str]:
        """Status and body for a call that was admitted, and the ETag of a good one."""
        params = Params(given)
        try:
            params.parts(PARTS[call])
            mask = parse(params.one("fields")) if "fields" in params else None
            if mask is not None:
                check(mask, SHAPES[call])
            body = _ENDPOINTS[call](params, self._catalogue)
        except Refused as refused:
            return refused.answer, ""
        stamped = _stamped(body)
        return (200, stamped if mask is None else applied(mask, stamped)), stamped["etag"]


def _stamped(body: Body) -> Body:
    """The body with etags: one for each item, and one for the whole."""
    items = [_with_etag(item) for item in body.get("items", ())]
    return _with_etag({**body, "items": items} if items else body)


def _with_etag(body: Body) -> Body:
    kind, *others = body.items()
    digest = hashlib.blake2b(json.dumps(body).encode(), digest_size=20).digest()
    return dict([kind, ("etag", base64.urlsafe_b64encode(digest).decode().rstrip("=")), *others])
