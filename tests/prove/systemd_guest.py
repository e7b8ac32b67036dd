"""Runs in a booted Debian as root, with its own Python alone: does one thing with the units, says what it saw.

`python3 systemd_guest.py SCENE FILE`; the machine is switched off when it ends.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import urllib.request
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
ETC, UNITS = Path("/etc/prismq"), Path("/etc/systemd/system")
KEY, OTHER_KEY, ADMIN = "worker-key-0123456789", "worker-key-9876543210", "admin-key-0123456789"
SERVER, A, B = "prismq-taskmanager.service", "prismq-worker@a.service", "prismq-worker@b.service"
DATABASE = "file:/var/lib/prismq-taskmanager/taskmanager.db?mode=ro"
RUNS = Path("/var/lib/prismq-worker/runs")
DEADLINE = 120.0


def install(**settings):
    """The files as the step list has them, and these settings of workers."""
    ETC.mkdir(exist_ok=True)
    secret("taskmanager-key", KEY)
    keys(KEY)
    given = {"WORKER_OPTIONS": f"--plugin {HERE}/handlers.py", "RUNS_FILE": str(RUNS)} | settings
    lines = [f'{name}="{value}"' for name, value in given.items()]
    text = (HERE / "worker.env").read_text()
    (ETC / "worker.env").write_text("\n".join([text, *lines, ""]))
    for unit in HERE.glob("*.service"):
        (UNITS / unit.name).write_text(unit.read_text())
    systemctl("daemon-reload")


def secret(name, text):
    place = ETC / name
    place.touch(mode=0o600)
    place.write_text(f"{text}\n")


def keys(worker_key):
    secret("taskmanager-keys", f"worker {worker_key}\nadmin {ADMIN}")


def drop_in(*lines, unit=A):
    """More lines for the service section of a unit."""
    place = UNITS / f"{unit}.d" / "prove.conf"
    place.parent.mkdir(exist_ok=True)
    place.write_text("\n".join(["[Service]", *lines, ""]))
    systemctl("daemon-reload")


def systemctl(*words, check=True):
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"systemctl {' '.join(words)}: {done.stderr}")
    return done.stdout


def timed(*words, check=True):
    """Seconds that a command of systemctl took."""
    begun = time.monotonic()
    systemctl(*words, check=check)
    return round(time.monotonic() - begun, 2)


def state(unit=A):
    """What systemd says of a unit."""
    names = "ActiveState,SubState,Result,NRestarts,MainPID,ExecMainStatus,StatusText"
    lines = systemctl("show", "-p", names, unit).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return found | {name: int(found[name]) for name in ("NRestarts", "MainPID", "ExecMainStatus")}


def until(condition, what, deadline=DEADLINE):
    """The first true value, and the seconds until it came."""
    begun = time.monotonic()
    while not (found := condition()):
        if time.monotonic() - begun > deadline:
            raise RuntimeError(f"{what} did not come within {deadline} s; {state()}")
        time.sleep(0.05)
    return found, round(time.monotonic() - begun, 2)


def active(unit=A):
    return state(unit)["ActiveState"] == "active"


def api(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-API-Key": ADMIN, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:8000/api{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def submit(task_type, **params):
    return api("POST", "/tasks", {"type": f"Prove.{task_type}", "params": params})["id"]


def status(task):
    return api("GET", f"/tasks/{task}")["status"]


def begun(task):
    """Whether a handler has begun on it."""
    return RUNS.exists() and f"begin {task} " in RUNS.read_text()


def counts():
    with closing(sqlite3.connect(DATABASE, uri=True)) as db:
        tasks = dict(db.execute("SELECT status, count(*) FROM tasks GROUP BY status"))
        accepted = "SELECT count(*) FROM claims WHERE verdict = 'completed'"
        return tasks, db.execute(accepted).fetchone()[0]


def running(task_type, **params):
    """A task, once its handler has begun."""
    task = submit(task_type, **params)
    until(lambda: begun(task), "the handler")
    return task


def up():
    """The server and a worker, both ready."""
    systemctl("start", SERVER, A)


def journal(unit=A):
    words = ["journalctl", "-o", "cat", "--no-pager", "-u", unit]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def starts(unit=A):
    return journal(unit).count("Starting prismq-")


def score(unit):
    """What `systemd-analyze security` says of a unit that runs."""
    words = ["systemd-analyze", "security", "--no-pager", unit]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return float(said.rpartition("exposure level for ")[2].split(": ")[1].split()[0])


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
        submit("Square", n=number, seconds=0.2)
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


def watched(seconds):
    """What a worker is at so long after its start, and how often it was started."""
    before = starts()
    systemctl("start", A, check=False)
    time.sleep(seconds)
    return state() | {"starts": starts() - before}


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


SCENES = (start, watchdog, stop, restart, wrong, away, left, credential)


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
