"""What a runbook lets people type is there."""

import re
from itertools import pairwise

import click
import pytest

from prismq_worker_sdk.cli import prismq_worker
from tests.monitoring.test_rules import RUNBOOKS

COMMANDS = sorted(set(re.findall(r"prismq-worker( [a-z][^`#\n]*?)(?=`|\s+#|\n)", RUNBOOKS)))


def unknown(words):
    """What of a command line is no command and no option; names of the reader's are in capitals."""
    command, context, found = prismq_worker, click.Context(prismq_worker), []
    for before, word in pairwise(["", *words]):
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is not None:
            command, context = inner, click.Context(inner, parent=context)
        elif word.startswith("--"):
            options = {name for one in command.params for name in one.opts}
            found += [] if word in options else [word]
        elif isinstance(command, click.Group) and word.islower() and not before.startswith("--"):
            found.append(word)
    return found


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_runbook_exists_with_its_options(line):
    assert unknown(line.split()) == []


def test_commands_that_do_not_exist_would_be_found():
    assert unknown(["tasks", "no-such"]) == ["no-such"]
    assert unknown(["tasks", "retry", "--no-such"]) == ["--no-such"]
    assert len(COMMANDS) > 10
