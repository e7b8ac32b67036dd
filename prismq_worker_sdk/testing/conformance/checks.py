"""What a check is, and how one says that a promise is broken, or that it could not be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

BASE = "base"
Run = Callable[[Any], None]
"""Called with a Trial."""

_FOUND: list[Check] = []


class Broken(AssertionError):  # noqa: N818 - the promise is
    """The server does not keep a promise; says how."""


class NoAnswer(Broken):
    """A call had no answer within its time."""


class NotChecked(Exception):  # noqa: N818 - it is no error
    """Something is missing without which a promise cannot be looked at; says what."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the protocol, and how it is looked at.

    Attributes:
        bundle: `base`, or the name under which a server announces it.
        waits: How many leases it lets run out, of the base protocol claim timeouts.
        needs: Other bundles without which it cannot be looked at.
    """

    bundle: str
    run: Run
    waits: float = 0.0
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.bundle}.{self.run.__name__}"

    @property
    def promise(self) -> str:
        """What the server promises, in a sentence."""
        return " ".join((getdoc(self.run) or "").split())

    def __str__(self) -> str:
        return self.name


def bundle(name: str) -> Callable[..., Callable[[Run], Run]]:
    """A decorator for the checks of a bundle; it takes what `Check` takes."""

    def check(**attributes: Any) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            _FOUND.append(Check(name, run, **attributes))
            return run

        return add

    return check


def found() -> tuple[Check, ...]:
    """The checks of all modules that were imported."""
    return tuple(_FOUND)


def holds(kept: object, text: str) -> None:
    """Raises Broken with this text unless the promise is kept."""
    if not kept:
        raise Broken(text)


def same(what: str, found: object, wanted: object) -> None:
    """Raises Broken unless both are equal."""
    holds(found == wanted, f"{what}: {_short(found)}, not {_short(wanted)}")


def has(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises Broken unless what was found has these members."""
    same(what, {name: found.get(name) for name in wanted}, wanted)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"  # noqa: PLR2004
