"""Every worker setting: where it comes from, which source wins, and what a bad value is told."""

from pathlib import Path

import pytest

from prismq_worker_sdk.cli.run import run
from prismq_worker_sdk.environment import MISSION_NAMES, misdirected, variable
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.setting import size
from prismq_worker_sdk.settings import (
    CONFIG_FILE,
    NOT_ON_THE_COMMAND_LINE,
    SETTINGS,
    WorkerSettings,
    load_settings,
)
from prismq_worker_sdk.worker.config import WorkerConfig
from tests.support.surroundings import ROOT, forget_settings

FIELDS = set(SETTINGS)
MISSION = {
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
SAME = str
SAID = {
    "api_url": (SAME, "http://cli.test/api", "http://env.test/api", "http://toml.test/api"),
    "ca_file": (Path, "/from/cli", "/from/env", "/from/toml"),
    "client_cert": (Path, "/from/cli", "/from/env", "/from/toml"),
    "client_key": (Path, "/from/cli", "/from/env", "/from/toml"),
    "worker_id": (SAME, "from-cli", "from-env", "from-toml"),
    "poll_interval": (duration.seconds, "1m", "2m", "3m"),
    "max_runs": (int, "1", "2", "3"),
    "concurrency": (int, "1", "2", "3"),
    "state_dir": (Path, "/from/cli", "/from/env", "/from/toml"),
    "instance": (SAME, "cli", "env", "toml"),
    "max_memory_per_child": (size, "64M", "1.5G", "1048576"),
    "grace_period": (duration.seconds, "1h", "2h", "3h"),
    "startup_timeout": (duration.seconds, "1s", "2s", "3s"),
    "unreachable_timeout": (duration.seconds, "1", "2", "3"),
    "max_consecutive_errors": (int, "1", "2", "3"),
    "max_attempts": (int, "1", "2", "3"),
    "claim_order": (SAME, "lifo", "fifo", "priority"),
    "server_max_attempts": (int, "1", "2", "3"),
    "server_claim_timeout": (duration.seconds, "1.5m", "2.5m", "3.5m"),
    "health_port": (int, "8081", "8082", "8083"),
    "health_host": (SAME, "127.0.0.2", "127.0.0.3", "127.0.0.4"),
    "log_format": (SAME, "json", "console", "json"),
    "log_level": (SAME, "ERROR", "WARNING", "DEBUG"),
    "dialect": (SAME, "v1", "auto", "prismq-client"),
}
"""Field → how it is read, then what the command line, the environment and the config file say."""

ODD = {"debug", "isolation", "prefetch", "api_key", "api_key_file", "proxy"}
"""A flag, choices of two, and what has no option: told on their own below."""


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    forget_settings(monkeypatch, tmp_path)


def option(field):
    return "--" + field.replace("_", "-")


def on_the_command_line(*arguments):
    given = dict(run.make_context("run", list(arguments)).params)
    del given["names"], given["live"]
    return given


def config_file(text):
    Path(CONFIG_FILE).write_text(text, encoding="utf-8")


def test_the_table_of_this_test_has_every_setting():
    assert set(SAID) | ODD == FIELDS


def test_every_setting_that_may_hold_no_secret_has_an_option_of_its_name():
    assert (
        FIELDS - set(on_the_command_line()) == NOT_ON_THE_COMMAND_LINE == {"api_key", "api_key_file", "proxy"}
    )
    assert set(on_the_command_line()) <= FIELDS


def test_the_variables_of_the_mission_and_of_the_way_to_the_server_are_fixed_and_all_others_have_the_prefix():
    assert MISSION_NAMES == MISSION
    for field in FIELDS - set(MISSION):
        assert variable(field) == f"PRISMQ_WORKER_{field.upper()}"


def test_the_order_of_claims_may_be_written_as_prismq_does(monkeypatch):
    assert load_settings().claim_order is None
    monkeypatch.setenv(variable("claim_order"), "LIFO")

    assert load_settings().claim_order == "lifo"


def test_every_setting_reaches_the_worker():
    fields = set(WorkerConfig.__dataclass_fields__)

    assert fields - {"key", "secrets"} == FIELDS - {"api_key", "api_key_file"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_the_reference_names_the_option_and_the_variable_of_every_setting(field):
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")

    assert f"`{variable(field)}`" in page
    assert field in NOT_ON_THE_COMMAND_LINE or f"`{option(field)}`" in page


@pytest.mark.parametrize("field", sorted(SAID))
def test_command_line_beats_environment_beats_config_file_beats_default(field, monkeypatch):
    read, by_option, by_variable, by_file = SAID[field]
    default = getattr(load_settings(), field)

    config_file(f'{field} = "{by_file}"')
    seen = [getattr(load_settings(on_the_command_line()), field)]
    monkeypatch.setenv(variable(field), by_variable)
    seen.append(getattr(load_settings(on_the_command_line()), field))
    seen.append(getattr(load_settings(on_the_command_line(option(field), by_option)), field))

    assert seen == [read(by_file), read(by_variable), read(by_option)]
    assert seen[0] != default


def test_debug_is_a_flag_on_the_command_line_and_a_truth_value_elsewhere(monkeypatch):
    assert load_settings().debug is False
    config_file("debug = true")
    assert load_settings(on_the_command_line()).debug is True
    monkeypatch.setenv("DEBUG", "0")
    assert load_settings(on_the_command_line()).debug is False
    assert load_settings(on_the_command_line("--debug")).debug is True


@pytest.mark.parametrize(
    ("field", "one", "other"), [("isolation", "process", "thread"), ("prefetch", "off", "auto")]
)
def test_a_choice_of_two_is_read_from_all_three_places(field, one, other, monkeypatch):
    def read(*arguments):
        return getattr(load_settings(on_the_command_line(*arguments)), field)

    config_file(f'{field} = "{one}"')
    assert read() == one
    monkeypatch.setenv(variable(field), other)
    assert read() == other
    monkeypatch.setenv(variable(field), one)
    assert read(option(field), other) == other


@pytest.mark.parametrize("field", sorted(FIELDS - {"api_key", "api_key_file"}))
def test_an_empty_variable_counts_as_unset(field, monkeypatch):
    monkeypatch.setenv(variable(field), "")

    assert getattr(load_settings(), field) == getattr(WorkerSettings(), field)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("1.5m", 90.0)]
)
@pytest.mark.parametrize(
    "field",
    ["poll_interval", "grace_period", "startup_timeout", "unreachable_timeout", "server_claim_timeout"],
)
def test_durations_are_read_in_every_form(field, text, seconds, monkeypatch):
    monkeypatch.setenv(variable(field), text)

    assert getattr(load_settings(), field) == seconds


def test_numbers_and_names_with_dashes_are_taken_from_the_config_file():
    config_file('poll-interval = 2.5\nconcurrency = 8\ngrace_period = "1m"\nhealth-port = 0\n')
    settings = load_settings()

    found = settings.poll_interval, settings.concurrency, settings.grace_period, settings.health_port
    assert found == (2.5, 8, 60.0, 0)


def test_a_level_may_be_written_small_and_an_address_with_a_slash_at_its_end():
    settings = load_settings({"log_level": "warning", "api_url": "HTTP://Some.Host:80/api/"})

    assert settings.log_level == "WARNING"
    assert settings.api_url == "http://some.host/api"


BAD = [
    ("api_url", "ftp://some.host"),
    ("api_url", "no address"),
    ("worker_id", "Zoë"),
    ("worker_id", "  "),
    ("poll_interval", "often"),
    ("poll_interval", "0"),
    ("poll_interval", "-5s"),
    ("poll_interval", "nan"),
    ("poll_interval", "2h"),
    ("max_runs", "x"),
    ("max_runs", "-1"),
    ("max_runs", "1.5"),
    ("concurrency", "0"),
    ("concurrency", "257"),
    ("isolation", "fibre"),
    ("prefetch", "always"),
    ("max_memory_per_child", "much"),
    ("max_memory_per_child", "-1"),
    ("grace_period", "2d"),
    ("startup_timeout", "soon"),
    ("unreachable_timeout", "inf"),
    ("max_consecutive_errors", "-1"),
    ("max_attempts", "-1"),
    ("server_claim_timeout", "0"),
    ("health_port", "70000"),
    ("health_port", "http"),
    ("log_format", "xml"),
    ("log_level", "LOUD"),
    ("dialect", "v9"),
]


@pytest.mark.parametrize("source", ["option", "variable", "file"])
@pytest.mark.parametrize(("field", "text"), BAD)
def test_a_bad_value_is_told_with_its_option_its_variable_and_itself(field, text, source, monkeypatch):
    given = {}
    if source == "variable":
        monkeypatch.setenv(variable(field), text)
    elif source == "file":
        config_file(f'{field} = "{text}"')
    else:
        given = on_the_command_line(f"{option(field)}={text}")
    with pytest.raises(SettingsError) as caught:
        load_settings(given)

    said = str(caught.value)
    assert said.startswith(f"{option(field)} ({variable(field)})")
    assert text in said
    assert "\n" not in said


def test_a_truth_value_that_is_none_is_told_too():
    config_file('debug = "perhaps"')

    with pytest.raises(SettingsError, match=r"--debug \(DEBUG\)='perhaps'"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "app:*"),
        ("DEBUG", "2"),
        ("DEBUG", "WARN"),
        ("PRISMQ_WORKER_HEALTH_PORT", "tcp://10.0.0.7:80"),
    ],
)
def test_what_another_program_has_set_is_passed_over_and_told(name, value, monkeypatch):
    monkeypatch.setenv(name, value)

    assert (load_settings().debug, load_settings().health_port) == (False, None)
    (told,) = misdirected(SETTINGS)
    assert told.startswith(f"{name}={value!r} is passed over: ")


def test_a_truth_value_with_blanks_is_one(monkeypatch):
    monkeypatch.setenv("DEBUG", " True ")

    assert load_settings().debug
    assert list(misdirected(SETTINGS)) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PRISMQ_WORKER_CONCURENCY", "PRISMQ_WORKER_CONCURRENCY"),
        ("PRISMQ_WORKER_API_KEY", "TASKMANAGER_API_KEY"),
        ("PRISMQ_WORKER_MAX_RUN", "MAX_RUNS"),
    ],
)
def test_a_variable_whose_name_is_nearly_a_settings_is_told(monkeypatch, name, meant):
    monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", "here")

    assert list(misdirected(SETTINGS)) == [f"{name} is no setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name", ["SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8081_TCP_ADDR", "PORT_8081_TCP_PORT"]
)
def test_the_variables_of_a_service_of_kubernetes_are_no_misspelt_settings(monkeypatch, name):
    monkeypatch.setenv(f"PRISMQ_WORKER_{name}", "10.0.0.1")

    assert list(misdirected(SETTINGS)) == []


def test_a_bad_value_of_a_setting_that_is_not_used_stops_nobody(monkeypatch):
    monkeypatch.setenv("MAX_RUNS", "many")
    monkeypatch.setenv("POLL_INTERVAL", "off")
    monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", "state")

    assert load_settings(only={"state_dir"}).state_dir == Path("state").absolute()
    with pytest.raises(SettingsError, match="MAX_RUNS"):
        load_settings(only={"max_runs"})


def test_all_bad_values_are_told_at_once(monkeypatch):
    monkeypatch.setenv("MAX_RUNS", "many")
    with pytest.raises(SettingsError) as caught:
        load_settings({"concurrency": "0"})

    assert "--max-runs (MAX_RUNS)='many'" in str(caught.value)
    assert "--concurrency (PRISMQ_WORKER_CONCURRENCY)=0" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"colour = 1\nconcurrency = 2\n", "has unknown settings colour; known are api_key_file, api_url,"),
        (b"[worker]\nconcurrency = 2\n", "has unknown settings worker"),
        (b"concurrency = \n", "is not TOML"),
        (b"worker_id = '\xff'\n", "cannot be read"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_named_with_the_fault(content, said):
    Path(CONFIG_FILE).write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{CONFIG_FILE} ")
    assert said in str(caught.value)


def test_a_folder_in_the_place_of_the_config_file_is_named():
    Path(CONFIG_FILE).mkdir()

    with pytest.raises(SettingsError, match=r"prismq-worker\.toml cannot be read"):
        load_settings()


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError, match="colour"):
        load_settings({"colour": "red"})
