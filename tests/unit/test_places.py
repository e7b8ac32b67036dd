"""Paths that no shell has seen, working directories that move, and text files of other systems."""

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from prismq_worker_sdk import PluginSettings
from prismq_worker_sdk.environment import CA_BUNDLES, keep_places
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place, text_of
from prismq_worker_sdk.plugin_settings import plugin_settings
from prismq_worker_sdk.settings import CONFIG_FILE, load_settings, plugin_state_dir
from prismq_worker_sdk.taskmanager.config import first_key, read_keys
from tests.support.surroundings import forget_settings


class Settings(PluginSettings):
    my_key: SecretStr | None = None
    my_folder: Path = Path("here")
    my_other: Path | None = None


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    forget_settings(monkeypatch, tmp_path)
    found = tmp_path / "home"
    found.mkdir()
    monkeypatch.setenv("HOME", str(found))
    return found


@pytest.fixture
def no_home(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def unknown(_uid):
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_a_tilde_is_the_home_folder_wherever_it_is_written(source, monkeypatch, home):
    given = {}
    if source == "variable":
        monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", "~/state")
        assert plugin_state_dir("some") == home / "state" / "plugins" / "some"
    elif source == "file":
        Path(CONFIG_FILE).write_text('state_dir = "~/state"')
        assert plugin_state_dir("some") == home / "state" / "plugins" / "some"
    else:
        given = {"state_dir": "~/state"}

    assert load_settings(given).state_dir == home / "state"


def test_a_tilde_is_the_home_folder_for_key_files_and_for_every_path_of_a_plugin(monkeypatch, home):
    (home / "key").write_text("of-the-file\n")
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", "~/key")
    monkeypatch.setenv("MY_KEY_FILE", "~/key")
    monkeypatch.setenv("MY_FOLDER", "~/yt")
    monkeypatch.setenv("MY_OTHER", "~")
    settings = plugin_settings(Settings)

    assert load_settings().key() == "of-the-file"
    assert settings.my_key.get_secret_value() == "of-the-file"
    assert (settings.my_folder, settings.my_other) == (home / "yt", home)


def test_relative_paths_stay_where_they_were_when_the_working_directory_moves(monkeypatch, tmp_path):
    Path("key").write_text("of-the-file")
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", "key")
    settings, own = load_settings({"state_dir": "state"}), plugin_settings(Settings)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert settings.key() == "of-the-file"
    assert settings.state_dir == tmp_path / "state"
    assert own.my_folder == tmp_path / "here"


def test_ca_bundles_of_relative_names_are_found_on_and_children_learn_the_state_folder(monkeypatch, tmp_path):
    for name in CA_BUNDLES:
        monkeypatch.setenv(name, "ca.pem")
    keep_places("state")

    assert os.environ["PRISMQ_WORKER_STATE_DIR"] == str(tmp_path / "state")
    assert {os.environ[name] for name in CA_BUNDLES} == {str(tmp_path / "ca.pem")}


@pytest.mark.usefixtures("no_home")
def test_a_user_without_a_home_folder_is_told_what_to_give_and_then_needs_none(tmp_path):
    with pytest.raises(
        SettingsError, match=r"no home folder is known .* give --state-dir \(PRISMQ_WORKER_STATE"
    ):
        load_settings()
    with pytest.raises(SettingsError, match="no home folder is known"):
        plugin_state_dir("some")
    with pytest.raises(SettingsError, match=r"--state-dir .*='~/x' cannot be found, because the home folder"):
        load_settings({"state_dir": "~/x"})
    assert load_settings({"state_dir": str(tmp_path)}).state_dir == tmp_path
    assert load_settings(only={"api_url"}).api_url == "http://localhost:8000/api"


def test_a_relative_path_in_a_working_directory_that_is_gone_is_told(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(SettingsError, match="the working directory is gone; give the whole path"):
        place("state", "--state-dir")
    assert place("/state", "--state-dir") == Path("/state")


def test_a_variable_that_no_shell_has_replaced_is_refused(monkeypatch):
    monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", "$HOME/state")

    with pytest.raises(SettingsError, match=r"='\$HOME/state' has a variable that no shell replaced"):
        load_settings()


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_files_of_every_encoding_with_a_mark_are_read(encoding, monkeypatch):
    for name, text in {
        CONFIG_FILE: "concurrency = 2\r\n",
        "key": "schlüssel\r\n",
        "keys": "worker abcdefgh\r\n",
    }.items():
        Path(name).write_bytes(text.encode(encoding))
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", "key")

    assert (load_settings().concurrency, load_settings().key()) == (2, "schlüssel")
    assert (len(read_keys(Path("keys"))), first_key(Path("keys"))) == (1, "abcdefgh")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("schlüssel".encode("latin-1"), "its byte 5 is not UTF-8; save it as UTF-8"),
        ("worker abcdefgh".encode("utf-16-le"), "as UTF-16 without a byte order mark does; save it as UTF-8"),
    ],
)
def test_a_text_in_no_encoding_that_can_be_told_says_so_wherever_it_is_read(data, said, monkeypatch):
    Path("text").write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(said)):
        text_of(Path("text"))
    with pytest.raises(SettingsError, match=re.escape(said)):
        read_keys(Path("text"))
    monkeypatch.setenv("MY_KEY_FILE", "text")
    with pytest.raises(
        SettingsError, match=f"MY_KEY_FILE names .*text, which cannot be read: .*{re.escape(said)}"
    ):
        plugin_settings(Settings)
    Path(CONFIG_FILE).write_bytes(data)
    with pytest.raises(SettingsError, match=f"{CONFIG_FILE} cannot be read: .*{re.escape(said)}"):
        load_settings()
