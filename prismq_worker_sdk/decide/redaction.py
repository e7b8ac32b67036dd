"""Takes secrets out of texts and values: by key name, by known value, by shape.

Every pattern is linear in the text: a part that may be long is followed by nothing that it could have taken itself.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

MARK = "[redacted]"
SHORTEST = 4
"""Known values that are shorter would redact half the language."""
SHORTEST_PIECE = 16
"""Lines of a known value from this length on are known by themselves."""
SHORT = 128
"""Characters of a text that is looked through once: most lines of a log say one of a few things."""
REMEMBERED = 256
"""Short texts that are remembered at the same time."""
DEEPEST = 50
"""Levels of a structure that are looked at; what lies below is left out."""
SHORTEST_GOOD = 8
LONGEST_WORD = 20
"""Characters of a key that may be told from the words around it, and of an ordinary word."""

TOKENS = {
    "Google": (
        r"AIza[0-9A-Za-z_\-]{30,}",
        r"ya29\.[0-9A-Za-z_\-.]{20,}",
        r"1//0[0-9A-Za-z_\-]{20,}",
        r"GOCSPX-[0-9A-Za-z_\-]{20,}",
    ),
    "Amazon": (r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}(?![0-9A-Za-z])",),
    "GitHub": (r"gh[pousr]_[0-9A-Za-z]{20,}", r"github_pat_[0-9A-Za-z_]{20,}"),
    "GitLab": (r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[0-9A-Za-z_\-.]{16,}",),
    "Slack": (r"xox[abeposr]-[0-9A-Za-z\-.]{10,}", r"xapp-[0-9A-Za-z\-]{10,}"),
    "Stripe": (r"[srp]k_(?:live|test)_[0-9A-Za-z]{16,}", r"whsec_[0-9A-Za-z+/=]{16,}"),
    "OpenAI, Anthropic": (r"(?:sk|pk|rk)-[0-9A-Za-z_\-]{16,}",),
    "Hugging Face": (r"hf_[0-9A-Za-z]{20,}",),
    "npm": (r"npm_[0-9A-Za-z]{30,}",),
    "PyPI": (r"pypi-[0-9A-Za-z_\-]{40,}",),
    "Docker": (r"dckr_(?:pat|oat)_[0-9A-Za-z_\-]{20,}",),
    "SendGrid": (r"SG\.[0-9A-Za-z_\-]{16,}\.[0-9A-Za-z_\-]{16,}",),
    "Mailgun": (r"key-[0-9a-f]{32}(?![0-9A-Za-z])",),
    "DigitalOcean": (r"do[opr]_v1_[0-9a-f]{40,}",),
    "Shopify": (r"shp(?:at|ca|pa|ss)_[0-9A-Za-z]{24,}",),
    "Databricks": (r"dapi[0-9a-f]{32}",),
    "HashiCorp Vault": (r"hv[sbr]\.[0-9A-Za-z_\-]{20,}",),
    "Atlassian": (r"AT[AC]TT3[0-9A-Za-z_\-=]{20,}",),
    "Notion": (r"ntn_[0-9A-Za-z]{40,}",),
    "Linear": (r"lin_(?:api|oauth)_[0-9A-Za-z]{30,}",),
    "Groq": (r"gsk_[0-9A-Za-z]{40,}",),
    "Replicate": (r"r8_[0-9A-Za-z]{30,}",),
    "PrismQ": (r"prismq_key_[0-9A-Za-z_\-]{40,}",),
    "Telegram": (r"bot[0-9]{6,12}:[0-9A-Za-z_\-]{30,}", r"[0-9]{8,12}:AA[0-9A-Za-z_\-]{30,}"),
    "JWT": (r"eyJ[0-9A-Za-z_\-]{8,1000}\.[0-9A-Za-z_\-]{8,}\.[0-9A-Za-z_\-]*",),
}
"""Whose tokens are known → how they look."""

_TOKENS = re.compile(
    r"(?<![0-9A-Za-z])(?:" + "|".join(one for shapes in TOKENS.values() for one in shapes) + ")"
)
"""Any of them, at the beginning of a word."""

_LINKS = (
    # what proves the right to a link: signatures, shared access, codes of a sign-in; an error's code stays
    re.compile(
        r"""((?:[?&;]|%3F|%26|\\u0026)
        (?:x-amz-(?:signature|security-token|credential)|x-goog-(?:signature|credential)|signature|sig|oauth_verifier
          |code(?=(?:=|%3D)[^\s"'&;]{0,300}[0-9]))
        (?:=|%3D))[^\s"'&;<>)\]}\\]{12,}""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(r"((?:Account|SharedAccess|Shared)Key=)[^\s\"'&;<>]{12,}", re.IGNORECASE),
    # incoming webhooks, whose path is the secret
    re.compile(r"(/services/T[0-9A-Za-z]{6,20}/B[0-9A-Za-z]{6,20}/)[0-9A-Za-z]{16,}"),
    re.compile(r"(/webhooks/[0-9]{10,25}/)[0-9A-Za-z_\-]{20,}"),
    re.compile(r"(/IncomingWebhook/)[0-9a-f]{32}[0-9A-Za-z/\-]*"),
    # a private key, to its end or as far as it is there
    re.compile(
        r"(-----BEGIN [0-9A-Z ]{0,40}KEY(?: BLOCK)?-----)(?:[0-9A-Za-z+/=\s\\:,.()]|-(?!-))+"
        r"(?:-----END [0-9A-Z ]{0,40}-----)?"
    ),
)
"""Where the first group stays and the rest is secret."""

_SECRET_NAME = re.compile(
    r"(?:^|[_\-. ])(?:api[_\-]?key|apikey|access[_\-]?key|private[_\-]?key|secret(?:[_\-]?key)?|client[_\-]?secret"
    r"|token|access[_\-]?token|refresh[_\-]?token|auth|authorization|password|passwd|pwd|passphrase|credentials?"
    r"|cookie|set[_\-]?cookie|session[_\-]?id|x[_\-]?api[_\-]?key)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LINE_END = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\\[nr]")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_SIGN = re.compile(r"\\+(.?)|.", re.DOTALL)
MOST_BACKSLASHES = 32
"""In a row that are taken for escapes: four texts of JSON that hold one another make 16 of one."""
_BACKSLASHES = rf"\\{{1,{MOST_BACKSLASHES}}}"
QUOTED = {'"', "'", "/"}
"""Characters that may have backslashes before them."""

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


def _with(end: str) -> Callable[[re.Match[str]], str]:
    """What stands for a match: its first group and this end; a template of `re` would be looked at for each text."""
    return lambda found: f"{found[1]}{end}"


_SHAPES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # name=value and "name": "value" in URLs, headers, reprs and JSON; not `token=None`, and not the next name
    (
        re.compile(
            rf"""({_NAME}{_IS}{_SCHEME})
            (?!(?:\[redacted\]|none|null|true|false)(?!{_ONE}))(?!{_NAME}{_IS})(?:\[redacted\]|(?!\[redacted\]){_ONE}){{4,}}""",
            re.IGNORECASE | re.VERBOSE,
        ),
        _with(MARK),
    ),
    # a scheme and what cannot be a word: "basic understanding" stays
    (
        re.compile(
            r"""\b([Bb]earer|BEARER|[Bb]asic|BASIC)\s+(?=[A-Z]?[a-z.\-]*[0-9A-Z=_~+/]|[A-Za-z.\-]{24})
            [A-Za-z0-9._~+/=\-]{6,}""",
            re.VERBOSE,
        ),
        _with(f" {MARK}"),
    ),
    (
        re.compile(
            r"""([a-z][a-z0-9+.\-]{1,20}://)[^/\s@:"'<>?#]{0,200}:[^/\s"'<>?#]{1,200}@""", re.IGNORECASE
        ),
        _with(f"{MARK}@"),
    ),
    *((shape, _with(MARK)) for shape in _LINKS),
    (_TOKENS, MARK),
)


def weakness(key: str) -> str | None:
    """What is wrong with a key that may be an ordinary word, None for a good one; never shows it."""
    if len(key) < SHORTEST_GOOD:
        what = f"is shorter than {SHORTEST_GOOD} characters"
    elif key.isalpha() and len(key) <= LONGEST_WORD and (key.islower() or key.isupper() or key.istitle()):
        what = "is made like an ordinary word"
    else:
        return None
    return f"the API key {what}: easy to guess, and taken out of every line that holds it as a word"


@lru_cache(maxsize=256)
def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: `api_key`, `apiKey`, `X-API-Key`, not `dedupe_key` or `tokens`."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name)) is not None or name.lower() == "key"


@dataclass(frozen=True, slots=True)
class _Known:
    """Values that are known to be secret, how they are found, and short texts that were looked through for them."""

    secrets: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    pieces: tuple[str, ...] = ()
    cleaned: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


class Redactor:
    """Takes secrets out of texts and values; doing it twice changes nothing more, and nothing makes it raise.

    Args:
        secrets: Known values, such as the API key; also found URL-quoted, in Base64, and escaped as in JSON. Of one
            that has several lines each longer line is known too, and of one that is JSON what it holds of keys.
    """

    __slots__ = ("_known", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known = _Known()
        self._secrets: set[str] = set()
        self.learn(*secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._known.secrets)} secrets)"

    def learn(self, *secrets: str) -> None:
        """Knows these values too from now on, such as a key that was changed; may be called from any thread."""
        self._secrets.update(secret for secret in secrets if len(secret.strip()) >= SHORTEST)
        while (
            now := frozenset(self._secrets)
        ) != self._known.secrets:  # until no other thread has learned meanwhile
            forms = {form for secret in now for form in _forms(secret)} - now
            pieces = {piece for secret in now for piece in _pieces(secret)} - forms - now
            known = (
                _however_escaped(one) if one in now else re.escape(one) for one in _longest_first(forms | now)
            )
            pattern = re.compile("|".join((re.escape(MARK), *known)))
            self._known = _Known(now, pattern, tuple(_longest_first(pieces)))

    def text(self, text: str) -> str:
        """The text without secrets."""
        known = self._known
        if len(text) > SHORT:
            return _cleaned(text, known)
        clean = known.cleaned.get(text)
        return _kept(known.cleaned, text, _cleaned(text, known)) if clean is None else clean

    def name(self, name: str) -> str:
        """The name of a field without secrets; a key that is an ordinary word does not change the program's names."""
        known = self._known
        clean = known.names.get(name)
        if clean is None:
            hidden = (one in name for one in known.secrets if weakness(one) is None)
            clean = name if name.isidentifier() and not any(hidden) else self.text(name)
            _kept(known.names, name, clean)
        return clean

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
        return self.name(key) if isinstance(key, str) else key

    def _item(self, key: object, item: Any, left: int) -> Any:
        if isinstance(key, str) and is_secret_name(key):
            return (
                item
                if item is None or isinstance(item, bool) or (isinstance(item, str) and not item)
                else MARK
            )
        return self._value(item, left)


def _cleaned(text: str, known: _Known) -> str:
    if known.pattern is not None:
        text = known.pattern.sub(MARK, text)
    for piece in known.pieces:  # many, and each is looked for faster than any pattern of all
        if piece in text:
            text = text.replace(piece, MARK)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def _kept(cleaned: dict[str, str], text: str, clean: str) -> str:
    if len(cleaned) >= REMEMBERED:
        cleaned.clear()
    cleaned[text] = clean
    return clean


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(forms, key=lambda form: (-len(form), form))


def _pieces(secret: str) -> Iterable[str]:
    """The longer lines of a value that has several, real or escaped, and of the keys that it holds as JSON."""
    parts = [part for whole in (secret, *_inside(secret)) for part in (whole, *_LINE_END.split(whole))]
    for part in parts:
        piece = part.strip().rstrip(",")
        if len(piece) >= SHORTEST_PIECE and piece != secret:
            yield from _escaped(piece)


def _inside(secret: str) -> Iterable[str]:
    """What a value that is a JSON object holds under names of secrets, and whole keys."""
    if not secret.lstrip().startswith("{"):
        return
    try:
        held = json.loads(secret)
    except (ValueError, RecursionError):
        return
    level = [("", held)]
    while level:
        name, value = level.pop()
        if isinstance(value, dict):
            level.extend((str(key), item) for key, item in value.items())
        elif isinstance(value, list):
            level.extend((name, item) for item in value)
        elif isinstance(value, str) and (is_secret_name(name) or "-----BEGIN" in value):
            yield value


def _escaped(text: str) -> set[str]:
    """A text as it is, and as it stands in JSON and in reprs."""
    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
    return forms | {form.replace("/", "\\/") for form in forms}


def _however_escaped(text: str) -> str:
    """A pattern of a text as it is and as JSON and reprs have it, however many of them hold one another."""
    return "".join(_sign(found[0], found[1], found.start()) for found in _SIGN.finditer(text))


def _sign(sign: str, behind: str | None, place: int) -> str:
    """A pattern of one character of a text, or of backslashes in it with the character behind them."""
    char = sign if behind is None else behind
    forms = {json.dumps(char)[1:-1], repr(char)[1:-1]} - {""}
    tails = [_BACKSLASHES.join(map(re.escape, form.split("\\")[1:])) for form in forms if form[0] == "\\"]
    either = "|".join([re.escape(char), *sorted(tails)])
    if behind is not None:
        return f"{_BACKSLASHES}(?:{either})"
    if char in QUOTED:  # a long run of backslashes is not looked through from each of its places
        return re.escape(char) if place == 0 else rf"\\{{0,{MOST_BACKSLASHES}}}{re.escape(char)}"
    return f"(?:{re.escape(char)}|{_BACKSLASHES}(?:{'|'.join(sorted(tails))}))" if tails else re.escape(char)


def _forms(secret: str) -> Iterable[str]:
    for safe in ("", "/"):
        quoted = quote(secret, safe=safe, errors="surrogatepass")
        yield quoted
        yield quoted.replace("%20", "+")
        yield _PERCENT.sub(lambda found: found[0].lower(), quoted)
    raw = secret.encode("utf-8", "surrogatepass")
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        text = encoded.decode("ascii").rstrip("=")
        if len(text) >= 2 * SHORTEST:
            yield text
