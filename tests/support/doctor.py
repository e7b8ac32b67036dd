"""Runs `prismq-worker doctor`, and reads what it found."""

import json


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
