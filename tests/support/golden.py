"""The golden exchanges of tests/contract/golden, and how an answer is held to one."""

import dataclasses
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from prismq_worker_sdk.compat import UTC, datetime_from_iso

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
BASE, BUNDLE = (json.loads((GOLDEN / name).read_text("utf-8")) for name in ("base.json", "exchange.json"))
PLACES = BASE["places"] | BUNDLE["places"]
EXCHANGES = BASE["exchanges"]
WORKER, ANOTHER = BASE["workers"]["this"], BASE["workers"]["another"]
KEY = BASE["key"]
TASK = BASE["task"]


def filled(value, more=None):
    """The value with an example in each place, or with what is given for it."""
    places = {name: place["example"] for name, place in PLACES.items()} | (more or {})
    if isinstance(value, str):
        for name, example in places.items():
            value = value.replace(name, example)
        return value
    if isinstance(value, dict):
        return {name: filled(item, more) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, more) for item in value]
    return value


def served(states):
    """The exchanges that a server can be brought to, given the states that it can be brought into."""
    return [exchange for exchange in EXCHANGES if exchange["given"] in states]


def states():
    """Every state that an exchange begins in."""
    return {exchange["given"] for exchange in EXCHANGES} - {None}


def named(exchange):
    return exchange["name"]


def hold(session, url, exchange, known, *, open_levels=1):
    """Sends the request of an exchange to a server, and holds the answer to it.

    `known` are the places that the server filled in before; `open_levels` is how deep further fields may stand.
    """
    request = filled(exchange["request"], known)
    body = json.dumps(request["body"]).encode() if "body" in request else None
    answer = session.request(
        request["method"],
        url + request["path"],
        data=body,
        headers=request["headers"],
        timeout=20,
        allow_redirects=False,
    )
    golden = exchange["answer"]
    assert answer.status_code == golden["status"], answer.text
    assert answer.headers["content-type"].split(";")[0] in media_types(golden["status"])
    hold_body(answer.json(), golden["body"], known, open_levels)


def media_types(status):
    return {"application/json"} | ({"application/problem+json"} if status >= 400 else set())


def hold_body(found, golden, known, open_levels):
    wrong = list(differences(found, golden, known, open_levels))
    assert not wrong, wrong


def differences(found, wanted, known, open_levels, place=""):
    """Where a body is not as the golden one: objects may have further fields, as deep as `open_levels` says."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        if wanted.keys() - found.keys() or (open_levels <= 0 and found.keys() - wanted.keys()):
            yield f"{place or '/'} has {sorted(found)}, not {sorted(wanted)}"
        for name in wanted.keys() & found.keys():
            yield from differences(found[name], wanted[name], known, open_levels - 1, f"{place}/{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, golden) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, golden, known, open_levels, f"{place}/{number}")
    elif not fits(found, wanted, known):
        yield f"{place or '/'} is {found!r}, not {wanted!r}"


def fits(found, wanted, known):
    place = PLACES.get(wanted) if isinstance(wanted, str) else None
    if place is None:
        return same(found, wanted)
    if wanted in known:
        return found == known[wanted]
    if place["is"] == "id":
        return str(uuid.UUID(found)) == found
    if place["is"] == "instant":
        return datetime_from_iso(found).utcoffset() == timedelta(0)
    return isinstance(found, str) and found != ""


def same(found, wanted):
    """Whether both are the same JSON: 1 is not 1.0, and not true."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def told(value):
    """A value of the model as the golden file tells it: its name, and the fields that differ from their defaults."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: told(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != default(field)
        }
        return {type(value).__name__: fields}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {name: told(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [told(item) for item in value]
    return value


def instants_alike(value):
    """Instants in the one form that `told` gives them."""
    if isinstance(value, dict):
        return {name: instants_alike(item) for name, item in value.items()}
    if isinstance(value, list):
        return [instants_alike(item) for item in value]
    try:
        return datetime_from_iso(value).astimezone(UTC).isoformat()
    except (TypeError, ValueError):
        return value


def default(field):
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
