"""The TaskManager of a test, as the conformance kit looks at it: time and chores go on when the kit lets time pass."""

from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.testing.conformance import Server

CLAIM_TIMEOUT = 300.0


def examined(api, **how):
    def pass_time(seconds):
        api.clock.turn(seconds)
        for chore in CHORES:
            api.chore(chore.run)

    return Server(api.url, claim_timeout=CLAIM_TIMEOUT, pass_time=pass_time, **how)
