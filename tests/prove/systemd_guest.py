"""Runs in a booted Debian as root, with its own Python alone: does one thing with the units, says what it saw.

`python3 -m tests.prove.systemd_guest SCENE FILE`; the machine is switched off when it ends.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.prove.systemd_machine import (
    ETC,
    HERE,
    KEY,
    OTHER_KEY,
    RUNS,
    SERVER,
    A,
    B,
    active,
    api,
    begun,
    counts,
    drop_in,
    install,
    journal,
    keys,
    running,
    score,
    secret,
    starts,
    state,
    status,
    submit,
    systemctl,
    timed,
    until,
    up,
    watched,
)


def start():
    install()
    found = {"server_seconds": timed("start", SERVER), "worker_seconds": timed("start", A)}
    task = submit("Square", n=7, seconds=0)
    until(lambda: status(task) == "completed", "the result")
    (ETC / "worker-b.env").write_text(f"WORKER_OPTIONS=--plugin {HERE}/handlers.py --isolation process\n")
    systemctl("stop", A)
    systemctl("start", B)
    apart = submit("Square", n=8, seconds=0)
    until(lambda: status(apart) == "completed", "the result of a process slot")
    pid = state(B)["MainPID"]
    return found | {
        "squares": [api("GET", f"/tasks/{one}")["result"]["square"] for one in (task, apart)],
        "status": state(B)["StatusText"],
        "root": Path(f"/proc/{pid}").stat().st_uid == 0,
        "key_in_environment": KEY in Path(f"/proc/{pid}/environ").read_text(),
        "worker_score": score(B),
        "server_score": score(SERVER),
    }


def watchdog():
    install()
    drop_in("WatchdogSec=6")
    up()
    pid = state()["MainPID"]
    os.kill(pid, signal.SIGSTOP)
    _, stopped = until(lambda: state()["NRestarts"] == 1 and active(), "the restart")
    holding = running("Holding", seconds=60)
    _, held = until(lambda: state()["NRestarts"] == 2 and active(), "the second restart")
    return {
        "stopped_seconds": stopped,
        "held_seconds": held,
        "named": "handlers.py" in journal() and "in holding" in journal(),
        "ended": begun(holding) and not Path(f"/proc/{pid}").exists(),
    }


def stop():
    install()
    up()
    task = running("Square", n=3, seconds=5)
    seconds = timed("stop", A)
    found = {"seconds": seconds, "task": status(task), "after": state()}
    install(PRISMQ_WORKER_GRACE_PERIOD="60s")
    drop_in("TimeoutStopSec=4")
    systemctl("start", A)
    longer = running("Square", n=4, seconds=10)
    seconds = timed("stop", A)
    return found | {"longer_seconds": seconds, "longer_task": status(longer), "longer_after": state()}


def restart(tasks=1500, times=3):
    install()
    systemctl("start", SERVER, A, B)
    for number in range(tasks):
        submit("Square", n=number, seconds=0.6)
    seconds = [timed("restart", unit) for _ in range(times) for unit in (A, B, SERVER)]
    left = tasks - counts()[0].get("completed", 0)
    until(lambda: counts()[0].get("completed") == tasks, "the last result", 300)
    in_all, accepted = counts()
    return {
        "left_after_the_last": left,
        "tasks": in_all,
        "accepted": accepted,
        "restarts": len(seconds),
        "longest": max(seconds),
        "runs": RUNS.read_text().count("begin "),
        "by_itself": state(A)["NRestarts"] + state(B)["NRestarts"],
    }


def wrong():
    """Wrong settings, one after the other; each is watched for half a minute."""
    install()
    systemctl("start", SERVER)
    cases = {
        "setting": lambda: install(PRISMQ_WORKER_CONCURRENCY="none"),
        "credential": lambda: (install(), (ETC / "taskmanager-key").unlink()),
        "program": lambda: (install(), drop_in("ExecStart=", "ExecStart=/opt/nothing")),
    }
    found = {}
    for name, prepare in cases.items():
        prepare()
        found[name] = watched(30)
        systemctl("reset-failed", A)
    drop_in()
    install()
    secret("taskmanager-key", OTHER_KEY)
    found["refused"] = watched(60)
    secret("taskmanager-key", KEY)
    _, found["mended_seconds"] = until(active, "the worker with the right key")
    systemctl("stop", A)
    secret("taskmanager-key", OTHER_KEY)
    drop_in("RestartSec=1", "RestartSteps=6", "RestartMaxDelaySec=60")
    return found | {"rarer": watched(60)}


def away():
    """The server is away for longer than a start waits for it, then there."""
    install(PRISMQ_WORKER_STARTUP_TIMEOUT="4s")
    systemctl("start", "--no-block", A)
    time.sleep(60)
    found = {"waiting": state(), "starts": starts()}
    systemctl("start", SERVER)
    _, found["up_seconds"] = until(active, "the worker")
    systemctl("stop", A, SERVER)
    install(PRISMQ_WORKER_STARTUP_TIMEOUT="60s")
    drop_in("TimeoutStartSec=5")
    systemctl("start", "--no-block", A)
    time.sleep(15)
    searching = state()
    systemctl("start", SERVER)
    until(active, "the worker that waits for long")
    return found | {"searching": searching, "long_start": state()}


def left():
    """A worker that is told to end with a result that it cannot deliver: 75."""
    install()
    up()
    task = running("Square", n=5, seconds=3)
    systemctl("stop", SERVER)
    until(lambda: f"end {task} " in RUNS.read_text(), "the result")
    time.sleep(1)
    pid = state()["MainPID"]
    systemctl("kill", "--kill-who=main", "-s", "TERM", A)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the worker")
    code = state()["ExecMainStatus"]
    _, again = until(lambda: state()["MainPID"] not in {0, pid}, "the restart")
    systemctl("start", SERVER)
    _, seconds = until(lambda: status(task) == "completed", "the delivery")
    return {
        "code": code,
        "again_seconds": again,
        "delivered_seconds": seconds,
        "runs": RUNS.read_text().count("begin "),
    }


def credential():
    install()
    up()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    keys(OTHER_KEY)
    systemctl("restart", SERVER)
    task = submit("Square", n=6, seconds=0)
    until(lambda: "API key" in state()["StatusText"], "the worker that is refused")
    refused = state()
    secret("taskmanager-key", OTHER_KEY)
    systemctl("daemon-reload")
    place = Path(f"/run/credentials/{A}/taskmanager-key")
    after_reload = place.read_text().strip() == OTHER_KEY
    seconds = timed("restart", A)
    until(lambda: status(task) == "completed", "the result")
    return {
        "refused": refused,
        "after_reload": after_reload,
        "restart_seconds": seconds,
        "same_boot": Path("/proc/sys/kernel/random/boot_id").read_text() == boot,
        "by_itself": state()["NRestarts"],
    }


def server():
    """A TaskManager that hangs, is killed, and has a wrong setting; a worker is there all the time."""
    install()
    drop_in("WatchdogSec=6", unit=SERVER)
    up()
    task = running("Square", n=9, seconds=8)
    os.kill(state(SERVER)["MainPID"], signal.SIGSTOP)
    _, hung = until(lambda: state(SERVER)["NRestarts"] == 1 and active(SERVER), "the restart")
    until(lambda: status(task) == "completed", "the result")
    os.kill(state(SERVER)["MainPID"], signal.SIGKILL)
    _, killed = until(lambda: state(SERVER)["NRestarts"] == 2 and active(SERVER), "the second restart")
    after = submit("Square", n=10, seconds=0)
    until(lambda: status(after) == "completed", "the result after it")
    seconds = timed("stop", SERVER)
    found = {
        "hung_seconds": hung,
        "killed_seconds": killed,
        "stop_seconds": seconds,
        "stopped": state(SERVER),
    }
    (ETC / "taskmanager.env").write_text("TASKMANAGER_OPTIONS=--port 99999\n")
    drop_in(unit=SERVER)
    return found | {
        "runs": RUNS.read_text().count("begin "),
        "by_itself": state()["NRestarts"],
        "wrong": watched(45, SERVER),
    }


SCENES = (start, watchdog, stop, restart, wrong, away, left, credential, server)


def main(name, place):
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    try:
        found = {"found": next(one for one in SCENES if one.__name__ == name)()}
    except Exception:  # the machine is switched off in any case
        found = {
            "error": traceback.format_exc(),
            "journal": journal()[-5000:],
            "server": journal(SERVER)[-3000:],
        }
    Path(place).write_text(json.dumps({"systemd": version.split()[1], "scene": name} | found))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:
        subprocess.run(["systemctl", "--no-block", "poweroff"], check=False)
