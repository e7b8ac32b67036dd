"""How a request becomes a page: who looks, what is looked at, what a browser may do with it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, cast
from urllib.parse import parse_qsl, quote

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from prismq_worker_sdk.taskmanager.app_state import PAGE, state_of
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.pages.pace import Pace
from prismq_worker_sdk.taskmanager.pages.rendering import KINDS, LIVE, WHOLE, edition, render, static
from prismq_worker_sdk.taskmanager.pages.viewers import (
    Viewer,
    caller_with,
    keep_key,
    place_of_this_site,
    viewer_of,
)
from prismq_worker_sdk.taskmanager.short_ids import with_whole_id

Look = Callable[[sa.Connection, float], Mapping[str, Any]]
Prepared = Callable[[], Awaitable[Look]]
"""What is only done for a page that must be made."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every page: nothing from elsewhere, no script in a text, in no frame of another site."""
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
SHARED_FOR = 1.0
"""Seconds for which the same page is shown to all who may see the same."""
MOST_SHARED = 256
COST_OF_A_CALL = 0.001
"""Seconds of a processor, beside what its page costs."""
MOST_FORM_BYTES = 64 * 1024
FRESH = "fresh"
"""What a page says that asks again right after an act of its own."""


@dataclass(slots=True)
class Answers:
    """The pages that were made in the last second, and what they cost."""

    pace: Pace = field(default_factory=Pace)
    _made: dict[Hashable, tuple[float, str]] = field(default_factory=dict)

    def get(self, key: Hashable) -> str | None:
        """The page, where it was made just now."""
        at, text = self._made.get(key, (0.0, ""))
        return text if time.monotonic() - at < SHARED_FOR else None

    def put(self, key: Hashable, text: str) -> None:
        """Takes a page that was made."""
        now = time.monotonic()
        lately = {one: made for one, made in self._made.items() if now - made[0] < SHARED_FOR}
        self._made = {**lately, key: (now, text)} if len(lately) < MOST_SHARED else {key: (now, text)}


class PageRoute(APIRoute):
    """A route whose function gets the request, who looks, and its path; what it refuses becomes a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers."""

        async def handle(request: Request) -> Response:
            try:
                viewer = await viewer_of(request)
                response: Response = await self.endpoint(
                    request, viewer, **await with_whole_id(request, request.path_params)
                )
            except Problem as problem:
                if is_live(request):
                    return problem.answer()
                if problem.status == HTTPStatus.UNAUTHORIZED:
                    return _to_sign_in(request)
                return refused(problem)
            return response

        return handle


router = APIRouter(include_in_schema=False)


@router.get("/static/{_edition}/{name}")
async def load(_edition: str, name: str) -> Response:
    """What pages load."""
    found = static().get(name)
    if found is None:
        return refused(Problem(404, f"there is no {name} here"))
    return Response(found, headers=FOREVER, media_type=KINDS[name.rpartition(".")[2]])


@router.get("/sign-in")
async def sign_in(request: Request) -> Response:
    """Asks for a key."""
    return _sign_in(request, request.query_params.get("to", "/"))


@router.post("/sign-in")
async def signed_in(request: Request) -> Response:
    """Takes a key; a page that asks for it in place hears only whether it holds."""
    form = await _form_of(request)
    key, to = form.get("key", "").strip(), form.get("to", "/")
    try:
        _must_be_own(request)
        await caller_with(request, key)
    except Problem as problem:
        if PAGE in request.headers:
            return problem.answer()
        unknown = problem.status == HTTPStatus.UNAUTHORIZED
        wrong = "This key is not known, was revoked, or has expired." if unknown else problem.detail
        return _sign_in(request, to, wrong, problem.status)
    response = (
        Response(status_code=204, headers=HEADERS)
        if PAGE in request.headers
        else RedirectResponse(place_of_this_site(to), 303, HEADERS)
    )
    keep_key(request, response, key if state_of(request).keys.are_asked_for else "")
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Lets the browser forget its key."""
    try:
        _must_be_own(request)
    except Problem as problem:
        return refused(problem)
    response = RedirectResponse("/sign-in", 303, HEADERS)
    keep_key(request, response, "")
    return response


async def page(
    request: Request, viewer: Viewer, template: str, look: Look | Prepared, *, searches: bool = False
) -> Response:
    """A page, or its live parts where it asks again; the same one is made once a second at most.

    Args:
        look: What the template shows, read in one go; or what gives that, once the page must be made.
        searches: Whether that may take long.
    """
    answers: Answers = request.app.state.pages
    asks_again = is_live(request)
    layout = LIVE if asks_again else WHOLE
    key = (layout, request.url.path, request.url.query, viewer.caller)
    fresh = request.headers.get(PAGE) == FRESH
    read = state_of(request).search if searches else state_of(request).look_at_tasks
    known = None if fresh else answers.get(key)
    again_in = answers.pace.again_in()
    if known is not None:
        answers.pace.add(COST_OF_A_CALL, again_in)
        return _answered(request, known, again_in if asks_again else None)
    reading = cast("Look", await cast("Prepared", look)() if iscoroutinefunction(look) else look)

    def made(db: sa.Connection, now: float) -> tuple[str, float]:
        begun = time.thread_time()
        values = {"viewer": viewer, "path": request.url.path, "now": now, "problem": None}
        text = render(template, layout, {**values, **reading(db, now)})
        return text, time.thread_time() - begun

    text, cost = await read(made)
    answers.put(key, text)
    answers.pace.add(cost + COST_OF_A_CALL, again_in)
    return _answered(request, text, again_in if asks_again else None)


def refused(problem: Problem) -> Response:
    """A page that says why there is none."""
    values = {"viewer": None, "path": "", "now": 0.0, "problem": problem}
    text = render("problem.html", WHOLE, values)
    return Response(text, problem.status, {**HEADERS, **problem.headers}, media_type="text/html")


def _answered(request: Request, text: str, again_in: float | None) -> Response:
    if again_in is None:
        return Response(text, headers=HEADERS, media_type="text/html")
    tag = f'"{sha256(text.encode()).hexdigest()[:16]}"'
    headers = {
        **HEADERS,
        "Cache-Control": "no-cache",
        "ETag": tag,
        "Again-In": f"{again_in:.1f}",
        "X-Edition": edition(),
    }
    if request.headers.get("If-None-Match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="text/html")


def is_live(request: Request) -> bool:
    """Whether a page asks again, and needs its live parts only."""
    return PAGE in request.headers


def _to_sign_in(request: Request) -> Response:
    to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?to={quote(to, safe='')}", 303, HEADERS)


def _sign_in(request: Request, to: str, wrong: str | None = None, status: int = 200) -> Response:
    values = {
        "viewer": None,
        "path": "/sign-in",
        "now": 0.0,
        "problem": None,
        "to": place_of_this_site(to),
        "wrong": wrong,
        "needed": state_of(request).keys.are_asked_for,
    }
    return Response(render("sign_in.html", WHOLE, values), status, HEADERS, media_type="text/html")


async def _form_of(request: Request) -> dict[str, str]:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_FORM_BYTES:
            return {}
    return dict(parse_qsl(data.decode("utf-8", "replace")))


def _must_be_own(request: Request) -> None:
    """Raises Problem 403 for a form that a page of another site sends."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Problem(403, "pages of other sites may not sign anybody in or out")
