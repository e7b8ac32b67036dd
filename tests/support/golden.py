"""The golden exchanges of tests/contract/golden, and how an answer is held to one."""

import dataclasses
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

BASE = json.loads((Path(__file__).parents[1] / "contract" / "golden" / "base.json").read_text("utf-8"))
EXCHANGES = BASE["exchanges"]
WORKER, ANOTHER = BASE["workers"]["this"], BASE["workers"]["another"]
KEY = BASE["key"]
TASK = BASE["task"]


def filled(value, more=None):
    """The value with an example in each place, or with what is given for it."""
    places = {name: place["example"] for name, place in BASE["places"].items()} | (more or {})
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


def hold(session, url, exchange, task_id):
    """Sends the request of an exchange to a server, and holds the answer to it."""
    places = {"{id}": task_id} if task_id is not None else {}
    request = filled(exchange["request"], places)
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
    hold_body(answer.json(), golden["body"], task_id)


def media_types(status):
    return {"application/json"} | ({"application/problem+json"} if status >= 400 else set())


def hold_body(found, golden, task_id):
    if not isinstance(golden, dict):
        assert same(found, golden)
        return
    assert golden.keys() <= found.keys()
    for name, wanted in golden.items():
        assert fits(found[name], wanted, task_id), f"{name} is {found[name]!r}, not {wanted!r}"


def fits(found, wanted, task_id):
    place = BASE["places"].get(wanted) if isinstance(wanted, str) else None
    if place is None:
        return same(found, wanted)
    if place["is"] == "id":
        return str(uuid.UUID(found)) == found == task_id
    if place["is"] == "instant":
        return datetime.fromisoformat(found).utcoffset() == timedelta(0)
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


def default(field):
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
