"""The compose file: it has the form that Compose wants, and what it says fits the image and the code."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from jsonschema import Draft202012Validator

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.taskmanager.config import Scope, read_keys
from prismq_worker_sdk.taskmanager.db.database import START_SECONDS
from prismq_worker_sdk.taskmanager.processes import END_SECONDS
from tests.support.deploy import (
    DEPLOY,
    VARIABLES,
    command_line,
    environment_of_servers,
    worker_settings,
)
from tests.support.dockerfile import said, variables
from tests.support.pages import blocks
from tests.support.surroundings import ROOT

FILE = DEPLOY / "docker" / "compose.yaml"
PAGE = ROOT / "docs" / "operations" / "docker.md"
TIME = {"type": "string", "pattern": r"^(\d+[hms])+$"}
WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
NAMES = {"type": "array", "items": {"type": "string", "pattern": "^[a-z-]+$"}, "uniqueItems": True}
CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"]


def closed(properties, **more):
    return {"type": "object", "properties": properties, "additionalProperties": False} | more


SERVICE = closed(
    {
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+(:[\w.-]+)?$"},
        "pull_policy": {"enum": ["always", "never", "missing", "build"]},
        "command": WORDS,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "read_only": {"type": "boolean"},
        "tmpfs": WORDS,
        "cap_drop": WORDS,
        "security_opt": WORDS,
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:\d+)?)$"},
        "secrets": NAMES,
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:(/[a-z-]+)+(:ro)?$"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^([\d.]+:)?\d+:\d+$"}},
        "healthcheck": closed(
            {
                "test": WORDS,
                "interval": TIME,
                "timeout": TIME,
                "start_period": TIME,
                "retries": {"type": "integer"},
            },
            required=["test"],
        ),
        "stop_grace_period": TIME,
        "depends_on": {
            "type": "object",
            "additionalProperties": closed({"condition": {"enum": CONDITIONS}}, required=["condition"]),
        },
        "deploy": closed({"replicas": {"type": "integer", "minimum": 0}}),
    },
    required=["image"],
)
FORM = closed(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "secrets": {"type": "object", "additionalProperties": closed({"file": {"type": "string"}})},
    },
    patternProperties={"^x-": True},
)
"""Of the Compose specification what this file uses; keys, types and words are those of the specification."""


@pytest.fixture(scope="module")
def file():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(file):
    return file["services"]


def test_it_has_the_form_that_compose_wants(file):
    assert [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(FORM).iter_errors(file)
    ] == []


def test_whatever_a_service_uses_is_there(file, services):
    volumes = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    secrets = {name for service in services.values() for name in service["secrets"]}

    assert volumes == file["volumes"].keys()
    assert secrets == file["secrets"].keys()
    for service in services.values():
        assert service.get("depends_on", {}).keys() <= services.keys()
        paths = re.findall("/run/secrets/([a-z-]+)", f"{service.get('command')} {service['environment']}")
        assert sorted(paths) == sorted(service["secrets"])
    assert all(one["file"] == f"secrets/{name}" for name, one in file["secrets"].items())


def test_ours_have_no_rights_and_a_root_that_cannot_be_written_to(services):
    for name in ("worker", "taskmanager"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_a_worker_is_started_with_settings_that_it_has(services):
    worker = services["worker"]
    image = {name: value for name, value in variables().items() if name != "PATH"}

    assert worker["environment"].keys() <= VARIABLES
    settings = worker_settings(image | worker["environment"], worker["command"])
    assert settings.grace_period + 10 < duration.seconds(worker["stop_grace_period"])
    assert worker["volumes"] == [f"state:{said('VOLUME')}"]
    assert settings.api_url == f"http://taskmanager:{port_of(services)}/api"


def port_of(services):
    command, values = command_line(services["taskmanager"]["command"])
    assert command == "taskmanager"
    return values["port"]


def test_a_taskmanager_is_started_with_options_and_variables_that_it_has(services):
    server, port = services["taskmanager"], port_of(services)
    health = server["healthcheck"]

    assert server["environment"].keys() <= environment_of_servers()
    assert server["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert health["test"] == ["CMD", *check_of_the_image(), f"http://127.0.0.1:{port}/readyz"]
    assert duration.seconds(health["start_period"]) > START_SECONDS
    assert duration.seconds(server["stop_grace_period"]) > END_SECONDS


def check_of_the_image():
    return re.findall('"([^"]+)"', said("HEALTHCHECK"))


def test_the_steps_of_the_page_make_secrets_that_fit_together(services, tmp_path):
    (steps,) = [block.text for block in blocks(PAGE) if "mkdir -m 0700 secrets" in block.text]
    made = re.sub(r"^docker .*\n", "", steps.replace("\\\n", " "), flags=re.MULTILINE)
    (tmp_path / "examples" / "deploy" / "docker").mkdir(parents=True)
    subprocess.run(["sh", "-euc", made], cwd=tmp_path, input="a-youtube-key\n", text=True, check=True)
    place = tmp_path / "examples" / "deploy" / "docker" / "secrets"
    text = {path.name: path.read_text().strip() for path in place.iterdir()}

    assert text.keys() >= {Path(f"{one}").name for one in ("db-password", "database", "keys", "worker-key")}
    assert text.keys() == {name for service in services.values() for name in service["secrets"]}
    url, db = sa.make_url(text["database"]), services["db"]["environment"]
    assert (url.host, url.database, url.username) == ("db", db["MARIADB_DATABASE"], db["MARIADB_USER"])
    assert url.password == text["db-password"]
    assert {key.scope for key in read_keys(place / "keys")} == {*Scope}
    assert f"worker {text['worker-key']}" in text["keys"].splitlines()
    assert place.stat().st_mode & 0o777 == 0o700
    assert all(os.access(path, os.R_OK) and path.stat().st_mode & 0o044 == 0o044 for path in place.iterdir())
