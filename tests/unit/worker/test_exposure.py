"""Plain http to another machine is said at the start, more strongly where the key goes that way."""

import pytest

from prismq_worker_sdk.errors import SecretFileError
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.wire.address import exposure
from prismq_worker_sdk.worker.supervision.supervisor import announce


def away():
    raise SecretFileError("the file is away")


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        (
            "http://tasks.example/api",
            lambda: None,
            "plain http to another machine, http://tasks.example/api: who",
        ),
        (
            "http://tasks.example/api",
            lambda: "canary",
            "the API key goes to http://tasks.example/api unencrypted",
        ),
        ("http://tasks.example/api", away, "the API key goes to http://tasks.example/api unencrypted"),
        ("https://tasks.example/api", lambda: "canary", None),
        ("http://localhost:8000/api", lambda: "canary", None),
        ("http://127.0.0.7:8000/api", lambda: "canary", None),
    ],
)
def test_a_worker_tells_at_its_start_what_others_can_read(workplace, url, key, told):
    here = workplace(api_url=url, key=key)
    announce(here.services, state_dir="", recovered=0)
    found = [event.message for event in here.of(Notice) if "whoever is on the way" in event.message]

    assert len(found) == (told is not None)
    assert all(text.startswith(told) for text in found)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_is_no_other_one(host):
    assert exposure(f"http://{host}:8000/api", has_key=True) is None
