"""A character that the encoding of an output lacks costs no answer and no exit code."""

from __future__ import annotations

import io
import json
import sys

import pytest

from prismq_worker_sdk.cli import main

TITLE = "\U0001f3ac ü"
PLUGIN = f"""
from prismq_worker_sdk import task_handler

@task_handler("Test.Title")
def title(params: dict, ctx):
    return {{"title": {TITLE!r}}}
"""


@pytest.fixture
def printed(monkeypatch):
    """What a command line prints to a stdout of this encoding; its exit code must be 0."""

    def run(encoding: str, *arguments: str) -> str:
        data = io.BytesIO()
        out = io.TextIOWrapper(data, encoding=encoding)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            assert main([*arguments]) == 0
        out.flush()
        return data.getvalue().decode(encoding)

    return run


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", TITLE), ("cp1252", "\\ud83c\\udfac \\u00fc")])
def test_a_result_is_json_in_every_encoding(printed, plugin_file, encoding, shown) -> None:
    text = printed(encoding, "try", "Test.Title", "--plugin", plugin_file(PLUGIN))

    assert json.loads(text) == {"title": TITLE}
    assert shown in text


@pytest.mark.parametrize(
    "options", [("tasks",), ("tasks", "--json"), ("tasks", "show"), ("tasks", "show", "--json")]
)
def test_tasks_of_every_text_are_listed(printed, api, options) -> None:
    task = api.submit(params={"title": TITLE})
    api.claim()
    assert api.fail(task, error=f"no {TITLE}") == 200
    shown = [task] if "show" in options else []
    text = printed("latin-1", *options, *shown, "--api-url", api.url)

    if "--json" in options:
        assert TITLE in str(json.loads(text))
    else:
        assert "no \\U0001f3ac ü" in text
