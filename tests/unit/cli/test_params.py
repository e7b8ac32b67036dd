"""The params of a task come from the command line, from a file, or from stdin."""

from __future__ import annotations

import codecs
import io
from types import SimpleNamespace

import click
import pytest

from prismq_worker_sdk.cli import options
from prismq_worker_sdk.cli.options import given_params


@pytest.fixture
def stdin(monkeypatch):
    def say(data: bytes) -> None:
        monkeypatch.setattr(options.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return say


def refusal(argument: str) -> str:
    with pytest.raises(click.BadParameter) as refused:
        given_params(argument)
    return refused.value.message


def test_params_are_read_from_the_argument() -> None:
    assert given_params('{"q": "ü"}') == {"q": "ü"}


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_params_are_read_from_a_file_and_from_stdin(mark: bytes, tmp_path, stdin, monkeypatch) -> None:
    data = mark + '{"q": "ü"}\r\n'.encode()
    (tmp_path / "params.json").write_bytes(data)
    monkeypatch.setenv("HOME", str(tmp_path))
    stdin(data)

    assert given_params(f"@{tmp_path}/params.json") == {"q": "ü"}
    assert given_params("@~/params.json") == {"q": "ü"}
    assert given_params("-") == {"q": "ü"}


def test_what_is_no_object_is_told_in_few_words(tmp_path, stdin) -> None:
    stdin(b"[" * 100_000)
    (tmp_path / "list").write_text("[1]")

    assert refusal(f'{{"q": "{"x" * 100_000}') == (
        f'\'{{"q": "{"x" * 73}\'… (100007 characters) is no JSON (Unterminated string starting at: line 1 column 7 '
        '(char 6)); quote it: \'{"name": "value"}\', or give @FILE'
    )
    assert len(refusal("-")) < 300
    assert refusal(f"@{tmp_path}/list") == "'[1]' is no JSON object"


def test_what_cannot_be_read_is_told(tmp_path, stdin) -> None:
    (tmp_path / "latin").write_bytes(b'{"q": "\xfc"}')
    stdin(b"\xff\xfe")

    assert "No such file" in refusal("@missing.json")
    assert refusal(f"@{tmp_path}/latin").endswith("its byte 8 is not UTF-8; save it as UTF-8")
    assert refusal("-").startswith("''")


def test_a_process_without_a_stdin_says_so(monkeypatch) -> None:
    monkeypatch.setattr(options.sys, "stdin", None)

    assert refusal("-") == "- cannot be read: this process was started without a stdin"


def test_a_command_takes_them_so(cli, plugin, tmp_path) -> None:
    (tmp_path / "some.json").write_text('{"odd": 1}')
    shown = cli("try", "Test.Some", f"@{tmp_path}/some.json", "--plugin", plugin)

    assert "/odd: is not a known parameter" in shown.err
