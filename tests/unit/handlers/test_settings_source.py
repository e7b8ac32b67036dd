"""The settings of a plugin whose secrets stand in files that change, come late, or go away for a moment."""

import logging
import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from prismq_worker_sdk import PluginSettings, TaskHandler
from prismq_worker_sdk.handlers.task_handler import as_handler
from prismq_worker_sdk.plugin_settings import plugin_settings_source
from prismq_worker_sdk.testing import HandlerHarness


class Settings(PluginSettings):
    late_pin: SecretStr
    late_pages: int = 3


class Reader(TaskHandler):
    task_type = "Late.Reader"
    settings: Settings

    def ready(self):
        return None if self.settings.late_pages else "no pages"

    def process(self, params: dict, ctx) -> list:
        return [one.late_pin.get_secret_value() for one in (ctx.settings, self.settings)]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("LATE_PIN_FILE", str(tmp_path / "pin"))
    return tmp_path / "pin"


def pin(source):
    return source().late_pin.get_secret_value()


def test_a_secret_that_changes_in_its_file_is_taken_up(file):
    file.write_text("first-pin")
    source = plugin_settings_source(Settings)
    first = source()

    assert source() is first
    file.write_text("the-second-pin\n")
    assert pin(source) == "the-second-pin"
    file.with_name("third").write_text("third-pin")
    file.with_name("third").replace(file)
    assert pin(source) == "third-pin"


def test_a_file_that_comes_late_leaves_the_type_unready_until_then(file):
    handler = as_handler(Reader()).with_settings_from(plugin_settings_source(Settings))

    assert handler.unready().startswith(f"LATE_PIN_FILE names {file}, which cannot be read")
    file.write_text(" \n")
    assert handler.unready() == f"LATE_PIN_FILE names {file}, which is empty"
    file.write_text("late-pin")
    assert handler.unready() is None
    assert HandlerHarness(handler).run().result == ["late-pin", "late-pin"]


def test_a_task_that_begins_before_its_secret_is_there_is_given_back(file):
    handler = as_handler(Reader()).with_settings_from(plugin_settings_source(Settings))

    found = HandlerHarness(handler).run()
    assert "LATE_PIN_FILE" in found.outcome.reason


def test_a_running_handler_gets_the_new_secret_by_ctx_and_by_itself(file):
    file.write_text("first-pin")
    handler = as_handler(Reader()).with_settings_from(plugin_settings_source(Settings))
    HandlerHarness(handler).run()
    file.write_text("the-second-pin")

    assert HandlerHarness(handler).run().result == ["the-second-pin", "the-second-pin"]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_text("")])
def test_what_was_read_once_stays_good_while_the_file_is_not(file, spoil, caplog):
    caplog.set_level(logging.WARNING)
    file.write_text("first-pin")
    source = plugin_settings_source(Settings)
    source()
    spoil(file)

    assert [pin(source), pin(source)] == ["first-pin", "first-pin"]
    assert len([record for record in caplog.records if "LATE_PIN_FILE" in record.getMessage()]) == 1
    file.write_text("the-second-pin")
    assert pin(source) == "the-second-pin"


def test_every_secret_that_comes_is_told_before_it_can_be_used(file):
    told = []
    source = plugin_settings_source(Settings)
    source.tell(told.append)
    for secret in ("first-pin", "the-second-pin"):
        file.write_text(secret)
        source()

    assert told == ["first-pin", "the-second-pin"]


def test_in_another_process_and_folder_it_reads_for_itself(file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATE_PIN_FILE", "pin")
    file.write_text("first-pin")
    source = plugin_settings_source(Settings)
    source()
    packed = pickle.dumps(source)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file.write_text("the-second-pin")

    assert b"first-pin" not in packed
    assert pin(pickle.loads(packed)) == pin(source) == "the-second-pin"
