"""PrismQ worker plugin: YouTube Shorts by the official YouTube Data API."""
