"""The log of requests: what came in, and where in it a text appears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that came in.

    Attributes:
        call: The name of the call, as `search`; the path for anything else.
        params: The query, each name with all its values; that of a POST stands in its body.
        headers: Names in lower case.
        fault: The fault it met, "" for none.
        method: As it came, whatever it was to be taken for.
        path: Without the query.
    """

    call: str
    params: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    fault: str = ""
    method: str = "GET"
    path: str = ""

    def places_of(self, text: str) -> frozenset[str]:
        """Where this text appears: `path`, `param NAME`, `header name`.

        A key belongs in `param key` or `header x-goog-api-key`, and nowhere else.
        """
        return frozenset(place for place, said in self._said() if text in said)

    def _said(self) -> Iterator[tuple[str, str]]:
        yield "path", self.path
        for name, values in self.params.items():
            for value in (name, *values):
                yield f"param {name}", value
        for name, value in self.headers.items():
            yield f"header {name}", f"{name}: {value}"
