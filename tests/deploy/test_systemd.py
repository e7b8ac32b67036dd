"""The units for systemd: what they say fits the code, and systemd itself finds nothing wrong with them."""

import re
import shutil
import subprocess

import pytest

from prismq_worker_sdk.decide.shutdown import ExitCode
from prismq_worker_sdk.taskmanager.db.database import START_SECONDS
from prismq_worker_sdk.taskmanager.processes import END_SECONDS
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import STEP_LIMIT
from prismq_worker_sdk.worker.supervision.service_notices import MARGIN
from tests.support.deploy import (
    DEPLOY,
    VARIABLES,
    command_line,
    commands_in,
    environment_of_servers,
    worker_settings,
)
from tests.support.surroundings import ROOT

SYSTEMD = DEPLOY / "systemd"
WORKER, SERVER = "prismq-worker@.service", "prismq-taskmanager.service"
UNITS = (WORKER, SERVER)
PAGE = ROOT / "docs" / "operations" / "systemd.md"
PROGRAM = "/opt/prismq/bin/prismq-worker"
SETTING = re.compile(r"^#?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)
MOST_EXPOSED = 2.5


def said(unit):
    """Everything that a unit says, in order: name → values."""
    found = {}
    for line in (SYSTEMD / unit).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "[#":
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def one(unit, name):
    (value,) = said(unit)[name]
    return value


def variables(unit):
    """What it puts into the environment, with where systemd has state and credentials."""
    pairs = [value.split("=", 1) for value in said(unit)["Environment"]]
    places = {"%S": "/var/lib", "%d": f"/run/credentials/{unit}", "%i": "a"}
    return {name: re.sub("%[Sdi]", lambda found: places[found[0]], value) for name, value in pairs}


def words(unit, more=""):
    """The command line, behind the program."""
    program, *rest = one(unit, "ExecStart").split()
    assert program == PROGRAM
    return [word for given in rest for word in (more.split() if given.startswith("$") else [given])]


def on_page(beginning):
    """The variables that the page gives a value."""
    return {
        name
        for name in re.findall(r"\b([A-Z_]+)=", PAGE.read_text(encoding="utf-8"))
        if name.startswith(beginning)
    }


def written(name):
    """The variables of an environment file, those in comments too."""
    return dict(SETTING.findall((SYSTEMD / name).read_text(encoding="utf-8")))


def test_a_worker_is_started_with_options_and_variables_that_it_has():
    given = variables(WORKER) | written("worker.env")
    own = given.pop("WORKER_OPTIONS")
    del given["TASKMANAGER_API_KEY_FILE"]

    assert given.keys() | on_page("PRISMQ_WORKER_") <= VARIABLES
    settings = worker_settings(given, words(WORKER, own))
    assert settings.instance == "%i"
    assert settings.grace_period == WorkerConfig(state_dir="/").grace_period
    assert str(settings.state_dir) == f"/var/lib/{one(WORKER, 'StateDirectory')}"


def test_a_taskmanager_is_started_with_options_and_variables_that_it_has():
    given = variables(SERVER) | written("taskmanager.env")
    own = given.pop("TASKMANAGER_OPTIONS")
    command, values = command_line(words(SERVER, own))

    assert command == "taskmanager"
    assert values["workers"] == 4
    assert given.keys() | on_page("PRISMQ_TASKMANAGER_") <= environment_of_servers()
    assert one(SERVER, "StateDirectory") in variables(SERVER)["PRISMQ_TASKMANAGER_DATABASE"]


@pytest.mark.parametrize("unit", UNITS)
def test_credentials_that_are_used_are_loaded(unit):
    loaded = {value.split(":")[0] for value in said(unit)["LoadCredential"]}
    used = set(re.findall(r"%d/([\w-]+)", (SYSTEMD / unit).read_text(encoding="utf-8")))

    assert loaded == used


def test_restarts_go_by_the_exit_codes_of_a_worker():
    assert one(WORKER, "Restart") == "on-failure"
    assert one(WORKER, "RestartPreventExitStatus").split()[0] == str(ExitCode.USAGE)
    assert one(WORKER, "RestartForceExitStatus") == str(ExitCode.SOMETHING_LEFT)
    assert one(WORKER, "StartLimitIntervalSec") == "0"


def test_a_wrong_setting_of_a_taskmanager_meets_the_limit_and_a_database_that_is_away_does_not():
    window, most = int(one(SERVER, "StartLimitIntervalSec")), int(one(SERVER, "StartLimitBurst"))

    assert most * (int(one(SERVER, "RestartSec")) + 5) < window
    assert window < most * START_SECONDS
    assert int(one(SERVER, "TimeoutStartSec")) > START_SECONDS


def test_a_stop_has_the_time_that_it_takes():
    assert int(one(WORKER, "TimeoutStopSec")) >= WorkerConfig(state_dir="/").grace_period + MARGIN
    assert int(one(SERVER, "TimeoutStopSec")) >= END_SECONDS
    assert {one(unit, "KillMode") for unit in UNITS} == {"mixed"}


def test_a_watchdog_leaves_a_step_the_time_that_the_worker_itself_leaves_it():
    assert {one(unit, "Type") for unit in UNITS} == {"notify"}
    assert int(one(WORKER, "WatchdogSec")) == STEP_LIMIT


def test_the_steps_make_every_file_that_the_units_read():
    steps = PAGE.read_text(encoding="utf-8")
    read = {
        name
        for unit in UNITS
        for key in ("LoadCredential", "EnvironmentFile")
        for name in re.findall(r"/etc/prismq/[\w.-]+", " ".join(said(unit)[key]))
        if "%" not in name and not name.endswith("worker-")
    }

    assert read == {
        f"/etc/prismq/{name}"
        for name in ("taskmanager-key", "taskmanager-keys", "worker.env", "taskmanager.env")
    }
    assert {name for name in read if not name.endswith(".env")} <= set(
        re.findall(r"/etc/prismq/[\w.-]+", steps)
    )
    for file in SYSTEMD.iterdir():
        assert f"examples/deploy/systemd/{file.name}" in steps


def test_the_commands_of_the_page_are_commands():
    found = [command_line(line)[0] for line in commands_in(PAGE.read_text(encoding="utf-8"))]

    assert {"doctor", "outbox list"} <= set(found)


@pytest.fixture(params=UNITS)
def unit(request, tmp_path):
    """A unit whose program is there, for systemd to look at."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine; Debian: apt install systemd")
    file = tmp_path / request.param
    file.write_text((SYSTEMD / request.param).read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"))
    return file


def analyze(*given):
    done = subprocess.run(["systemd-analyze", *map(str, given)], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_to_say_of_a_unit(unit):
    assert analyze("verify", "--man=no", unit) == (0, "")


def test_a_unit_is_hardened(unit):
    code, text = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", unit)

    assert code == 0, text


def test_a_unit_without_its_hardening_would_be_seen(unit):
    kept = re.sub(
        r"^(Protect|Private|Restrict|SystemCall|Capab|Dynamic|User)\w+=.*\n",
        "",
        unit.read_text(),
        flags=re.MULTILINE,
    )
    unit.write_text(kept)

    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", unit)[0] != 0
