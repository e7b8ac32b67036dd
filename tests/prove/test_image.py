"""The proof of the image: how a container is asked for, and what does not pass."""

from pathlib import Path

import pytest

from tests.prove.container import Wanted, specification
from tests.prove.image import RIGHT, SLOTS, failures, figures, table

CONFIG = {
    "Entrypoint": ["prismq-worker"],
    "Env": ["PATH=/opt/prismq/bin"],
    "WorkingDir": "/var/lib/prismq",
    "Volumes": {"/var/lib/prismq": {}},
}
BUILT = {"seconds": 60, "bytes": 227e6, "base": 118e6, "layers": 2, "same": True, "tools": []}
GOOD = {
    "user": "a random user",
    "healthy": RIGHT,
    "writes": False,
    "delivered": SLOTS,
    "waiting": 4,
    "worker_seconds": 6.2,
    **{f"{name}_exit": 0 for name in ("worker", "next", "server")},
}


def test_a_container_has_no_rights_and_can_write_to_its_volume_only():
    wanted = Wanted(
        root=Path("/root"),
        config=CONFIG,
        words=("--plugin", "x"),
        user=(54321, 0),
        volume=Path("/volume"),
        environment={"A": "b"},
        files={"/run/key": Path("/key")},
    )
    made = specification(wanted)
    process = made["process"]

    assert process["args"] == ["prismq-worker", "--plugin", "x"]
    assert process["env"] == ["PATH=/opt/prismq/bin", "A=b"]
    assert (process["user"], process["capabilities"]) == ({"uid": 54321, "gid": 0}, {})
    assert process["noNewPrivileges"]
    assert made["root"]["readonly"]
    assert {"type": "pid"} in made["linux"]["namespaces"]
    bound = {one["destination"]: one["options"][-1] for one in made["mounts"] if one["type"] == "bind"}
    assert bound == {"/var/lib/prismq": "rw", "/run/key": "ro"}


def test_what_held_is_a_table_under_the_weight_of_the_image():
    found = figures([BUILT, GOOD, GOOD])

    assert list(failures(found)) == []
    assert table(found).startswith("227 MB unpacked, of them 109 MB over the base (118 MB")
    assert "| a random user | 6 | 6 | 8 | 8 | 6.20 | right |" in table(found)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (BUILT | {"same": False}, "two builds of one commit differ"),
        (BUILT | {"tools": ["gcc", "pip"]}, "the image has gcc, pip"),
        (GOOD | {"worker_exit": 75}, "a random user: 2 of 3 stops ended with exit code 0"),
        (GOOD | {"delivered": 3}, "a random user: 3 of 4 tasks in work were delivered before the exit"),
        (GOOD | {"worker_seconds": 25.5}, "a random user: a stop took 25.5 s, 25 s are allowed"),
        (GOOD | {"writes": True}, "a random user: the root could be written to"),
        (GOOD | {"healthy": [True, True, True]}, "a random user: the health check was wrong"),
    ],
)
def test_whatever_was_not_promised_is_a_failure_of_the_proof(result, said):
    assert list(failures(figures([result]))) == [said]
