"""A stand-in of the YouTube Data API on this machine: real HTTP, an invented catalogue, no Google.

`python -m prismq_youtube_shorts.sandbox` runs it; `Sandbox()` is the same for tests and the demo.
It shares no code with the plugin, so that a mistake of one does not hide in the other.
"""

from prismq_youtube_shorts.sandbox.catalogue import Entry, fake_catalogue
from prismq_youtube_shorts.sandbox.server import FAULTS, SANDBOX_KEY, Request, Sandbox

__all__ = ["FAULTS", "SANDBOX_KEY", "Entry", "Request", "Sandbox", "fake_catalogue"]
