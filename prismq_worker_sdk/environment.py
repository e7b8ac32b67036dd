"""The environment as a worker reads it: its names, and what in it is meant for somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place
from prismq_worker_sdk.model.setting import OFF, ON

PREFIX = "PRISMQ_WORKER_"

MISSION_NAMES = {
    "api_url": "TASKMANAGER_API_URL",
    "api_key": "TASKMANAGER_API_KEY",
    "api_key_file": "TASKMANAGER_API_KEY_FILE",
    "ca_file": "TASKMANAGER_CA_FILE",
    "client_cert": "TASKMANAGER_CLIENT_CERT",
    "client_key": "TASKMANAGER_CLIENT_KEY",
    "proxy": "TASKMANAGER_PROXY",
    "worker_id": "WORKER_ID",
    "poll_interval": "POLL_INTERVAL",
    "max_runs": "MAX_RUNS",
    "debug": "DEBUG",
}
"""The names that are fixed; every other setting is read from PRISMQ_WORKER_<NAME>."""

CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPLIB2_CA_CERTS")
"""Variables of libraries that name files which are read again and again."""

ALIKE = 0.9
"""How near a name must be to a setting's to be taken for it: those of Kubernetes for its Services are further off."""


def variable(field_name: str) -> str:
    """The environment variable of a worker setting."""
    return MISSION_NAMES.get(field_name, PREFIX + field_name.upper())


def environment_value(field_name: str) -> str | None:
    """What the environment says of a worker setting, unchecked; None for nothing, and for what is misdirected."""
    value = os.environ.get(variable(field_name), "")
    if not value or _meant_otherwise(field_name, value):
        return None
    return value.strip() if field_name == "debug" else value


def misdirected(fields: Iterable[str]) -> Iterable[str]:
    """Why a variable is passed over: its value was plainly made for something else, or its name is nearly a setting's.

    Args:
        fields: The names of the worker's settings.
    """
    for field_name in ("debug", "health_port"):
        name = variable(field_name)
        value = os.environ.get(name, "")
        if (reason := _meant_otherwise(field_name, value)) is not None:
            yield f"{name}={value!r} is passed over: {reason}"
    known = {PREFIX + field.upper(): variable(field) for field in fields}
    for name in sorted(os.environ.keys() - set(known.values())):
        like = get_close_matches(name, known, n=1, cutoff=ALIKE) if name.startswith(PREFIX) else []
        if like:
            yield f"{name} is no setting; did you mean {known[like[0]]}?"


def user_state_dir() -> Path:
    """The state folder of this user, for whoever says nothing else.

    Raises:
        SettingsError: This user has no home folder.
    """
    name = variable("state_dir")
    try:
        return place(platformdirs.user_state_path("prismq-worker", "PrismQ"), name)
    except (RuntimeError, SettingsError):
        raise SettingsError(
            "no home folder is known for this user (no HOME, no entry in passwd), so there is no usual state folder; "
            f"give --state-dir ({name})"
        ) from None


def keep_places(state_dir: str | os.PathLike[str]) -> None:
    """Makes a state folder that the command line named the one of this process's plugins and children too.

    CA bundles with relative names are found on when a handler moves the working directory.
    """
    os.environ[variable("state_dir")] = str(place(state_dir, variable("state_dir")))
    for name in CA_BUNDLES:
        if os.environ.get(name):
            os.environ[name] = str(place(os.environ[name], name))


def _meant_otherwise(field_name: str, value: str) -> str | None:
    if field_name == "debug" and value and value.strip().lower() not in ON | OFF:
        return "it takes 1 or 0, true or false, and another program may be meant"
    if field_name == "health_port" and value.startswith(("tcp://", "udp://", "sctp://")):
        return (
            "Kubernetes sets it for a Service of the name prismq-worker-health; give --health-port, or say "
            "enableServiceLinks: false"
        )
    return None
