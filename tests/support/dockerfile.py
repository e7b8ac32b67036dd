"""What the Dockerfile says, instruction by instruction."""

import re

from tests.support.deploy import DEPLOY

FILE = DEPLOY / "docker" / "Dockerfile"


def instructions():
    """Each instruction with its words, comments left out and lines joined."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def final():
    """Those of the stage that becomes the image."""
    found = instructions()
    return found[max(n for n, (name, _) in enumerate(found) if name == "FROM") :]


def said(name):
    (words,) = [words for instruction, words in final() if instruction == name]
    return words


def variables():
    return dict(word.split("=", 1) for word in said("ENV").split())
