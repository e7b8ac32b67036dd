"""What the files in examples/deploy say to `prismq-worker`, as the code understands it."""

import os
import re
import shlex
from contextlib import ExitStack
from itertools import pairwise
from unittest import mock

import click

from prismq_worker_sdk.cli import prismq_worker
from prismq_worker_sdk.environment import variable
from prismq_worker_sdk.settings import SETTINGS, load_settings
from tests.support.surroundings import ROOT

DEPLOY = ROOT / "examples" / "deploy"
PROGRAM = "prismq-worker"
OF_PLUGINS = {"YOUTUBE_API_KEY", "YOUTUBE_API_KEY_FILE"}
VARIABLES = {variable(name) for name in SETTINGS} | OF_PLUGINS
"""Every variable that a worker reads."""

NAMED = re.compile(r"\b(?:TASKMANAGER|PRISMQ|YOUTUBE)_[A-Z_]+\b")


def command_line(words):
    """What a command line says: the name of its command (`taskmanager keys create`), and its values by name.

    Args:
        words: Those behind `prismq-worker`.

    Raises:
        click.UsageError: There is no such command or option, or a value cannot be used.
    """
    group, rest, path, values = prismq_worker, list(words), [], {}
    with ExitStack() as stack:
        context = stack.enter_context(group.make_context(PROGRAM, rest))
        while isinstance(group, click.Group) and (left := [*context._protected_args, *context.args]):
            name, group, rest = group.resolve_command(context, left)
            context = stack.enter_context(group.make_context(name, rest, parent=context))
            path.append(name)
            values |= context.params
    return " ".join(path), values


def unknown(words):
    """What of a command line is no command and no option; names of the reader's are in capitals."""
    command, context, found = prismq_worker, click.Context(prismq_worker), []
    if [*words] == ["--version"]:
        return []
    default = ["run"] if words[0].startswith("-") else []
    for before, word in pairwise(["", *default, *words]):
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is not None:
            command, context = inner, click.Context(inner, parent=context)
        elif word.startswith("--"):
            options = {name for one in command.params for name in one.opts}
            found += [] if word.split("=")[0] in options else [word]
        elif isinstance(command, click.Group) and word.islower() and not before.startswith("--"):
            found.append(word)
    return found


def environment_of_servers():
    """Every variable that an option of `prismq-worker taskmanager` is read from."""
    command = prismq_worker.get_command(click.Context(prismq_worker), "taskmanager")
    return {option.envvar for option in command.params if getattr(option, "envvar", None)}


def worker_settings(environment, words=()):
    """The settings of a worker that is started so, with nothing else set.

    Raises:
        SettingsError: A value cannot be used.
    """
    command, values = command_line(words)
    assert command == "run", f"{command} is no worker"
    given = {name: value for name, value in values.items() if name in SETTINGS}
    with mock.patch.dict(os.environ, {"HOME": "/home/nobody"} | environment, clear=True):
        return load_settings(given)


def named_variables(text):
    """The variables of ours that a text names."""
    return set(NAMED.findall(text))


def commands_in(text):
    """The words behind each `prismq-worker` in the lines of a shell; a trailing backslash goes on."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        for found in re.finditer(rf"(?<![\w./-])(?:\S*/)?{PROGRAM} ([^|&;<>#]*)", line):
            yield shlex.split(found[1])
