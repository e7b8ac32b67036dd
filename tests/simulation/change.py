"""A small change of one function's syntax tree, so that layout, comments and moves within it do not matter."""

import ast
from textwrap import dedent, indent


def changed(source: str, function: str, old: str, new: str) -> ast.Module:
    """The syntax tree of a module with `new` in the place of `old`.

    Args:
        source: Of the module.
        function: Its qualified name within the module, a method's with its class.
        old: An expression, a statement or a `case`, which stands in the function just once; a text in quotes stands
            within a text of the function, be it longer.
        new: What takes its place; a text in quotes where `old` is one.

    Raises:
        ValueError: There is no such function, or `old` does not stand in it just once.
    """
    module = ast.parse(source)
    change = _Change(_parsed(old), _parsed(new))
    change.generic_visit(_found(module, function))
    if change.times != 1:
        raise ValueError(f"{old!r} stands {change.times} times in {function}, not once")
    return ast.fix_missing_locations(module)


class _Change(ast.NodeTransformer):
    def __init__(self, old, new):
        self.times = 0
        self._old, self._new = old, new
        self._dump = ast.dump(old)
        self._text = old.value if isinstance(old, ast.Constant) and isinstance(old.value, str) else None

    def visit(self, node):
        if ast.dump(node) == self._dump:
            self.times += 1
            return self._new
        if self._text and isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.times += node.value.count(self._text)
            return ast.Constant(node.value.replace(self._text, self._new.value))
        return self.generic_visit(node)


def _parsed(text):
    """An expression where it can be one, else the statement or case."""
    text = dedent(text).strip()
    try:
        return ast.parse(f"({text})", mode="eval").body
    except SyntaxError:
        pass
    if text.startswith("case "):
        match = ast.parse(f"match _:\n{indent(text, '  ')}").body[0]
        assert isinstance(match, ast.Match)
        (found,) = match.cases
    else:
        (found,) = ast.parse(text).body
    return found


def _found(module, function):
    node = module
    for name in function.split("."):
        inside = [one for one in node.body if getattr(one, "name", None) == name]
        if len(inside) != 1:
            raise ValueError(f"{function} is defined {len(inside)} times, not once")
        (node,) = inside
    return node
