"""`prismq-worker schedules`: what the server makes by the clock, and steering it."""

import json

import pytest

CRON = ("--cron", "30 3 * * *", "--timezone", "Europe/Berlin")


@pytest.fixture
def schedules(cli, api):
    return lambda *arguments: cli("schedules", *arguments, "--api-url", api.url)


def test_a_schedule_is_set_and_listed_with_its_next_time(schedules, api):
    made = schedules("set", "nightly", "Test.Some", '{"q": "x"}', *CRON)
    schedules("set", "often", "Test.Other", "--every", "15m", "--overlap", "allow")
    listed = schedules("list")

    nightly = "nightly  2026-01-01T02:30:00.000Z  30 3 * * * Europe/Berlin  Test.Some\n"
    assert (made.code, made.out, made.err) == (0, nightly, "")
    assert listed.out == nightly + "often  2026-01-01T00:15:00.000Z  every 900 s  Test.Other\n"
    assert schedules().out == listed.out
    assert [one["name"] for one in json.loads(schedules("--json").out)["schedules"]] == ["nightly", "often"]


def test_an_empty_list_says_so_on_stderr(schedules):
    shown = schedules()

    assert (shown.code, shown.out, shown.err) == (0, "", "no schedule\n")


def test_a_schedule_is_shown_with_its_next_five_times_and_what_became_of_the_last(schedules):
    schedules("set", "nightly", "Test.Some", '{"q": "x"}', *CRON, "--missed", "all", "--priority", "3")
    task = schedules("run", "nightly").out.strip()
    shown = schedules("show", "nightly").out.splitlines()

    assert [line for line in shown if line.startswith("next")] == [
        f"next          2026-01-0{day}T02:30:00.000Z" for day in range(1, 6)
    ]
    assert f"last_task_id  {task}" in shown
    assert 'params        {"q": "x"}' in shown
    told = json.loads(schedules("show", "nightly", "--json").out)
    assert (told["missed"], told["priority"], len(told["next_times"])) == ("all", 3, 5)


def test_a_schedule_is_paused_resumed_run_and_deleted(schedules, api):
    schedules("set", "often", "Test.Some", "--every", "1h")

    assert schedules("pause", "often").out == "often  paused  every 3600 s  Test.Some\n"
    assert schedules("resume", "often").out == "often  2026-01-01T01:00:00.000Z  every 3600 s  Test.Some\n"
    task = schedules("run", "often").out.strip()
    assert api.show(task)["type"] == "Test.Some"
    assert schedules("delete", "often").code == 0
    gone = schedules("show", "often")
    assert (gone.code, gone.out, gone.err) == (1, "", "prismq-worker: there is no schedule often\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("set", "n", "Test.Some"), 1, "give one of them"),
        (("set", "n", "Test.Some", "--cron", "often"), 1, "write minute, hour"),
        (("set", "n", "Test.Some", "--cron", "0 0 * * *", "--timezone", "Mars/Olympus"), 1, "no time zone"),
        (("set", "n", "Test.Some", "--every", "soon"), 2, "--every"),
        (("set", "n", "Test.Some", "[1]", "--every", "1h"), 2, "no JSON object"),
        (("set", "a b", "Test.Some", "--every", "1h"), 1, "is no name"),
        (("set", "", "Test.Some", "--every", "1h"), 2, "name of no schedule"),
        (("show", ".."), 2, "name of no schedule"),
        (("shwo", "n"), 2, "show"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(schedules, arguments, code, said):
    shown = schedules(*arguments)

    assert (shown.code, shown.out) == (code, "")
    assert said in shown.err
