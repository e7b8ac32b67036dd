"""Takes secrets out of texts and values: by key name, by known value, by shape."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["MARK", "Redactor", "is_secret_name"]

MARK = "[redacted]"
SHORTEST = 4
"""Known values that are shorter would redact half the language."""
DEEPEST = 50
"""Levels of a structure that are looked at; what lies below is left out."""

_SECRET_NAME = re.compile(
    r"(?:^|[_\-. ])(?:api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|secret(?:[_\-]?key)?|client[_\-]?secret"
    r"|token|access[_\-]?token|refresh[_\-]?token|auth|authorization|password|passwd|pwd|passphrase|credentials?"
    r"|cookie|set[_\-]?cookie|session[_\-]?id|x[_\-]?api[_\-]?key)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PERCENT = re.compile(r"%[0-9A-F]{2}")

_NAME = r"""
    (?:^|(?<=[^A-Za-z0-9])|(?<=%3F)|(?<=%26))
    (?:(?:[A-Za-z]{1,12}[_\-])?(?:(?:api|access|private|secret)[_\-]?key|(?:access|refresh)[_\-]?token|client[_\-]?secret
      |token|secret|password|passwd|pwd|passphrase|authorization)
    |(?!(?:dedupe|idempotency|primary|foreign|public|sort|cache|partition|routing)[_\-])[A-Za-z]{1,12}[_\-]key
    |(?<![_\-])key(?==|%3D|\\{0,3}["']\s{0,2}[=:])
    )"""
_IS = r"""(?:\\{0,3}["'])?\s{0,2}(?:[=:]|%3D)\s{0,2}(?:b?\\{0,3}["'])?"""
_SCHEME = r"(?=(?P<scheme>(?:(?:bearer|basic|token|api[_\-]?key|digest|negotiate)[ \t]+)?))(?P=scheme)"
_ONE = r"""(?:[^\s"'&,;<>)\]}\\]|\\(?!["'\\]))"""

_SHAPES = (
    # name=value and "name": "value" in URLs, headers, reprs and JSON; not `token=None`, and not the next name
    (
        re.compile(
            rf"""({_NAME}{_IS}{_SCHEME})
            (?!(?:\[redacted\]|none|null|true|false)(?!{_ONE}))(?!{_NAME}{_IS})(?:\[redacted\]|(?!\[redacted\]){_ONE}){{4,}}""",
            re.IGNORECASE | re.VERBOSE,
        ),
        r"\g<1>" + MARK,
    ),
    # a scheme and what cannot be a word: "basic understanding" stays
    (
        re.compile(
            r"""\b([Bb]earer|BEARER|[Bb]asic|BASIC)\s+(?=[A-Z]?[a-z.\-]*[0-9A-Z=_~+/]|[A-Za-z.\-]{24})
            [A-Za-z0-9._~+/=\-]{6,}""",
            re.VERBOSE,
        ),
        r"\1 " + MARK,
    ),
    (
        re.compile(
            r"""([a-z][a-z0-9+.\-]{1,20}://)[^/\s@:"'<>?#]{0,200}:[^/\s"'<>?#]{1,200}@""", re.IGNORECASE
        ),
        r"\1" + MARK + "@",
    ),
    (re.compile(r"AIza[0-9A-Za-z_\-]{30,}"), MARK),
    (re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}"), MARK),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"), MARK),
    (re.compile(r"\bxox[abposr]-[A-Za-z0-9\-]{10,}"), MARK),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), MARK),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{8,1000}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"), MARK),
)


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: `api_key`, `apiKey`, `X-API-Key`, not `dedupe_key` or `tokens`."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name)) is not None or name.lower() == "key"


class Redactor:
    """Takes secrets out of texts and values; doing it twice changes nothing more, and nothing makes it raise.

    Args:
        secrets: Known values, such as the API key; also found URL-quoted, in Base64, and escaped as in JSON.
    """

    __slots__ = ("_known",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: tuple[frozenset[str], re.Pattern[str] | None] = (frozenset(), None)
        self.learn(*secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._known[0])} secrets)"

    def learn(self, *secrets: str) -> None:
        """Knows these values too from now on, such as a key that was changed; may be called from any thread."""
        before, _pattern = self._known
        secrets_now = before | {secret for secret in secrets if len(secret.strip()) >= SHORTEST}
        if secrets_now == before:
            return
        forms = {form for secret in secrets_now for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = secrets_now, re.compile("|".join(map(re.escape, (MARK, *longest_first))))

    def text(self, text: str) -> str:
        """The text without secrets."""
        _secrets, known = self._known
        if known is not None:
            text = known.sub(MARK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """The same structure without secrets: texts, and the values of keys that are named like one."""
        return self._value(value, DEEPEST)

    def _value(self, value: Any, left: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, Mapping | list | tuple | set | frozenset):
            return value
        if left == 0:
            return "…"
        try:
            if isinstance(value, Mapping):
                return {self._key(key): self._item(key, item, left - 1) for key, item in value.items()}
            items = [self._value(item, left - 1) for item in value]
        except Exception:  # noqa: BLE001 - a mapping of somebody else's; a log line is not lost by it
            return f"<{type(value).__name__}>"
        return tuple(items) if isinstance(value, tuple) else items

    def _key(self, key: Any) -> Any:
        return self.text(key) if isinstance(key, str) else key

    def _item(self, key: object, item: Any, left: int) -> Any:
        if isinstance(key, str) and is_secret_name(key):
            return (
                item
                if item is None or isinstance(item, bool) or (isinstance(item, str) and not item)
                else MARK
            )
        return self._value(item, left)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    for safe in ("", "/"):
        quoted = quote(secret, safe=safe, errors="surrogatepass")
        yield quoted
        yield quoted.replace("%20", "+")
        yield _PERCENT.sub(lambda found: found[0].lower(), quoted)
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield escaped[1:-1]
    raw = secret.encode("utf-8", "surrogatepass")
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        text = encoded.decode("ascii").rstrip("=")
        if len(text) >= 2 * SHORTEST:
            yield text
