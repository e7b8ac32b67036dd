"""Groups whose commands may be misspelled: what is near is told."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import click

__all__ = ["SuggestingGroup", "no_such_command"]


class SuggestingGroup(click.Group):
    """A click group that says which command may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; one that does not exist is refused with the nearest."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(no_such_command(name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def no_such_command(name: str, known: Iterable[str], more: str = "") -> str:
    """That there is no such command, and what may have been meant.

    Args:
        more: Something else to say.
    """
    near = get_close_matches(name, list(known), n=1)
    meant = "."
    if name.endswith(".py") or Path(f"{name}.py").is_file():
        meant = f"; a worker with that file is prismq-worker --plugin {name.removesuffix('.py')}.py."
    elif near:
        meant = f"; did you mean {near[0]}?"
    return f"No such command {name!r}{meant}{more}"
