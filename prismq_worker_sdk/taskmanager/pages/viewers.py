"""Who looks at a page: signed in by a key, which its browser keeps in a cookie that no script can read."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response

from prismq_worker_sdk.taskmanager.app_state import COOKIE, must_name_this_machine, state_of
from prismq_worker_sdk.taskmanager.callers import ANONYMOUS, Caller
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.http import Problem

KEPT = 30 * 86400
"""Seconds for which a browser keeps a key; it is asked for again once it holds no more."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page, and what its buttons may do.

    Attributes:
        signed_in: Whether by a key; a server without keys asks nobody.
    """

    caller: Caller
    signed_in: bool

    @property
    def acts(self) -> bool:
        """Whether it may steer: cancel, retry, pause, and all that."""
        return Scope.ADMIN in self.caller.scopes and self.caller.types is None

    @property
    def submits(self) -> bool:
        """Whether it may create tasks."""
        return bool(self.caller.scopes & {Scope.ADMIN, Scope.PRODUCER})

    def must_see_all(self) -> None:
        """Raises Problem 403 where it is bound to task types."""
        if not self.sees_all:
            raise Problem(403, "this API key is bound to task types; this page takes one that is not")

    @property
    def sees_all(self) -> bool:
        """Whether it is bound to no task types."""
        return self.caller.types is None


async def viewer_of(request: Request) -> Viewer:
    """Who looks.

    Raises:
        Problem: 401 nobody who is known, 429 too often.
    """
    key = request.headers.get("X-API-Key") or request.cookies.get(COOKIE)
    caller = await caller_with(request, key or "")
    if caller is ANONYMOUS:
        must_name_this_machine(request)
    request.scope["caller"] = caller
    return Viewer(caller, caller is not ANONYMOUS)


async def caller_with(request: Request, key: str) -> Caller:
    """Who calls with this key.

    Raises:
        Problem: 401 it is none that is known, 429 it calls too often.
    """
    state = state_of(request)
    await state.find_key(key)
    return state.keys.caller(key)


def keep_key(request: Request, response: Response, key: str) -> None:
    """Lets the browser send a key from now on; "" for none."""
    response.set_cookie(
        COOKIE,
        key,
        max_age=KEPT if key else 0,
        httponly=True,
        samesite="lax",
        secure=request.headers.get("X-Forwarded-Proto", request.url.scheme) == "https",
    )


def place_of_this_site(wanted: str) -> str:
    """Where to go after signing in; the overview in place of an address of another site."""
    inside = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if inside and wanted.isprintable() else "/"
