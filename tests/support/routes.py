"""The routes of an application of FastAPI."""

import re


def routes_of(app, prefix):
    """Method and path of each, without the prefix; HEAD goes with GET."""
    found = {
        (method, path.removeprefix(prefix))
        for path, methods in _walk(app.routes, prefix)
        for method in methods
    }
    return {(method, path) for method, path in found if method != "HEAD" or ("GET", path) not in found}


def _walk(routes, prefix):
    for route in routes:
        inner = getattr(
            route, "original_router", None
        )  # how FastAPI keeps a router that was included, from 0.14x on
        if inner is None:
            yield re.sub(r":\w+}", "}", route.path), route.methods
        else:
            yield from _walk(inner.routes, prefix)
