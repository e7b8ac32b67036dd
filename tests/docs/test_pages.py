import json
import re
import sys
from pathlib import Path

import pytest

from prismq_worker_sdk.compat import tomllib
from tests.support.pages import Reader, blocks, environment

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "plugins").glob("*/*.md"),
        *(ROOT / "prismq_worker_sdk").rglob("README.md"),
        *(ROOT / "tests").rglob("README.md"),
    ]
)
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name)
def test_what_a_page_says_can_be_followed_word_by_word(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    reader = Reader(page, tmp_path, environment(tmp_path))
    for variable, value in reader.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("YOUTUBE_API_KEY", raising=False)
    try:
        reader.follow()
    finally:
        reader.end()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(page):
    broken = [
        found[1]
        for found in LINK.finditer(page.read_text(encoding="utf-8"))
        if not (page.parent / found[1]).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_toml_and_json_on_a_page_can_be_read(page):
    for block in blocks(page):
        if block.language == "toml":
            tomllib.loads(block.text)
        if block.language == "json":
            json.loads(block.text)
