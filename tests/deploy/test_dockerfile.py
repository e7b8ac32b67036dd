"""The image: what its Dockerfile says fits the code; that it builds and runs is proved by `make prove-image`."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.health_server import HealthServer
from tests.support.deploy import (
    DEPLOY,
    VARIABLES,
    command_line,
    named_variables,
    worker_settings,
)
from tests.support.dockerfile import FILE, instructions, said, variables
from tests.support.pages import free_port
from tests.support.surroundings import ROOT

DOCKER = DEPLOY / "docker"
HEALTHCHECK = DOCKER / "healthcheck.py"


def test_the_linter_has_nothing_to_say():
    linter = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    if linter is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([linter, str(FILE)], text=True, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_its_variables_are_settings_that_can_be_used():
    found = {name: value for name, value in variables().items() if name != "PATH"}

    assert found.keys() <= VARIABLES
    settings = worker_settings(found)
    assert settings.health_host == "0.0.0.0"
    assert str(settings.state_dir) == said("WORKDIR") == said("VOLUME")


def test_its_ports_are_those_of_the_worker_and_the_taskmanager():
    _, values = command_line(["taskmanager"])

    assert said("EXPOSE").split() == [str(values["port"]), variables()["PRISMQ_WORKER_HEALTH_PORT"]]
    assert (
        f"'PRISMQ_WORKER_HEALTH_PORT', '{variables()['PRISMQ_WORKER_HEALTH_PORT']}'"
        in HEALTHCHECK.read_text()
    )


def test_signals_reach_the_worker_since_no_shell_stands_between():
    assert json.loads(said("ENTRYPOINT")) == ["prismq-worker"]
    assert json.loads(said("HEALTHCHECK").split(" CMD ")[1])[-1] == f"/opt/prismq/{HEALTHCHECK.name}"


def test_it_runs_as_nobody_in_particular_whose_group_may_write_its_state():
    user, group = said("USER").split(":")

    assert int(user) > 0
    assert int(group) == 0
    assert f"install -d -m 0770 -g 0 {said('VOLUME')}" in said("RUN")


def test_nothing_is_installed_that_is_not_known_by_its_hash():
    installs = re.findall(r"pip (?:--python \S+ )?install ([^&]+)", FILE.read_text(encoding="utf-8"))

    assert len(installs) == 3
    assert all("--require-hashes" in words or "--no-index" in words for words in installs)
    assert "apt-get" not in FILE.read_text(encoding="utf-8")


def test_a_build_gets_what_it_copies():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        words.split()[:-1] for name, words in instructions() if name == "COPY" and "--from" not in words
    ]

    assert all((ROOT / name).exists() for name in allowed)
    for name in {name for names in copied for name in names if name != "."}:
        assert (ROOT / name).exists()
        assert any(Path(name).is_relative_to(one) for one in allowed)
    assert {"README.md", "LICENSE", "pyproject.toml", "prismq_worker_sdk", "plugins"} <= {*allowed}


def test_the_page_says_ports_paths_and_times_as_they_are():
    text = (ROOT / "docs" / "operations" / "docker.md").read_text(encoding="utf-8")
    settings = worker_settings({name: value for name, value in variables().items() if name != "PATH"})

    assert f"the volume `{said('VOLUME')}`" in text
    assert f"port {settings.health_port} (`PRISMQ_WORKER_HEALTH_PORT`)" in text
    assert f"{said('USER').split(':')[0]} of group 0" in text
    assert f"the grace period ({settings.grace_period:g} s)" in text
    assert all(int(time) > settings.grace_period + 10 for time in re.findall(r"--stop-timeout (\d+)", text))
    assert named_variables(text) <= VARIABLES
    docker_run = text.split("docker run")[1].split("```")[0].replace("\\\n", " ").splitlines()[0]
    _, _, words = docker_run.partition(" prismq-worker ")
    worker_settings(dict(re.findall(r"-e (\w+)=(\S+)", docker_run)), words.split())
    for line in re.findall(r"`prismq-worker ([^`]+)`|docker exec worker prismq-worker (.+)", text):
        command_line("".join(line).split())


def check(*words, **environment):
    command = [sys.executable, "-I", str(HEALTHCHECK), *words]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(("live", "found"), [(True, (0, "")), (False, (1, "status 503"))])
def test_the_health_check_asks_the_worker_without_a_proxy(live, found):
    server = HealthServer(0, lambda: Health(live=live, ready=False))
    server.start()
    try:
        port, dead = str(server.port), f"http://127.0.0.1:{free_port()}"
        assert check(PRISMQ_WORKER_HEALTH_PORT=port, http_proxy=dead) == found
        assert check(f"http://127.0.0.1:{port}/healthz") == found
    finally:
        server.stop()


def test_the_health_check_fails_where_nobody_answers():
    code, text = check(PRISMQ_WORKER_HEALTH_PORT=str(free_port()))

    assert code == 1
    assert text.startswith("no answer: ")
