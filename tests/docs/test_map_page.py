"""The pages that show the way in the house name files and what is in them; it is there, and no folder is left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "prismq_worker_sdk"
PLUGIN = ROOT / "plugins" / "youtube_shorts"
DOCS = ROOT / "docs"
PAGES = [
    *(DOCS / name for name in ("code-map.md", "glossary.md", "design.md", "decisions.md", "rules.md")),
    ROOT / "tests" / "README.md",
    ROOT / "tests" / "support" / "README.md",
    PLUGIN / "DESIGN.md",
]
PLACE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|md|yaml|toml))(?::(\w+))?`")


def name(page):
    return page.relative_to(ROOT).as_posix()


def place_of(path, page):
    """Where a path of a page leads: said from the repository, the package, or the page's own folder."""
    around = (ROOT, PACKAGE, page.parent)
    return next((found for start in around if (found := start / path).exists()), None)


@cache
def names_of(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    defined = {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return defined | assigned


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_and_every_name_in_it_is_there(page):
    wrong = []
    for path, wanted in PLACE.findall(page.read_text(encoding="utf-8")):
        found = place_of(path, page)
        if found is None or (wanted and wanted not in names_of(found)):
            wrong.append(f"{path}:{wanted}" if wanted else path)
    assert wrong == []


def packages(top):
    return {
        found.parent.relative_to(top).as_posix() + "/"
        for found in top.rglob("__init__.py")
        if found.parent != top
    }


def test_the_code_map_shows_every_folder_of_the_package():
    shown = {path for path, _ in PLACE.findall((DOCS / "code-map.md").read_text(encoding="utf-8"))}

    assert packages(PACKAGE) - shown == set()


def test_the_page_of_the_tests_shows_every_folder_of_theirs():
    shown = {path for path, _ in PLACE.findall((ROOT / "tests" / "README.md").read_text(encoding="utf-8"))}
    folders = {
        f"{path.name}/" for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.rglob("*.py"))
    }

    assert folders - shown == set()


def test_each_module_of_test_support_is_shown_on_its_page():
    support = ROOT / "tests" / "support"
    shown = {path for path, _ in PLACE.findall((support / "README.md").read_text(encoding="utf-8"))}

    assert {path.name for path in support.glob("*.py") if path.name != "__init__.py"} - shown == set()


def test_every_word_of_the_glossary_has_a_place():
    rows = re.findall(
        r"^\| (?!-|\|)(.+?) \| .* \| (.*) \|$",
        (DOCS / "glossary.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert len(rows) > 40
    assert [word for word, place in rows if not PLACE.search(place)] == []
