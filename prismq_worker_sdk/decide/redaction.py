"""Takes secrets out of texts and values: by key name, by known value, by shape."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["MARK", "Redactor", "is_secret_name"]

MARK = "[redacted]"
SHORTEST = 4
"""Known values that are shorter would redact half the language."""

_SECRET_NAME = re.compile(
    r"(?:^|[_\-. ])(?:api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|secret(?:[_\-]?key)?|client[_\-]?secret"
    r"|token|access[_\-]?token|refresh[_\-]?token|auth|authorization|password|passwd|pwd|passphrase|credentials?"
    r"|cookie|set[_\-]?cookie|session[_\-]?id|x[_\-]?api[_\-]?key)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SHAPES = (
    # name=value and "name": "value" in URLs, headers, reprs and JSON
    (
        re.compile(
            r"""((?:^|(?<=[^A-Za-z0-9]))(?:[A-Za-z]{1,12}[_\-])?(?:api[_\-]?key|apikey|access[_\-]?token|refresh[_\-]?token
            |client[_\-]?secret|token|secret|password|passwd|passphrase|authorization|key)["']?\s{0,2}[=:]\s{0,2}["']?
            (?:(?:bearer|basic)\s)?)(?!\[redacted\])([^\s"'&,;<>)\]}]{4,})""",
            re.IGNORECASE | re.VERBOSE,
        ),
        r"\g<1>" + MARK,
    ),
    (re.compile(r"\b(bearer|basic)\s+(?!\[redacted\])[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE), r"\1 " + MARK),
    (
        re.compile(r"([a-z][a-z0-9+.\-]{1,20}://)[^/\s@:]{1,200}:[^/\s@]{1,200}@", re.IGNORECASE),
        r"\1" + MARK + "@",
    ),
    (re.compile(r"AIza[0-9A-Za-z_\-]{30,}"), MARK),
    (re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}"), MARK),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"), MARK),
    (re.compile(r"\bxox[abposr]-[A-Za-z0-9\-]{10,}"), MARK),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), MARK),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"), MARK),
)


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: `api_key`, `apiKey`, `X-API-Key`, not `dedupe_key` or `tokens`."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name)) is not None or name.lower() == "key"


class Redactor:
    """Takes secrets out of texts and values; doing it twice changes nothing more.

    Args:
        secrets: Known values, such as the API key; also found URL-quoted and in Base64.
    """

    __slots__ = ("_known", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.learn(*secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def learn(self, *secrets: str) -> None:
        """Knows these values too from now on, such as a key that was changed; may be called from any thread."""
        known = self._secrets | {secret for secret in secrets if len(secret) >= SHORTEST}
        if known == self._secrets:
            return
        forms = {form for secret in known for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first)))
        self._secrets = known

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """The same structure without secrets: texts, and the values of keys that are named like one."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._item(key, item) for key, item in value.items()}
        if isinstance(value, list | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        return value

    def _item(self, key: object, item: Any) -> Any:
        if (
            isinstance(key, str)
            and is_secret_name(key)
            and not (item is None or item == "" or isinstance(item, bool))
        ):
            return MARK
        return self.value(item)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    raw = base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")
    if len(raw) >= 2 * SHORTEST:
        yield raw
