"""From an empty folder to the first own task, seen completed on the page: what the README says, word by word."""

import pytest

from tests.support.pages import Reader, blocks, commands, environment
from tests.support.processes import ROOT

expect = pytest.importorskip("playwright.sync_api").expect
README = ROOT / "README.md"
INSTALLING = 2
"""Commands before: an environment, and the package."""


def test_the_readme_leads_to_a_completed_task_on_the_page(tmp_path, monkeypatch, open_page):
    monkeypatch.chdir(tmp_path)
    reader = Reader(README, tmp_path, environment(tmp_path))
    try:
        reader.follow()
        page = open_page(f"http://127.0.0.1:{reader.port}")
        expect(page.locator("tr", has_text="Demo.CountWords").locator("td.chart").first).to_contain_text("1")
        page.get_by_role("link", name="Demo.CountWords").click()
        expect(page.locator("#tasks .mark")).to_have_text("completed")
    finally:
        reader.end()


def test_that_takes_six_commands_and_twenty_lines_at_most():
    found = blocks(README)
    handler = next(block for block in found if block.file)
    said = [
        command for block in found if block.language == "console" for command, _out in commands(block.text)
    ]
    lines = [line for line in handler.text.splitlines() if line.strip()]
    assert INSTALLING + len(said) <= 6
    assert INSTALLING + len(said) + len(lines) <= 20
