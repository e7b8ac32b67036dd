"""Whoever meets R12 in the code finds it on the page of the rules, with the servers that it holds for, and a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "rules.md").read_text(encoding="utf-8")
RULES = {int(found[1]): found[2] for found in re.finditer(r"^### R(\d+)\n(.+)$", PAGE, re.MULTILINE)}
TREES = ("prismq_worker_sdk", "plugins", "examples", "tests", "docs")


def texts(*endings):
    for tree in TREES:
        for path in (ROOT / tree).rglob("*"):
            if path.suffix in endings and path.is_file():
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def test_the_rules_stand_on_the_page_in_their_order():
    assert len(RULES) >= 40
    assert list(RULES) == list(range(1, len(RULES) + 1))


@pytest.mark.parametrize("number", RULES)
def test_each_rule_says_for_which_servers_it_holds_and_what_happened_without_it(number):
    text = PAGE.split(f"### R{number}\n")[1].split("\n#")[0]

    assert re.match(r"\*(All servers|Exchange|Base)\b[^*]*\.\*", text)
    assert "*Without it:*" in text


def test_every_rule_that_code_tests_and_pages_cite_is_on_the_page():
    unknown = {
        (str(path), found[0])
        for path, text in texts(".py", ".md")
        for found in re.finditer(r"\bR(\d{1,3})\b", text)
        if int(found[1]) not in RULES
    }
    assert unknown == set()


@pytest.mark.parametrize("number", RULES)
def test_each_rule_has_a_test_that_carries_its_number(number):
    carried = f"def test_r{number:02}_"
    assert any(carried in text for path, text in texts(".py") if "tests" in path.parts)


def test_the_sections_of_pages_that_code_cites_are_there():
    headings = {
        name: {line.lstrip("# ").lower() for line in path.read_text(encoding="utf-8").splitlines()}
        for name, path in (("rules", DOCS / "rules.md"), ("protocol", DOCS / "reference" / "protocol.md"))
    }
    cited = [
        found for _, text in texts(".py") for found in re.findall(r"\b(rules|protocol)\.md, (\w+)", text)
    ]

    assert cited
    assert [found for found in cited if found[1] not in headings[found[0]]] == []
