"""Runs the stand-in in the foreground: `python -m prismq_youtube_shorts.sandbox [--port N] [--fault …]`."""

from __future__ import annotations

import argparse
import re
import sys
import threading
from contextlib import suppress

from prismq_youtube_shorts.sandbox.api import CALLS
from prismq_youtube_shorts.sandbox.server import FAULTS, Request, Sandbox

_SHOWN = ("q", "chart", "id", "playlistId", "channelId", "pageToken")
_ORDER = re.compile(r"(\w+)(?:@(\w+))?(?:\*(\d+))?")


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C; 0 then, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="python -m prismq_youtube_shorts.sandbox",
        description="A local stand-in of the YouTube Data API with an invented catalogue.",
        epilog=f"Faults: {', '.join(FAULTS)}. Calls: {', '.join(CALLS.values())}.",
    )
    parser.add_argument("--port", type=int, default=8090, help="0 for any free one (default: 8090)")
    fault_help = "let this go wrong, always or so many times; repeatable"
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[@CALL][*TIMES]", help=fault_help
    )
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(port=options.port, on_request=_show)
        for order in options.fault:
            _plan(sandbox, order)
    except OSError as error:
        parser.error(f"port {options.port} cannot be used: {error.strerror}; choose another one or 0")
    except OverflowError:
        parser.error(f"port {options.port} cannot be used: there are 0 to 65535; choose another one or 0")
    except ValueError as error:
        parser.error(str(error))
    with sandbox, suppress(KeyboardInterrupt):
        print("Local stand-in of the YouTube Data API: every video is invented. Ctrl-C ends it.")  # noqa: T201
        print(f"YOUTUBE_API_ENDPOINT={sandbox.url}\nYOUTUBE_API_KEY={sandbox.key}", flush=True)  # noqa: T201
        threading.Event().wait()
    return 0


def _plan(sandbox: Sandbox, order: str) -> None:
    if (match := _ORDER.fullmatch(order)) is None:
        raise ValueError(f"--fault {order!r} is not NAME[@CALL][*TIMES]")
    name, call, times = match.groups()
    sandbox.faults.add(name, call or "", int(times) if times else None)


def _show(request: Request) -> None:
    about = ", ".join(f"{name}={request.params[name][0]!r}" for name in _SHOWN if name in request.params)
    fault = f" -> fault {request.fault}" if request.fault else ""
    print(f"{request.call} {about}{fault}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
