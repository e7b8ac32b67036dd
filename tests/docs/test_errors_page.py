"""The page of errors has the tree of the errors, and every error type that a failed task may have."""

import ast
import re
from pathlib import Path

from prismq_worker_sdk import errors
from prismq_worker_sdk.errors import PrismqError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")


def tree(text):
    """Each class in a drawn tree, with the one above it."""
    above, found = [], {}
    for indent, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+)", text, re.MULTILINE):
        depth = len(indent) // 4
        above[depth:] = [name]
        found[name] = above[depth - 1] if depth else None
    return found


def classes():
    found = {PrismqError.__name__: None, errors.TaskCancelled.__name__: None}
    left = [PrismqError]
    while left:
        cls = left.pop()
        for sub in cls.__subclasses__():
            if sub.__module__ == errors.__name__:
                found[sub.__name__] = cls.__name__
                left.append(sub)
    return found


def error_types():
    """Every word that the code gives to a failure."""
    for path in (ROOT / "prismq_worker_sdk").rglob("*.py"):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                said = [word.value for word in node.keywords if word.arg in {"error_type", "kind"}]
                said += node.args[1:2] if node.func.id == "Failed" else []
                if node.func.id in {"Failed", "HandlerCrashed"}:
                    yield from (word.value for word in said if isinstance(word, ast.Constant))


def test_the_page_draws_the_tree_of_errors():
    drawn = tree(PAGE.split("```text\n")[1].split("```")[0])

    assert drawn == classes()
    assert tree(errors.__doc__.split("\n\n", 1)[1]) == classes()


def test_the_page_lists_every_error_type():
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    used = {word for word in error_types() if word.islower()}

    assert listed == used | {"crashed"}
    assert {"crashed", "out_of_memory", "time_limit"} <= used
