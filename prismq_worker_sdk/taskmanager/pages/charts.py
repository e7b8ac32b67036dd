"""Charts as SVG, drawn here: their colours are the style sheet's."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 120, 24
_SPARK = Markup(
    '<svg class="spark {kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
    ' aria-label="{label}"><path d="{path}"/></svg>'
)
_BAR = Markup(
    '<svg class="bar {kind}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{label}">'
    '<rect class="rail" width="100" height="8"/><rect class="part" x="{begin}" width="{width}" height="8"/></svg>'
)
_GAUGE = Markup(
    '<svg class="gauge" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{label}">'
    '<rect class="rail" width="100" height="8"/><rect class="running" width="{running}" height="8"/>'
    '<rect class="waiting" x="{running}" width="{waiting}" height="8"/></svg>'
)


def sparkline(values: Sequence[int], kind: str, label: str) -> Markup:
    """Numbers of equal spans, the latest at the right, each as a bar as high as its share of the highest.

    Args:
        kind: Its class: `completed` or `failed`.
        label: What it shows, in words.
    """
    highest = max(values, default=0)
    step = WIDTH / max(len(values), 1)
    bars = (
        f"M{place * step:.1f} {HEIGHT}v-{max(1.0, value / highest * HEIGHT):.1f}h{step * 0.8:.1f}V{HEIGHT}z"
        for place, value in enumerate(values)
        if value
    )
    return _SPARK.format(kind=kind, width=WIDTH, height=HEIGHT, label=label, path="".join(bars))


def gauge(running: int, waiting: int, most: int) -> Markup:
    """What runs and what waits, as shares of the most that any line of a table has."""
    share = 100 / max(most, 1)
    return _GAUGE.format(
        label=f"{running} running, {waiting} waiting",
        running=f"{running * share:.1f}",
        waiting=f"{waiting * share:.1f}",
    )


def bar(begin: float, end: float, kind: str, label: str) -> Markup:
    """A part of a whole, from begin to end, each from 0 to 1; at least wide enough to be seen.

    Args:
        kind: Its class: how what took that part ended.
    """
    width = min(1.0, max(end - begin, 0.006))
    begin = min(max(begin, 0.0), 1 - width)
    return _BAR.format(kind=kind, label=label, begin=f"{begin * 100:.2f}", width=f"{width * 100:.2f}")
