"""Equal searches at the same time: one of them asks, the others wait for its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Flights"]

LOOK_EVERY = 0.1


class Flights:
    """Who asks for what now, within this process; may be used from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: set[str] = set()

    @contextmanager
    def only_one(self, search: str, check: Callable[[], None]) -> Iterator[None]:
        """Waits until nobody else asks for this search, and keeps others from it.

        Args:
            check: Raises when the wait must end; asked again and again.
        """
        with self._changed:
            while search in self._under_way:
                check()
                self._changed.wait(LOOK_EVERY)
            self._under_way.add(search)
        try:
            yield
        finally:
            with self._changed:
                self._under_way.discard(search)
                self._changed.notify_all()
