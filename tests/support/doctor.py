"""Runs `prismq-worker doctor`, and reads what it found."""

import json
from contextlib import contextmanager

import requests

from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer

PLUGIN = """
from prismq_worker_sdk import task_handler

@task_handler("Test.Some", params={"q": {"type": "string", "required": True}}, time_limit="1m")
def some(params: dict, ctx):
    return {}
"""
SCHEMA = {
    "type": "object",
    "required": ["q"],
    "properties": {"prismq_run_key": {"type": "string"}, "q": {"type": "string"}},
    "additionalProperties": False,
}
"""Its params as they are registered on the server in production."""
CANARY = "canary-77c0-do-not-show"


class Found:
    def __init__(self, code, said):
        self.code = code
        self.said = said

    def all(self, check):
        return [one for one in self.said["checks"] if one["check"] == check]

    def level(self, check):
        return [one["level"] for one in self.all(check)]

    def text(self, check):
        return " | ".join(f"{one['text']}; {one['remedy']}" for one in self.all(check))


def examined(cli, state, url, *options, plugins):
    """The findings for a worker with these plugins; `cli` runs a command line."""
    named = [word for one in plugins for word in ("--plugin", one)]
    folder = () if "--state-dir" in options else ("--state-dir", state)
    shown = cli("doctor", "--json", "--api-url", url, *named, *folder, *options)
    assert shown.err == ""
    said = json.loads(shown.out)
    assert said["would_run"] is (shown.code == 0)
    return Found(shown.code, said)


@contextmanager
def serving(*, register=True, schema=SCHEMA, **deployed):
    with PrismqClientServer(PrismqClientDeployment(**deployed)) as server:
        if register:
            call(server, "/task-types/register", name="Test.Some", version="3", param_schema=schema)
        yield server


def call(server, path, *, key=CANARY, **body):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(server.url + path, json=body, headers={"X-API-Key": key}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
