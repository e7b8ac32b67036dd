"""The golden exchanges of the dialect prismq-client: how a server is brought to one, and held to it."""

import json
import re
from dataclasses import dataclass, field, replace

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer
from tests.support.golden import GOLDEN, same
from tests.support.prismq_client import NOON, post, send

FILE = json.loads((GOLDEN / "prismq_client.json").read_text("utf-8"))
EXCHANGES, STATES, PLACES = FILE["exchanges"], FILE["states"], FILE["places"]
SHAPES = {
    "id": lambda found: type(found) is int and found > 0,
    "seconds": lambda found: type(found) is int and found > 1_000_000_000,
    "stamp": lambda found: re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found),
    "instant": lambda found: datetime_from_iso(found).tzinfo is not None,
    "sha256": lambda found: re.fullmatch("[0-9a-f]{64}", found),
    "number": lambda found: re.fullmatch("[0-9]+", found),
    "text": lambda found: isinstance(found, str) and found != "",
    "texts": lambda found: found != [] and all(isinstance(one, str) and one for one in found),
}


@dataclass
class Known:
    """What the server at hand put in the places."""

    places: dict = field(default_factory=dict)

    def filled(self, value, *, examples=False):
        """The value with what is known in each place; with examples for the rest if they are wanted."""
        if isinstance(value, dict):
            return {name: self.filled(item, examples=examples) for name, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, examples=examples) for item in value]
        if not isinstance(value, str):
            return value
        if value in PLACES:
            return self._whole(value, examples=examples)
        for name in PLACES:
            value = value.replace(name, str(self._whole(name, examples=examples)))
        return value

    def _whole(self, name, *, examples):
        place = PLACES[name]
        match place["is"]:
            case "text of":
                whole = self._whole(place["of"], examples=examples)
                return name if whole == place["of"] else str(whole)
            case "long":
                return place["unit"] * place["times"]
            case "nested":
                value = []
                for _ in range(place["levels"] - 1):
                    value = [value]
                return value
            case _:
                return self.places.get(name, place["example"] if examples else name)


def body_of(request, known):
    """The bytes of a golden request, None when it has none."""
    if "bytes" in request:
        return bytes.fromhex(request["bytes"])
    if "text" in request:
        return request["text"].encode("utf-8")
    return json.dumps(known.filled(request["body"])).encode() if "body" in request else None


def deployment_of(state):
    """The set-up of a server in this state, as options."""
    parts = [deployment_of(step) for step in STATES[state]["steps"] if isinstance(step, str)]
    options = {name: value for part in parts for name, value in part.items()}
    own = STATES[state].get("deployment", {})
    return options | {
        name: frozenset(value) if isinstance(value, list) else value for name, value in own.items()
    }


def server_for(state):
    """A fresh server, set up for a state but not yet brought to it."""
    return PrismqClientServer(PrismqClientDeployment(**deployment_of(state)), now=lambda: NOON)


def bring(server, state, known):
    """Brings a fresh server to a state."""
    for step in STATES[state]["steps"]:
        match step:
            case str():
                bring(server, step, known)
            case {"seconds": seconds}:
                server.age(seconds)
            case {"change": changes}:
                server.deployment = replace(server.deployment, **changes)
            case {"switch off": name}:
                server.switch_type(name, active=False)
            case {"database": _}:
                server.database_up = False
            case {"get": path}:
                send(server.url, "GET", path, headers={"x-api-key": FILE["key"]})
            case {"post": path, "body": body}:
                said = post(server.url, known.filled(path), known.filled(body))
                assert said.status == 200, said
                for place, name in step.get("keep", {}).items():
                    known.places[place] = int(said.json()["data"][name])


def hold(said, golden, known):
    """Holds an answer to the golden one."""
    assert said.status == golden["status"], said
    for name, value in golden.get("headers", {}).items():
        assert fits(said.headers[name], value, known), (name, said.headers[name])
    if "content_type" in golden:
        assert said.headers["content-type"].split(";")[0] == golden["content_type"]
    if golden.get("empty"):
        assert said.body == b""
    elif "text" in golden:
        assert fits(said.body.decode(), golden["text"], known), said
    else:
        wrong = list(differences(said.json(), golden["body"], known))
        assert not wrong, wrong


def differences(found, wanted, known, place=""):
    """Where a body is not as the golden one; nothing may be more than it says."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        if list(wanted) != list(found):
            yield f"{place or '/'} has {list(found)}, not {list(wanted)}"
        for name in wanted.keys() & found.keys():
            yield from differences(found[name], wanted[name], known, f"{place}/{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, golden) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, golden, known, f"{place}/{number}")
    elif not fits(found, wanted, known):
        yield f"{place or '/'} is {found!r}, not {wanted!r}"


def fits(found, wanted, known):
    if not isinstance(wanted, str):
        return same(found, wanted)
    if wanted in PLACES and PLACES[wanted]["is"] == "text of":
        of = PLACES[wanted]["of"]
        return found.isdecimal() and known.places.get(of, int(found)) == int(found)
    if wanted in PLACES:
        return SHAPES[PLACES[wanted]["is"]](found) and same(known.places.get(wanted, found), found)
    if "<text>" not in wanted:
        return found == wanted
    parts = map(re.escape, wanted.split("<text>"))
    return re.fullmatch(".*".join(parts), found, re.DOTALL) is not None
