"""Tasks against recorded answers: real HTTP, Google's client, the whole plugin; no tests in here.

A record holds `answers`, the first of which whose call and parameters match is given, `tasks`, one after the other on
one state folder, and what each is to `expect`. `@KEY@` stands for the API key.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from plugins.youtube_shorts.tests import masks
from prismq_worker_sdk.testing import HandlerHarness, HarnessResult
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.client import YouTube
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts

KEY = "an-invented-key"
HANDLERS = {handler.task_type: handler for handler in (ScrapeShorts, AnalyzeTrends)}
TROUBLE = {"page_token", "quota", "rate_limit", "trouble"}


class Recorded:
    """Gives recorded answers; only the parts and fields that were asked for, as the API does."""

    def __init__(self, url: str, asked: list[tuple[str, dict[str, list[str]]]]) -> None:
        self.url = url
        self.key = KEY
        self.asked = asked


@contextmanager
def recorded(answers: list[Mapping[str, Any]]) -> Iterator[Recorded]:
    """Serves answers on a free port of loopback."""
    asked: list[tuple[str, dict[str, list[str]]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            call, params = parts.path.rpartition("/")[2], parse_qs(parts.query)
            asked.append((call, params))
            status, body = _answer(answers, call, params)
            content = json.dumps(body).replace("@KEY@", KEY).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_parts: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Recorded(f"http://127.0.0.1:{server.server_port}/", asked)
        finally:
            server.shutdown()
            thread.join()


def _answer(answers: list[Mapping[str, Any]], call: str, params: dict[str, list[str]]) -> tuple[int, Any]:
    for one in answers:
        if one["call"] == call and all(params.get(name) == [value] for name, value in one["match"].items()):
            return one["status"], _asked_for(one["body"], params) if one["status"] == 200 else one["body"]
    return 404, {"error": {"code": 404, "message": f"no answer is recorded for {call}"}}


def _asked_for(body: dict[str, Any], params: dict[str, list[str]]) -> Any:
    parts = {"kind", "etag", "id", *",".join(params["part"]).split(",")}
    items = [item and {name: item[name] for name in item if name in parts} for item in body.get("items", [])]
    return masks.applied(masks.parsed(params["fields"][0]), {**body, "items": items})


def faults(
    record: Mapping[str, Any], youtube_at: Callable[..., tuple[YouTube, Callable[[Any], Any]]]
) -> list[str]:
    """What does not come as it should; empty where all is right.

    Args:
        youtube_at: Gives the YouTube for a stand-in and settings, and what makes a handler with it.
    """
    found: list[str] = []
    with recorded(record["answers"]) as server:
        for task in record["tasks"]:
            youtube, handler_of = youtube_at(server, **task.get("settings", {}))
            harness = HandlerHarness(handler_of(HANDLERS[task["type"]]), settings=youtube.settings)
            run = harness.run(task["params"])
            for name, wanted in task["expect"].items():
                if fault := _fault(name, wanted, run, youtube):
                    found.append(f"{name}: {fault}")
            said = json.dumps([run.result if run.completed else str(run.outcome), [*run.logs]], default=str)
            if KEY in said:
                found.append("the key is shown")
    return found


def _fault(name: str, wanted: Any, run: HarnessResult, youtube: YouTube) -> str | None:
    if name in {"message_has", "message_has_not"}:
        return None if (wanted in str(run.error)) is (name == "message_has") else str(run.error)
    got = _got(name, wanted, run, youtube)
    return None if got == wanted else f"{got!r} in place of {wanted!r} ({run.error or run.outcome})"[:600]


def _got(name: str, wanted: Any, run: HarnessResult, youtube: YouTube) -> Any:
    match name:
        case "outcome":
            return type(run.outcome).__name__
        case "error":
            return type(run.error).__name__
        case "blocked":
            return [quota.name for quota in youtube.ledger.quotas() if quota.blocked]
        case "partial_fits_stop_reason":
            return run.completed and run.result["partial"] == (run.result["stop_reason"] in TROUBLE)
        case "keywords_have_not":
            words = (
                {one["token"] for one in run.result["derived"]["keywords"]} if run.completed else set(wanted)
            )
            return [word for word in wanted if word not in words]
    value: Any = {"result": run.result} if run.completed else {}
    for step in name.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (LookupError, ValueError):
            return f"nothing at {step}"
    return value


def records(folder: Path) -> dict[str, Mapping[str, Any]]:
    """The records of a folder, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
