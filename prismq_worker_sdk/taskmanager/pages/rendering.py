"""Templates become pages: whatever stands in them is escaped; a page that asks again gets its live parts only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.model.task import short_id
from prismq_worker_sdk.taskmanager.pages import charts, words
from prismq_worker_sdk.taskmanager.views import instant
from prismq_worker_sdk.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

WHOLE, LIVE = "page.html", "live.html"
"""What a template fills: a whole page, or the answer to a page that asks again."""
KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def render(template: str, layout: str, values: Mapping[str, Any]) -> str:
    """The page that a template makes of these values."""
    return _environment().get_template(template).render(layout=layout, whole=layout == WHOLE, **values)


@lru_cache(maxsize=1)
def static() -> dict[str, bytes]:
    """What pages load, by name."""
    folder = files(__package__).joinpath("static")
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in KINDS}


@lru_cache(maxsize=1)
def edition() -> str:
    """Stands in the address of what pages load, so that browsers keep it until it changes."""
    digest = sha256()
    for name, content in sorted(static().items()):
        digest.update(name.encode() + content)
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - not before the first page

    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": words.number,
        "span": words.span,
        "since": words.since,
        "instant": instant,
        "brief": short_id,
        "in_path": words.in_path,
        "breakable": words.breakable,
        "pretty": _pretty,
    }
    made.globals |= {
        "sparkline": charts.sparkline,
        "gauge": charts.gauge,
        "bar": charts.bar,
        "edition": edition(),
        "version": __version__,
    }
    return made


def _pretty(stored: str) -> str:
    """JSON text laid out for people."""
    return json.dumps(json.loads(stored), indent=2, ensure_ascii=False)
