"""Reads documentation pages, and does what they say."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import wait_until

FENCE = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "8000"


@dataclass
class Block:
    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def file(self):
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1] or "", tuple(found[2].split()), found[3], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


@dataclass
class Reader:
    """Somebody who follows a page word by word, in an empty folder."""

    page: Path
    folder: Path
    environment: dict[str, str]
    names: dict = field(default_factory=lambda: {"__name__": "page"})
    background: list = field(default_factory=list)

    def follow(self):
        self.port = free_port()
        self.environment["TASKMANAGER_API_URL"] = f"http://127.0.0.1:{self.port}/api"
        for block in blocks(self.page):
            text = block.text.replace(PORT, str(self.port))
            if block.file:
                (self.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / block.file).write_text(text, encoding="utf-8")
            if block.language == "python":
                self._python(block, text)
            elif block.language == "console":
                self._console(block, text)

    def end(self):
        for process in self.background:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.background:
            process.wait(20)

    def _python(self, block, text):
        code = compile(text, f"{self.page.name}:{block.line}", "exec")
        if "fragment" not in block.words:
            exec(code, {"__name__": "page"} if block.file else self.names)

    def _console(self, block, text):
        for command, expected in commands(text):
            where = f"{self.page.name}:{block.line}: $ {command}"
            if command.endswith("&"):
                self._start(command.removesuffix("&"))
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{where}\n{done.stdout}"
            wanted = ".*".join(re.escape(line.rstrip()).replace("…", ".*") for line in expected)
            assert re.search(wanted, done.stdout, re.DOTALL), (
                f"{where}\nexpected\n{expected}\ngot\n{done.stdout}"
            )

    def _start(self, command):
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.background.append(process)
        wait_until(lambda: listens(self.port) or process.poll() is not None, f"a port opened by {command}")


def commands(text):
    """Each command with the lines that it should print; a trailing backslash goes on."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0].removesuffix("\\") + line, [])
        elif found:
            found[-1][1].append(line)
    return found


def environment(folder):
    scripts = sysconfig.get_path("scripts")
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([scripts, str(Path(sys.executable).parent), os.environ["PATH"]]),
        "XDG_STATE_HOME": str(folder / "state"),
        "COLUMNS": "200",
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
