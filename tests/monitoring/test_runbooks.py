"""What a runbook lets people type is there."""

import re

import pytest

from tests.monitoring.test_rules import RUNBOOKS
from tests.support.deploy import unknown

COMMANDS = sorted(set(re.findall(r"prismq-worker( [a-z][^`#\n]*?)(?=`|\s+#|\n)", RUNBOOKS)))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_runbook_exists_with_its_options(line):
    assert unknown(line.split()) == []


def test_commands_that_do_not_exist_would_be_found():
    assert unknown(["tasks", "no-such"]) == ["no-such"]
    assert unknown(["tasks", "retry", "--no-such"]) == ["--no-such"]
    assert len(COMMANDS) > 10
