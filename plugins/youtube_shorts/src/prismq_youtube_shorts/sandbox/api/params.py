"""The parameters of a request, read as the API reads them: what is wrong is refused where it is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prismq_youtube_shorts.sandbox.api.regions import REGIONS
from prismq_youtube_shorts.sandbox.entry import instant
from prismq_youtube_shorts.sandbox.refusals import NO_FILTER, REFUSALS, Refused, refusal, unreadable

__all__ = ["MOST_IDS", "Params"]

MOST_IDS = 50
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


@dataclass(frozen=True, slots=True)
class Params:
    """The query of a request; an empty value is as good as none.

    Attributes:
        given: Each name with all its values.
    """

    given: Mapping[str, Sequence[str]]

    def __contains__(self, name: str) -> bool:
        return bool(self.one(name))

    def one(self, name: str, default: str = "") -> str:
        """The value, the first where there are several."""
        return next(iter(self.given.get(name, ())), "") or default

    def listed(self, name: str) -> list[str]:
        """A list: repeated, with commas, or both; each item once."""
        items = (item for value in self.given.get(name, ()) for item in value.split(","))
        return list(dict.fromkeys(item for item in items if item))

    def ids(self) -> list[str]:
        """The parameter `id`, at most 50."""
        found = self.listed("id")
        if len(found) > MOST_IDS:
            raise Refused(
                refusal(400, "invalidFilters", "The request specifies too many ids.", location="id")
            )
        return found

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within its range."""
        text = self.one(name, str(default))
        if not re.fullmatch(r"-?\d+", text):
            raise Refused(unreadable(name, text))
        number = int(text)
        if name in self and not least <= number <= most:
            message = f"Invalid value '{text}'. Values must be within the range: [{least}, {most}]"
            raise Refused(refusal(400, "invalidParameter", message, location=name))
        return number

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of a few words."""
        word = self.one(name, default)
        if word not in allowed:
            raise Refused(unreadable(name, word))
        return word

    def moment(self, name: str) -> datetime | None:
        """A moment, None when it is not given."""
        text = self.one(name)
        if not text:
            return None
        moment = instant(text) if _RFC_3339.fullmatch(text) else None
        if moment is None:
            said = f"Field '{name}', Illegal timestamp format; timestamps must end with 'Z' or an offset"
            raise Refused(unreadable(name, text, said))
        return moment

    def region(self, default: str = "US") -> str:
        """The parameter `regionCode`, in capitals."""
        code = self.one("regionCode", default).upper()
        if code not in REGIONS:
            raise Refused(REFUSALS["region_code"])
        return code

    def filters(self, *names: str) -> None:
        """Insist on exactly one of these filters."""
        given = [name for name in names if name in self]
        if not given:
            message = f"No filter selected. Expected one of: {', '.join(names)}"
            raise Refused(_of_filters("missingRequiredParameter", message))
        if len(given) > 1:
            message = f"Incompatible parameters specified in the request: {', '.join(given)}"
            raise Refused(_of_filters("incompatibleParameters", message))

    def parts(self, known: Collection[str]) -> frozenset[str]:
        """The parameter `part`."""
        asked = self.listed("part")
        if not asked:
            text = "Required parameter: part"
            raise Refused(refusal(400, "missingRequiredParameter", text, location="part"))
        for part in asked:
            if part not in known:
                text = f"'{part}'"
                raise Refused(refusal(400, "unknownPart", text, location="part", domain="youtube.part"))
        return frozenset(asked)


def _of_filters(reason: str, message: str) -> tuple[int, dict[str, object]]:
    return refusal(400, reason, message, location=NO_FILTER, domain="youtube.parameter")
