"""Handlers in slots of both kinds: loops stepped by hand, with real child processes where they are wanted."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.worker.isolation.call import HandlerProcesses
from tests.support.loops import Workplace, grant
from tests.support.processes import wait_until

PROBES = Path(__file__).parent / "plugins" / "process_probes.py"
SECRET = "canary-of-the-settings"


def probes():
    (plugin,) = load([str(PROBES)]).loaded
    settings = plugin.settings_classes[0](probe_token=SECRET)
    return tuple(handler.with_settings(settings) for handler in plugin.handlers)


def children(size=2, handlers=None):
    return HandlerProcesses(probes() if handlers is None else handlers, size=size)


class Probes(Workplace):
    """A workplace whose handlers stand in the probes; `pool` is None for threads."""

    def __init__(self, folder, pool, *, only=(), handlers=None, **options):
        self.folder = folder
        handlers = [one for one in handlers or probes() if not only or one.task_type in only]
        works = [SimpleNamespace(handler=one, gate=SimpleNamespace(set=lambda: None)) for one in handlers]
        super().__init__(folder, *works, secrets=[SECRET], **options)
        self.services = replace(self.services, children=pool)

    def does(self, kind, task_id="t1", **params):
        """Runs one task to its commit; gives the outcome that was stored last, None for none."""
        self.give(grant(task_id, f"Probe.{kind}", **params))
        self.idle()
        stored = self.outcomes()
        return stored[-1] if stored else None

    def does_meanwhile(self, kind, task_id):
        """Runs one task to its commit while another one runs."""
        known = len(self.outcomes())
        self.give(grant(task_id, f"Probe.{kind}"))
        wait_until(lambda: len(self.outcomes()) > known, "the outcome", deadline=20)
        return self.outcomes()[-1]

    def begins(self, kind, task_id="t1"):
        """Starts a task that says when it has begun; gives the attempt and the process it runs in."""
        self.give(grant(task_id, f"Probe.{kind}", folder=str(self.folder)))
        self.wait_for("begun")
        (attempt,) = [found for found in self.services.attempts.all() if found.ref.task_id == task_id]
        return attempt, int((self.folder / "begun").read_text())

    def wait_for(self, name):
        wait_until((self.folder / name).exists, f"the file {name!r}", deadline=20)

    def go(self):
        (self.folder / "go").touch()

    def close(self):
        self.go()
        for attempt in self.services.attempts.all():
            attempt.kill()
        super().close()
