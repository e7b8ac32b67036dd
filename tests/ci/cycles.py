"""Imports that go round in a circle, those for type checkers and those inside functions too.

`python -m tests.ci.cycles` prints each circle as one line. import-linter holds the floors; within one it sees none.
"""

import sys
from collections import deque

import grimp

LOOKED_AT = ("prismq_worker_sdk", "prismq_youtube_shorts", "tests.simulator")


def cycles(*packages):
    """The shortest circle through each module that is in one; each once, from the first of its names on."""
    graph = grimp.build_graph(*{name.partition(".")[0] for name in packages}, cache_dir=None)
    modules = {one for one in graph.modules if f"{one}.".startswith(tuple(f"{name}." for name in packages))}
    imports = {one: sorted(graph.find_modules_directly_imported_by(one) & modules) for one in modules}
    found = {_from_its_first(circle) for one in modules if (circle := _way_back(imports, one))}
    return sorted(found)


def _way_back(imports, start):
    """The shortest way from a module over its imports to itself, () where there is none."""
    ways = deque([(start,)])
    seen = set()
    while ways:
        way = ways.popleft()
        for other in imports[way[-1]]:
            if other == start:
                return way
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()


def _from_its_first(circle):
    first = circle.index(min(circle))
    return circle[first:] + circle[:first]


def main():
    found = cycles(*LOOKED_AT)
    for circle in found:
        print(" -> ".join([*circle, circle[0]]))
    print(f"{len(found)} circles of imports")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
