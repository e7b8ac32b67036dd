"""The examples, started by the commands of their docstrings."""

import ast
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COMMAND = re.compile(r"^    ((?:[A-Z_]+=\S+ )*(?:prismq-worker|python) .+)$", re.MULTILINE)
WAIT = 30


def commands_of(example):
    """The command lines in the docstring of an example."""
    return COMMAND.findall(ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))))


class RunningExample:
    """An example as its own process, started by the very command of its docstring in an empty folder."""

    def __init__(self, folder, name, url, settings):
        (folder / "examples").symlink_to(EXAMPLES)
        (command,) = commands_of(EXAMPLES / f"{name}.py")
        words = shlex.split(command.replace("http://localhost:8000/api", url))
        given = [words.pop(0) for word in list(words) if re.match(r"[A-Z_]+=", word)]
        scripts = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {
            "HOME": str(folder),
            "PATH": os.pathsep.join(scripts),
            "TASKMANAGER_API_URL": url,
            "POLL_INTERVAL": "0.2s",
            "PRISMQ_WORKER_STATE_DIR": str(folder / "state"),
            **dict(pair.split("=", 1) for pair in given),
            **settings,
        }
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        """Its exit code and what it said, once it has ended."""
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err
