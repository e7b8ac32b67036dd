"""What the units promise, scene by scene, and the table of what was seen."""

MOST_EXPOSED = 2.5
WATCHDOG, RESTART = 6, 5
LATE = 15
"""Seconds beside those that a loaded machine may take."""


def start(seen):
    yield "a task did not come back", seen["squares"] == [49, 64]
    yield "the worker is root", not seen["root"]
    yield "the key is in its environment", not seen["key_in_environment"]
    yield "a unit is too exposed", max(seen["worker_score"], seen["server_score"]) <= MOST_EXPOSED


def watchdog(seen):
    within = WATCHDOG + RESTART + LATE
    yield "a process that stands still came back late", seen["stopped_seconds"] <= within
    yield "a worker whose interpreter is held came back late", seen["held_seconds"] <= within
    yield "the journal does not say where it hung", seen["named"]
    yield "what hung lives on", seen["ended"]


def stop(seen):
    yield "a task was not done at a stop", seen["task"] == seen["longer_task"] == "completed"
    ended = [seen[name]["ActiveState"] for name in ("after", "longer_after")]
    yield "a worker that was stopped is not inactive", ended == ["inactive", "inactive"]


def restart(seen):
    in_all = sum(seen["tasks"].values())
    yield "no task was left for after the last restart", seen["left_after_the_last"] > 0
    yield "a task is lost", seen["tasks"] == {"completed": in_all}
    yield "an outcome was taken twice", seen["accepted"] == in_all
    yield "a worker ended by itself", seen["by_itself"] == 0


def wrong(seen):
    for name in ("setting", "credential", "program"):
        one = seen[name]
        yield f"a wrong {name} did not end failed", one["ActiveState"] == "failed"
        yield f"a wrong {name} was tried again", one["NRestarts"] == 0
    yield "a refused key ended it for good", seen["refused"]["ActiveState"] != "failed"
    yield "a refused key made a storm of restarts", seen["refused"]["starts"] <= 60 / RESTART + 1
    yield "it was not up soon after the key was right", seen["mended_seconds"] <= RESTART + LATE


def away(seen):
    yield "a worker that waits for its server was given up", seen["waiting"]["ActiveState"] != "failed"
    yield "it was not up soon after its server", seen["up_seconds"] <= RESTART + 4 + LATE
    long = seen["long_start"]
    yield "a long start was cut off", (long["ActiveState"], long["NRestarts"]) == ("active", 0)


def left(seen):
    yield "it did not say that something is left", seen["code"] == 75
    yield "it was started again late", seen["again_seconds"] <= RESTART + LATE
    yield "its result was computed again", seen["runs"] == 1


def credential(seen):
    yield "it did not say that its key is refused", "API key" in seen["refused"]["StatusText"]
    yield "the refused key ended it", seen["refused"]["ActiveState"] == "active" and seen["by_itself"] == 0
    yield "the machine was started anew", seen["same_boot"]


def server(seen):
    yield "a TaskManager that stands still came back late", seen["hung_seconds"] <= WATCHDOG + 2 + LATE
    yield "a TaskManager that was killed came back late", seen["killed_seconds"] <= 2 + LATE
    yield "a TaskManager that was stopped is not inactive", seen["stopped"]["ActiveState"] == "inactive"
    yield "its worker ended", seen["by_itself"] == 0
    yield "a wrong setting of it did not end failed", seen["wrong"]["ActiveState"] == "failed"
    yield "a wrong setting of it made a storm of restarts", seen["wrong"]["starts"] <= 5


SCENES = (start, watchdog, stop, restart, wrong, away, left, credential, server)
PROMISES = {one.__name__: one for one in SCENES}


def _ended(one):
    return f"{one['ActiveState']}, {one['starts']} start{'' if one['starts'] == 1 else 's'}"


def _stopped(seen, which=""):
    after = seen[f"{which}after"]
    return f"{seen[f'{which}seconds']} s, {after['ActiveState']}, task {seen[f'{which}task']}"


ROWS = (
    (
        "`systemctl start` until it is ready: worker / TaskManager",
        "start",
        lambda seen: f"{seen['worker_seconds']} / {seen['server_seconds']} s",
    ),
    (
        "exposure in `systemd-analyze security`: worker / TaskManager",
        "start",
        lambda seen: f"{seen['worker_score']} / {seen['server_score']}",
    ),
    (
        "the process stands still (SIGSTOP): killed, started again, ready",
        "watchdog",
        lambda seen: f"{seen['stopped_seconds']} s",
    ),
    (
        "a handler holds the interpreter: the same, and the journal names it",
        "watchdog",
        lambda seen: f"{seen['held_seconds']} s",
    ),
    ("`systemctl stop` 5 s before a handler ends", "stop", _stopped),
    (
        "the same, 10 s, with `TimeoutStopSec=4` and a grace period of 60 s",
        "stop",
        lambda seen: _stopped(seen, "longer_"),
    ),
    (
        "restarts of two workers and their server under load",
        "restart",
        lambda seen: f"{seen['restarts']}, {seen['longest']} s at most",
    ),
    (
        "tasks, results taken, handlers run",
        "restart",
        lambda seen: f"{sum(seen['tasks'].values()):,}, {seen['accepted']:,}, {seen['runs']:,}",
    ),
    ("a wrong setting, half a minute later", "wrong", lambda seen: _ended(seen["setting"])),
    ("a credential that is not there", "wrong", lambda seen: _ended(seen["credential"])),
    ("a program that is not there", "wrong", lambda seen: _ended(seen["program"])),
    ("a key that is refused, a minute later", "wrong", lambda seen: _ended(seen["refused"])),
    ("the same with `RestartSteps` and `RestartSec=1`", "wrong", lambda seen: _ended(seen["rarer"])),
    ("up again once the key is right", "wrong", lambda seen: f"{seen['mended_seconds']} s"),
    (
        "no server, 4 s of patience, a minute later",
        "away",
        lambda seen: _ended(seen["waiting"] | {"starts": seen["starts"]}),
    ),
    ("up once the server is", "away", lambda seen: f"{seen['up_seconds']} s"),
    (
        "no server for 15 s, `TimeoutStartSec=5`, 60 s of patience",
        "away",
        lambda seen: f"{seen['searching']['ActiveState']}, then {seen['long_start']['ActiveState']}",
    ),
    (
        "told to end with a result and no server: exit code, started again after",
        "left",
        lambda seen: f"{seen['code']}, {seen['again_seconds']} s",
    ),
    (
        "the result is delivered after its server is back, handlers run",
        "left",
        lambda seen: f"{seen['delivered_seconds']} s, {seen['runs']}",
    ),
    (
        "a changed key: handed over by `daemon-reload` / by `systemctl restart`, in",
        "credential",
        lambda seen: f"{'yes' if seen['after_reload'] else 'no'} / {seen['restart_seconds']} s",
    ),
    (
        "a TaskManager that stands still / is killed: up again after",
        "server",
        lambda seen: f"{seen['hung_seconds']} / {seen['killed_seconds']} s",
    ),
    ("a wrong setting of a TaskManager", "server", lambda seen: _ended(seen["wrong"])),
)
"""What is said, the scene that shows it, and its figures there."""
