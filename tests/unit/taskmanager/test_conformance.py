"""The TaskManager keeps every promise of the public kit."""

import pytest

from prismq_worker_sdk.testing.conformance import CHECKS, hold
from tests.support.conformance import examined, guarded_api


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with guarded_api(tmp_path_factory.mktemp("server")) as api:
        yield examined(api)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_taskmanager_keeps(server, check):
    hold(server, check)


def test_the_base_and_every_bundle_that_is_announced_are_checked(server):
    assert {check.bundle for check in CHECKS} == {"base", *server.announced}
