"""`python -m tests.bench [NAME…]`: each bench prints its tables as soon as it is done."""

import argparse
import importlib
import json
import sys
import time

from tests.bench.figures import ROUNDS, machine

BENCHES = (
    "path",
    "http_call",
    "outbox_commit",
    "startup",
    "memory",
    "server_pairs",
    "server_exchange",
    "depth",
    "pages",
    "replicas",
    "throughput",
    "slots",
    "prismq_client",
    "youtube_shorts",
)


COMMANDS = {
    "fleet": ("tests.bench.fleet.__main__", "main"),
    "peers": ("tests.bench.comparing", "peers"),
    "goals": ("tests.bench.comparing", "goals"),
    "report": ("tests.bench.comparing", "report"),
}
"""Those with options of their own: `python -m tests.bench goals --help`."""


def main(arguments=None):
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return command(words[0])(words[1:])
    given = parser().parse_args(arguments)
    names = list(dict.fromkeys(given.names or BENCHES))
    if not given.json:
        about = ", ".join(f"{name} {value}" for name, value in machine().items())
        print(f"{about}; at least {ROUNDS} rounds, each with a turn of every row", flush=True)
        print("for scale: measured 2026-11 on two shared vCPUs; trust the ratios\n", flush=True)
    failed = []
    for place, name in enumerate(names):
        begun = time.monotonic()
        try:
            tables = list(importlib.import_module(f"tests.bench.{name}").run(given.seconds))
        except KeyboardInterrupt:
            print(f"cut; go on with: python -m tests.bench {' '.join(names[place:])}", file=sys.stderr)
            return 130
        except Exception as error:
            failed.append(name)
            print(
                f"{name} could not be measured: {type(error).__name__}: {error}", file=sys.stderr, flush=True
            )
            continue
        show(name, tables, time.monotonic() - begun, as_json=given.json)
    return 1 if failed else 0


def show(name, tables, seconds, *, as_json):
    for table in tables:
        if as_json:
            print(
                json.dumps({"bench": name, "machine": machine(), **table.values()}, ensure_ascii=False),
                flush=True,
            )
        else:
            print(table.text() + "\n", flush=True)
    if not as_json:
        print(f"[{name}: {seconds:.0f} s]\n", flush=True)


def parser():
    about = {name: importlib.import_module(f"tests.bench.{name}").__doc__ for name in BENCHES}
    about |= {name: command(name).__doc__ for name in COMMANDS}
    made = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Figures of this machine: reported, never asserted.",
        epilog="\n".join(f"{name:15}{text}" for name, text in about.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", metavar="NAME", type=known, help="all of them unless given")
    made.add_argument("--seconds", type=float, default=10.0, help="how long each may measure, about [10]")
    made.add_argument("--json", action="store_true", help="one JSON object a line, one for each table")
    return made


def command(name):
    """What runs a command; its doc string says what it is for."""
    module, function = COMMANDS[name]
    return getattr(importlib.import_module(module), function)


def known(name):
    if name not in BENCHES:
        raise argparse.ArgumentTypeError(f"there is no bench {name!r}; there are {', '.join(BENCHES)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
