"""What is not the same in all supported Pythons (3.10 and newer), for all of them."""

import inspect
import re
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from enum import Enum
from typing import Any

if sys.version_info >= (3, 11):
    from builtins import BaseExceptionGroup, ExceptionGroup
    from typing import Self

    import tomllib
else:
    import tomli as tomllib
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup
    from typing_extensions import Self

LAZY: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    from annotationlib import Format

    LAZY["annotation_format"] = Format.FORWARDREF

__all__ = [
    "UTC",
    "BaseExceptionGroup",
    "ExceptionGroup",
    "Self",
    "StrEnum",
    "datetime_from_iso",
    "signature",
    "tomllib",
]

UTC = timezone.utc

if sys.version_info >= (3, 11):
    datetime_from_iso = datetime.fromisoformat
else:
    _RFC_3339 = re.compile(
        r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:(Z)|([+-]\d\d):?(\d\d))?", re.ASCII
    )

    def datetime_from_iso(text: str) -> datetime:
        """Like `datetime.fromisoformat`, with `Z`, any number of decimals, and an offset without a colon.

        Raises:
            ValueError: It is no date and time of ISO 8601.
        """
        if found := _RFC_3339.fullmatch(text):
            second, decimals, utc, hours, minutes = found.groups()
            zone = "+00:00" if utc else f"{hours}:{minutes}" if hours else ""
            text = f"{second}.{(decimals or '')[:6]:0<6}{zone}"
        return datetime.fromisoformat(text)


class StrEnum(str, Enum):
    """Like `enum.StrEnum`: members are texts, and are shown as their texts."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]  # Enum names the parameter


def signature(of: Callable[..., Any]) -> inspect.Signature:
    """Like `inspect.signature`; an annotation with a name for type checkers only does not make it raise.

    It stays a text or a reference: from Python 3.14 on annotations are evaluated when somebody asks for them.

    Raises:
        TypeError: It cannot be called.
    """
    return inspect.signature(of, **LAZY)
