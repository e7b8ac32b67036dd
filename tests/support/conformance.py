"""The TaskManager of a test, as the conformance kit looks at it: time and chores go on when the kit lets time pass."""

from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.testing.conformance import Server
from tests.support.api import running_api

CLAIM_TIMEOUT = 300.0
ADMIN = "the-key-of-an-admin"


def guarded_api(folder, **options):
    """A server that wants the key of an admin."""
    return running_api(folder, keys=(ApiKey.of(ADMIN, Scope.ADMIN),), **options)


def examined(api, key=ADMIN, **how):
    """Such a server, as the kit looks at it."""

    def pass_time(seconds):
        api.clock.turn(seconds)
        for chore in CHORES:
            api.chore(chore.run)

    return Server(api.url, key=key, claim_timeout=CLAIM_TIMEOUT, pass_time=pass_time, **how)
