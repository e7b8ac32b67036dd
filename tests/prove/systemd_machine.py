"""What the scenes of `systemd_guest` do to the machine that they run on: units, settings, tasks, and looks at them."""

import json
import sqlite3
import subprocess
import time
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


def watched(seconds, unit=A):
    """What a service is at so long after its start, and how often it was started."""
    before = starts(unit)
    systemctl("start", unit, check=False)
    time.sleep(seconds)
    return state(unit) | {"starts": starts(unit) - before}


def score(unit):
    """What `systemd-analyze security` says of a unit that runs."""
    words = ["systemd-analyze", "security", "--no-pager", unit]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return float(said.rpartition("exposure level for ")[2].split(": ")[1].split()[0])
