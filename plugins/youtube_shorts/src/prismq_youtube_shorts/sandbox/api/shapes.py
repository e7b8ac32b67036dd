"""All that the answers of each call may hold, and the parts that can be asked for."""

from __future__ import annotations

from prismq_youtube_shorts.sandbox.api.masks import Mask, parse

__all__ = ["PARTS", "SHAPES"]

_PAGES = "nextPageToken,prevPageToken,tokenPagination,pageInfo(totalResults,resultsPerPage)"
_LIST = "kind,etag,eventId,visitorId"
_PICTURE = "(url,width,height)"
_PICTURES = ",".join(
    f"{size}{_PICTURE}"
    for size in (
        "default",
        "medium",
        "high",
        "standard",
        "maxres",
        "fhd",
        "qhd",
        "uhd",
        "shortsAspectRatio",
    )
)
_TEXTS = "title,description"
_VIDEO = (
    f"id,snippet(publishedAt,channelId,{_TEXTS},thumbnails({_PICTURES}),channelTitle,tags,categoryId,"
    f"liveBroadcastContent,defaultLanguage,localized({_TEXTS}),defaultAudioLanguage),"
    "contentDetails(duration,dimension,definition,caption,licensedContent,regionRestriction(allowed,blocked),"
    "countryRestriction/*,contentRating/*,projection,hasCustomThumbnail),"
    "status(uploadStatus,failureReason,rejectionReason,privacyStatus,publishAt,license,embeddable,"
    "publicStatsViewable,madeForKids,selfDeclaredMadeForKids,containsSyntheticMedia),"
    "statistics(viewCount,likeCount,dislikeCount,favoriteCount,commentCount),"
    "player(embedHtml,embedHeight,embedWidth),paidProductPlacementDetails(hasPaidProductPlacement),"
    "topicDetails/*,recordingDetails/*,liveStreamingDetails/*,localizations/*,brandPartner/*,ageGating/*,"
    "fileDetails/*,processingDetails/*,suggestions/*,monetizationDetails/*,projectDetails"
)
_CHANNEL = (
    f"id,snippet({_TEXTS},customUrl,publishedAt,thumbnails({_PICTURES}),defaultLanguage,"
    f"localized({_TEXTS}),country),"
    "contentDetails(relatedPlaylists(likes,uploads,favorites,watchHistory,watchLater)),"
    "statistics(viewCount,commentCount,subscriberCount,hiddenSubscriberCount,videoCount),"
    "status/*,topicDetails/*,brandingSettings/*,localizations/*,auditDetails/*,contentOwnerDetails/*,"
    "conversionPings/*"
)
_PLAYLIST_ITEM = (
    f"id,snippet(publishedAt,channelId,{_TEXTS},thumbnails({_PICTURES}),channelTitle,videoOwnerChannelTitle,"
    "videoOwnerChannelId,playlistId,position,resourceId(kind,videoId,channelId,playlistId)),"
    "contentDetails(videoId,startAt,endAt,note,videoPublishedAt),status(privacyStatus)"
)
_FOUND = (
    "id(kind,videoId,channelId,playlistId),"
    f"snippet(publishedAt,channelId,{_TEXTS},thumbnails({_PICTURES}),channelTitle,liveBroadcastContent)"
)
_STATS = (
    "id,snippet(publishTime),statistics(viewCount,likeCount,commentCount),"
    "contentDetails(duration,durationMillis)"
)
_SUMMARY = "summary(requestedVideoCount,succeededVideoCount,failedVideoCount,failedVideoIds)"

SHAPES: dict[str, Mask] = {
    "search": parse(f"{_LIST},{_PAGES},regionCode,items(kind,etag,{_FOUND})"),
    "videos": parse(f"{_LIST},{_PAGES},items(kind,etag,{_VIDEO})"),
    "batchGetStats": parse(f"kind,etag,{_SUMMARY},items(kind,etag,{_STATS})"),
    "channels": parse(f"{_LIST},{_PAGES},items(kind,etag,{_CHANNEL})"),
    "playlistItems": parse(f"{_LIST},{_PAGES},items(kind,etag,{_PLAYLIST_ITEM})"),
    "videoCategories": parse(f"{_LIST},{_PAGES},items(kind,etag,id,snippet(channelId,title,assignable))"),
    "i18nLanguages": parse(f"{_LIST},items(kind,etag,id,snippet(hl,name))"),
    "i18nRegions": parse(f"{_LIST},items(kind,etag,id,snippet(gl,name))"),
}
"""What the answers to each call may hold; `*` where it does not matter here."""

_NO_PARTS = {"kind", "etag"}

PARTS: dict[str, frozenset[str]] = {
    call: frozenset((shape["items"] or {}).keys() - _NO_PARTS) for call, shape in SHAPES.items()
}
"""What the parameter `part` may name for each call."""
