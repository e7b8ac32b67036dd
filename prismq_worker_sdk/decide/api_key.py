"""Whether an API key can be told from the words around it."""

from __future__ import annotations

SHORTEST_GOOD = 8
LONGEST_WORD = 20


def weakness(key: str) -> str | None:
    """What is wrong with a key that may be an ordinary word, None for a good one; never shows it."""
    if len(key) < SHORTEST_GOOD:
        what = f"is shorter than {SHORTEST_GOOD} characters"
    elif key.isalpha() and len(key) <= LONGEST_WORD and (key.islower() or key.isupper() or key.istitle()):
        what = "is made like an ordinary word"
    else:
        return None
    return f"the API key {what}: easy to guess, and taken out of every line that holds it as a word"
