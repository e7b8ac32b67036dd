"""What `--help` tells, and that every command has its own."""

import gc

import click
import pytest

from prismq_worker_sdk.cli import prismq_worker

GROUP = click.Context(prismq_worker, info_name="prismq-worker")
COMMANDS = prismq_worker.list_commands(GROUP)


def paths():
    for name in COMMANDS:
        command = prismq_worker.get_command(GROUP, name)
        yield (name,), command
        if isinstance(command, click.Group):
            yield from (((name, part), inner) for part, inner in command.commands.items())


@pytest.mark.parametrize(("path", "command"), list(paths()), ids=lambda one: str(one))
def test_the_help_of_a_command_tells_what_it_does_and_each_of_its_options(path, command, cli):
    shown = cli(*path, "--help")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: prismq-worker {' '.join(path)} ")
    assert command.help.splitlines()[0][:40] in " ".join(shown.out.split())
    for parameter in command.params:
        for name in (
            parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar(GROUP)]
        ):
            assert name in shown.out


def test_the_group_lists_every_command_with_its_own_words(cli):
    shown = cli("--help")

    assert (shown.code, shown.err) == (0, "")
    rows = [line.split(maxsplit=1) for line in shown.out.partition("Commands:\n")[2].splitlines()]
    assert [name for name, _words in rows] == COMMANDS
    assert all(words.endswith(".") for _name, words in rows)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_asked_for_in_two_ways(flag, cli):
    assert cli(flag).out == cli("--help").out
    assert "Usage: prismq-worker try " in cli("try", flag).out


def test_the_version_is_told(cli):
    shown = cli("--version")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("prismq-worker, version ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "there is no handler to run"), (("--max-runs", "x"), "--max-runs (MAX_RUNS)='x'")],
)
def test_options_without_a_command_belong_to_run(arguments, said, cli):
    shown = cli(*arguments)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err == cli("run", *arguments).err


@pytest.mark.parametrize("collects", [True, False])
def test_a_command_is_imported_without_changing_whether_garbage_is_collected(monkeypatch, collects):
    told = []
    monkeypatch.setattr(gc, "isenabled", lambda: collects)
    monkeypatch.setattr(gc, "disable", lambda: told.append("off"))
    monkeypatch.setattr(gc, "enable", lambda: told.append("on"))

    prismq_worker.get_command(GROUP, "demo")

    assert told == (["off", "on"] if collects else ["off"])
