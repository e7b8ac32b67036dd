"""Keys and other secrets: where they may come from, and that no text of ours ever shows one."""

import copy
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator

from prismq_worker_sdk import PluginSettings
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.plugin_settings import plugin_settings, secrets_in
from prismq_worker_sdk.settings import (
    CONFIG_FILE,
    WorkerSettings,
    load_settings,
)
from tests.support.surroundings import forget_settings

CANARY = "canary-5d1e-do-not-show"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    forget_settings(monkeypatch, tmp_path)


class Nested(BaseModel):
    password: SecretStr


class Settings(PluginSettings):
    my_pin: SecretStr | None = None
    my_region: str = "eu"
    my_pins: tuple[SecretStr, ...] = ()
    my_named: dict[str, SecretStr] = Field(default_factory=dict)
    my_database: Nested | None = None


def test_the_key_comes_from_the_environment_or_from_the_file_it_names(monkeypatch, tmp_path):
    assert load_settings().key() is None
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    assert load_settings().key() == CANARY
    monkeypatch.delenv("TASKMANAGER_API_KEY")
    (tmp_path / "key").write_text(f"  {CANARY}-of-a-file\n")
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(tmp_path / "key"))
    assert load_settings().key() == f"{CANARY}-of-a-file"


def test_the_config_file_may_name_the_key_file(tmp_path):
    (tmp_path / "key").write_text(CANARY)
    Path(CONFIG_FILE).write_text(f'api-key-file = "{tmp_path / "key"}"')

    assert load_settings().key() == CANARY


def test_r34_a_key_file_is_read_again_each_time(monkeypatch, tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("first")
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(key_file))
    config = load_settings().config()
    key_file.write_text("second")

    assert config.key() == "second"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read: [Errno 2] No such file"),
        (lambda path: path.mkdir(), "cannot be read: [Errno 21] Is a directory"),
        (lambda path: path.write_text(" \n"), "which is empty"),
        (lambda path: path.write_bytes(b"\xff"), "cannot be read: its byte 1 is not UTF-8"),
    ],
)
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("TASKMANAGER_API_KEY_FILE", lambda: load_settings().config()),
        ("MY_PIN_FILE", lambda: plugin_settings(Settings)),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_named_with_its_variable(
    name, read, make, said, tmp_path, monkeypatch
):
    path = tmp_path / "secret"
    make(path)
    monkeypatch.setenv(name, str(path))

    with pytest.raises(SettingsError) as caught:
        read()
    assert str(caught.value).startswith(f"{name} names {path}, which ")
    assert said in str(caught.value)


@pytest.mark.parametrize("ask", [WorkerSettings.key, WorkerSettings.config])
def test_a_key_and_a_key_file_together_are_refused_by_whoever_asks_for_the_key(ask, monkeypatch, tmp_path):
    (tmp_path / "key").write_text(CANARY)
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(tmp_path / "key"))

    with pytest.raises(
        SettingsError, match="both TASKMANAGER_API_KEY and TASKMANAGER_API_KEY_FILE"
    ) as caught:
        ask(load_settings())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "proxy:3128",
        "ftp://proxy",
        "http://",
        "http://proxy:no",
        "http://u:{}@pro xy",
        "http://u:{}@[proxy",
        "u:{}@p",
    ],
)
def test_an_address_of_a_proxy_that_is_none_is_refused_and_not_shown(monkeypatch, address):
    monkeypatch.setenv("TASKMANAGER_PROXY", address.format(CANARY))

    with pytest.raises(
        SettingsError, match=r"TASKMANAGER_PROXY: is no address of a proxy .*; write it like"
    ) as caught:
        load_settings()
    assert CANARY not in str(caught.value)


def test_the_password_of_the_proxy_is_a_secret_as_it_is_and_as_it_is_written(monkeypatch):
    monkeypatch.setenv("TASKMANAGER_PROXY", "http://somebody:can%2Fary@proxy:3128")
    config = load_settings().config()

    assert set(config.secrets) == {"can/ary", "can%2Fary"}
    assert config.connection.proxy == "http://somebody:can%2Fary@proxy:3128"
    assert "ary" not in repr(config)


@pytest.mark.parametrize("name", ["api_key", "api-key"])
def test_a_key_in_the_config_file_is_refused_and_not_shown(name):
    Path(CONFIG_FILE).write_text(f'{name} = "{CANARY}"')

    with pytest.raises(SettingsError, match="must not hold api_key; use TASKMANAGER_API_KEY or") as caught:
        load_settings()
    assert CANARY not in str(caught.value)


def test_the_settings_that_a_config_file_may_hold_are_listed_without_the_key():
    Path(CONFIG_FILE).write_text("colour = 1")

    with pytest.raises(SettingsError, match="known are api_key_file, api_url, ca_file, claim_order"):
        load_settings()


@pytest.mark.parametrize(
    "given",
    [
        {"api_url": f"http://user:{CANARY}@some.host/api"},
        {"api_url": f"http://some.host/api?key={CANARY}"},
        {"api_url": f"http://some.host/api#{CANARY}"},
        {"concurrency": 0, "api_key": CANARY},
        {"api_key": [CANARY]},
        {"apikey": CANARY},
    ],
)
def test_no_complaint_about_settings_shows_a_secret(given):
    for complain in (load_settings, lambda values: WorkerSettings(**values)):
        with pytest.raises((SettingsError, ValidationError)) as caught:
            complain(given)
        assert CANARY not in str(caught.value)


def shapes(value):
    yield from (repr(value), str(value), f"{value}")
    if isinstance(value, BaseModel):
        yield from (str(value.model_dump()), value.model_dump_json(), repr(copy.deepcopy(value)))
        yield from (repr(dict(value)), str(value.model_dump(mode="json")))


def test_no_shape_of_the_settings_shows_a_secret(monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    monkeypatch.setenv("MY_PIN", CANARY)
    monkeypatch.setenv("MY_PINS", f'["{CANARY}"]')
    settings, plugin = load_settings(), plugin_settings(Settings)
    config = settings.config(secrets=[CANARY])

    assert settings.key() == CANARY
    assert config.secrets == (CANARY, CANARY)
    shown = [*shapes(settings), *shapes(plugin), *shapes(config), *shapes(config.config())]
    assert [text for text in shown if CANARY in text] == []


def test_the_worker_is_given_its_own_secrets_and_those_of_its_plugins(monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)

    assert load_settings().config(secrets=["of-a-plugin"]).config().secrets == (CANARY, "of-a-plugin")


def test_settings_cannot_be_changed_and_survive_a_pickle(monkeypatch):
    settings = load_settings({"concurrency": "3"})

    with pytest.raises(FrozenInstanceError):
        settings.concurrency = 5
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_plugin_reads_its_settings_from_variables_and_from_the_files_they_name(monkeypatch, tmp_path):
    (tmp_path / "pin").write_text("from-a-file\n")
    monkeypatch.setenv("MY_PIN_FILE", str(tmp_path / "pin"))
    monkeypatch.setenv("MY_REGION", "")
    found = plugin_settings(Settings)
    assert (found.my_pin.get_secret_value(), found.my_region) == ("from-a-file", "eu")

    monkeypatch.setenv("MY_PIN", "from-the-variable")
    assert plugin_settings(Settings).my_pin.get_secret_value() == "from-the-variable"


def test_the_prefix_of_a_plugin_counts_for_the_variable_and_for_its_file(monkeypatch, tmp_path):
    class Prefixed(PluginSettings, env_prefix="shop_"):
        token: SecretStr
        limit: int = Field(1, ge=1)

    (tmp_path / "token").write_text(CANARY)
    monkeypatch.setenv("SHOP_TOKEN_FILE", str(tmp_path / "token"))
    assert plugin_settings(Prefixed).token.get_secret_value() == CANARY

    monkeypatch.setenv("SHOP_LIMIT", "0")
    with pytest.raises(SettingsError, match=r"^SHOP_LIMIT=0: Input should be greater than or equal to 1$"):
        plugin_settings(Prefixed)


def test_a_plugin_setting_that_is_missing_is_told_by_its_variable_and_nothing_else_is_shown(monkeypatch):
    class Needy(PluginSettings):
        my_pin: SecretStr
        my_region: str

    monkeypatch.setenv("MY_PIN", CANARY)
    with pytest.raises(SettingsError, match=r"^MY_REGION is not set$"):
        plugin_settings(Needy)
    with pytest.raises(ValidationError) as caught:
        Needy()
    assert CANARY not in str(caught.value)


def test_a_secret_that_does_not_fit_is_told_without_its_value(monkeypatch):
    class Strict(PluginSettings):
        my_pin: SecretStr = Field(min_length=40)
        my_access_token: str = Field("", pattern="^[0-9]*$")
        my_passphrase: SecretStr | None = None

        @field_validator("my_passphrase", mode="before")
        @classmethod
        def _quoting(cls, value):
            raise ValueError(f"{value} is no passphrase")

    for name in ("MY_PIN", "MY_ACCESS_TOKEN", "MY_PASSPHRASE"):
        monkeypatch.setenv(name, CANARY)
    with pytest.raises(SettingsError) as caught:
        plugin_settings(Strict)

    said = str(caught.value)
    assert CANARY not in said
    assert [name in said for name in ("MY_PIN: ", "MY_ACCESS_TOKEN: ", "MY_PASSPHRASE: ")] == [True] * 3


def test_a_value_with_others_inside_is_told_without_them(monkeypatch):
    class Deep(PluginSettings):
        my_database: Nested
        my_limits: dict[str, int] = Field(default_factory=dict)
        my_hosts: dict[str, str] = Field(default_factory=dict)

        @field_validator("my_hosts")
        @classmethod
        def _none(cls, value):
            raise ValueError("there are too many")

    monkeypatch.setenv("MY_DATABASE", "{}")
    monkeypatch.setenv("MY_LIMITS", f'{{"a": "{CANARY}"}}')
    monkeypatch.setenv("MY_HOSTS", f'{{"a": "{CANARY}"}}')
    with pytest.raises(SettingsError) as caught:
        plugin_settings(Deep)

    first, second, third = str(caught.value).split("; ")
    assert first == "MY_DATABASE.password is not set"
    assert second.startswith("MY_LIMITS.a: Input should be a valid integer")
    assert third == "MY_HOSTS: there are too many"


def test_a_list_that_is_no_json_is_told_in_one_sentence_without_its_value(monkeypatch):
    monkeypatch.setenv("MY_PINS", CANARY)

    with pytest.raises(SettingsError, match=r"my_pins.*are written as JSON") as caught:
        plugin_settings(Settings)
    assert CANARY not in str(caught.value)


def test_every_secret_is_found_also_inside_lists_mappings_and_models(monkeypatch):
    monkeypatch.setenv("MY_PIN", "one")
    monkeypatch.setenv("MY_PINS", '["two", ""]')
    monkeypatch.setenv("MY_NAMED", '{"a": "three"}')
    monkeypatch.setenv("MY_DATABASE", '{"password": "four"}')

    assert list(secrets_in(plugin_settings(Settings))) == ["one", "two", "three", "four"]
