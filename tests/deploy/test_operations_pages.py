"""What the pages for operators let people type is there, and so is where they lead."""

import re
import shlex

import pytest

from tests.support.deploy import VARIABLES, environment_of_servers, named_variables, unknown
from tests.support.pages import blocks
from tests.support.surroundings import ROOT

FOLDER = ROOT / "docs" / "operations"
PAGES = [
    FOLDER / f"{name}.md"
    for name in ("install", "configure", "upgrade", "backup", "incidents", "docker", "kubernetes")
]
TYPED = re.compile(r"`prismq-worker ([^`]+)`")
LINK = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")


def name(page):
    return page.stem


def typed(page):
    """The words behind `prismq-worker`, as the page has them in its text and in its blocks."""
    yield from map(str.split, TYPED.findall(page.read_text(encoding="utf-8")))
    for block in blocks(page):
        for line in block.text.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ |\S*/)?prismq-worker ([^|&;<>#]+)", line)
            if found and block.language in {"sh", "console"}:
                yield shlex.split(found[1])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_variables_of_a_page_exist(page):
    assert [words for words in typed(page) if unknown(words)] == []
    assert named_variables(page.read_text(encoding="utf-8")) <= VARIABLES | environment_of_servers()


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "README.md"], ids=name)
def test_sections_that_a_page_leads_to_exist(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def anchors(page):
    """The sections of a page by the names that GitHub gives them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_for_operators_is_in_the_overview():
    overview = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in FOLDER.glob("*.md") if f"({page.name})" not in overview] == ["README.md"]
