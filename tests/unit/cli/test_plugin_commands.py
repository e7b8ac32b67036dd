"""The commands that installed plugins add by `prismq_commands`."""

import json
import subprocess
import sys

from tests.support.surroundings import ROOT, clean_environment, write_distribution

PLUGIN = """
import click
from prismq_worker_sdk import hookimpl

@hookimpl
def prismq_commands(group):
    @group.command()
    @click.argument("name")
    @click.option("--loud", is_flag=True)
    def greet(name, loud):
        "Greet NAME."
        click.echo(f"hello {name}" + "!" * loud)
        return 3

    @group.group()
    def garden():
        "Plants."

    @garden.command()
    def water():
        click.echo("watered")

    @group.command()
    def tasks():
        click.echo("not the built-in one")
"""
RAISING = """
from prismq_worker_sdk import hookimpl

@hookimpl
def prismq_commands(group):
    group.command("half")(lambda: None)
    raise RuntimeError("no such luck,\\nreally api_key=canary-1c9d")
"""
LEAVING = """
from prismq_worker_sdk import hookimpl

@hookimpl
def prismq_commands(group):
    raise SystemExit("good bye")
"""
NO_COMMANDS = """
from prismq_worker_sdk import task_handler

@task_handler("Test.Some")
def some(params: dict, ctx):
    return {}
"""


def test_a_command_of_an_installed_plugin_runs_with_its_arguments_and_gives_the_exit_code(cli, install):
    install("greeter", PLUGIN)
    shown = cli("greet", "you", "--loud")

    assert (shown.code, shown.out, shown.err) == (3, "hello you!\n", "")
    assert cli("garden", "water").out == "watered\n"


def test_its_own_help_and_its_usage_errors_are_those_of_any_command(cli, install):
    install("greeter", PLUGIN)

    assert cli("greet", "--help").out.startswith("Usage: prismq-worker greet [OPTIONS] NAME")
    missing = cli("greet")
    assert (missing.code, missing.err) == (2, "prismq-worker: Missing argument 'NAME'.\n")


def test_a_built_in_command_keeps_its_name_and_imports_no_plugin(cli, install):
    module = install("greeter", PLUGIN)

    assert "List tasks, newest first." in cli("tasks", "--help").out
    assert module not in sys.modules


def test_help_lists_no_command_of_a_plugin_and_imports_none(cli, install):
    module = install("greeter", PLUGIN)

    assert "greet" not in cli("--help").out
    assert module not in sys.modules


def test_a_name_that_nobody_knows_is_answered_with_the_commands_of_plugins(cli, install):
    install("greeter", PLUGIN)
    shown = cli("gret")

    assert (shown.code, shown.out) == (2, "")
    assert (
        shown.err == "prismq-worker: No such command 'gret'; did you mean greet? Plugins add garden, greet.\n"
    )


def test_what_plugins_print_while_commands_are_looked_for_is_no_output_of_the_command(cli, install):
    install("greeter", PLUGIN)
    install("loud", 'import os\nprint("loaded")\nos.write(1, b"loaded by a library\\n")\n' + NO_COMMANDS)

    shown = cli("greet", "you")
    assert (shown.code, shown.out) == (3, "hello you\n")
    assert "loaded\n" in shown.err


def test_without_such_plugins_an_unknown_name_is_just_unknown(cli, install):
    install("worker_only", NO_COMMANDS)
    shown = cli("gret")

    assert (shown.code, shown.err) == (2, "prismq-worker: No such command 'gret'.\n")


def test_a_plugin_that_raises_there_is_told_in_one_line_and_hides_no_other(cli, install):
    install("a_raising", RAISING)
    install("b_leaving", LEAVING)
    install("c_broken", "import no_such_module_anywhere")
    install("greeter", PLUGIN)
    shown = cli("greet", "you")

    assert (shown.code, shown.out) == (3, "hello you\n")
    raising, leaving, broken = sorted(shown.err.splitlines())
    hook = "prismq_commands() raised"
    assert raising.startswith(
        f"prismq-worker: plugin a_raising: {hook} RuntimeError: no such luck, really api_key=[redacted] (installed_a_"
    )
    assert leaving.startswith(f"prismq-worker: plugin b_leaving: {hook} SystemExit: good bye (installed_b_")
    assert broken.startswith("prismq-worker: plugin c_broken does not load: ModuleNotFoundError: No module")


def test_what_a_raising_plugin_added_before_it_raised_is_not_there(cli, install):
    install("a_raising", RAISING)

    assert cli("half").err.splitlines()[-1] == "prismq-worker: No such command 'half'."


def test_where_json_is_wanted_the_report_of_a_broken_plugin_is_an_object_too(cli, install):
    install("a_raising", RAISING)
    shown = cli("gret", "--log-format", "json")

    report, refusal = (json.loads(line) for line in shown.err.splitlines())
    assert (report["level"], refusal["level"]) == ("WARNING", "CRITICAL")
    assert report["message"].startswith("plugin a_raising: prismq_commands() raised RuntimeError")


def test_of_two_commands_of_one_name_the_plugin_first_in_the_alphabet_keeps_it(cli, install):
    install("z_greeter", PLUGIN.replace("hello", "z says hello"))
    install("a_greeter", PLUGIN.replace("hello", "a says hello"))

    assert cli("greet", "you").out == "a says hello you\n"


def test_it_works_in_a_process_of_its_own(tmp_path):
    write_distribution(tmp_path, "greeter", PLUGIN)
    ended = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", "greet", "you"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=f"{ROOT}:{tmp_path}"),
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "hello you\n", "")
