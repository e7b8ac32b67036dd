"""Secrets that are planted, the forms in which programs write them, and what tells that one got out."""

import base64
import json
import random
import re
import string
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

LETTERS = string.ascii_letters + string.digits
PIECE = 14
"""Characters of a stretch that is looked for; by chance none stands in a text."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret.

    Attributes:
        traces: Stretches of it, one of which stands in whatever shows it.
    """

    kind: str
    text: str
    traces: tuple


def canaries(seed):
    """One of each kind, by the name of its setting; the same for the same seed."""
    rng = random.Random(seed)

    def piece(length=PIECE):
        return "".join(rng.choices(LETTERS, k=length))

    def of(kind, text, *pieces):
        return Canary(kind, text, pieces)

    a, b, c, d, e, f = (piece() for _ in range(6))
    lines = [piece(44) for _ in range(3)]
    key = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END PRIVATE KEY-----\n"
    held = [piece(44) for _ in range(2)]
    file = {"type": "service_account", "private_key": "\n".join(held) + "\n", "client_email": "a@b.example"}
    return {
        "api_key": of("header", f"{a}+/={b}", a, b),
        "leak_plain": of("plain", c, c),
        "leak_odd": of("odd", f"{d}\"\\ %/&ü'{e}", d, e),
        "leak_blank": of("blank", f"correct horse {f}", f),
        "leak_lines": of("lines", key, *(line[:PIECE] for line in lines)),
        "leak_json": of("JSON", json.dumps(file), *(line[:PIECE] for line in held)),
    }


def found(canary, text):
    """What of a canary stands in a text: as it is, or in Base64 from its first byte on."""
    encoded = base64.b64encode(canary.text.encode())[: PIECE * 2].decode()
    looked_for = (*canary.traces, encoded, encoded.translate(str.maketrans("+/", "-_")))
    return [trace for trace in looked_for if trace in text]


def _lower_hex(text):
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), quote(text, safe=""))


FORMS = {
    "as it is": lambda text: text,
    "in a sentence": lambda text: f"the key {text} was refused; ask for another",
    "in quotes": lambda text: f"key '{text}'",
    "repr": repr,
    "in a dict": lambda text: str({"header": text, "n": 1}),
    "JSON": lambda text: json.dumps({"value": text}),
    "JSON, not only ASCII": lambda text: json.dumps([text], ensure_ascii=False),
    "JSON of PHP": lambda text: json.dumps({"value": text}).replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps({"body": json.dumps({"value": text})}),
    "JSON in a dict": lambda text: str({"body": json.dumps({"value": text})}),
    "repr in JSON": lambda text: json.dumps({"said": str({"value": text})}),
    "JSON of PHP in a dict": lambda text: str({"body": json.dumps({"value": text}).replace("/", "\\/")}),
    "query": lambda text: f"GET https://host.example/search?q=x&key={quote_plus(text)}&page=2 failed",
    "path": lambda text: f"https://host.example/hooks/{quote(text)}/run",
    "percent": lambda text: f"https://host.example/?{quote(text, safe='')}",
    "percent, small": lambda text: f"https://host.example/?{_lower_hex(text)}",
    "header": lambda text: f"Authorization: Bearer {text}",
    "headers": lambda text: f"{{'X-API-Key': {text!r}, 'Accept': '*/*'}}",
    "Base64": lambda text: f"body {base64.b64encode(text.encode()).decode()}",
    "Base64 of URLs": lambda text: f"?state={base64.urlsafe_b64encode(text.encode()).decode()}",
    "several lines": lambda text: f"first\n  second: {text}\nthird",
    "between words": lambda text: f"x{text}y",
    "twice": lambda text: f"{text} {text}",
    "far behind": lambda text: f"{'y ' * 900}{text}{' z' * 90}",
}
"""How a program may write a secret of which the worker knows."""
