import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import TYPE, running_api


def acts(api, query="", **options):
    return api.call("GET", f"/audit?{query}", **options).json()["audit"]


def failed(api):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.fail(task_id)
    return task_id


def test_who_steered_a_task_is_told_with_it(api):
    task_id = failed(api)
    api.call("POST", f"/tasks/{task_id}/retry")
    api.clock.turn(5)
    api.call("POST", f"/tasks/{task_id}/cancel")

    told = api.show(task_id)["audit"]
    assert [(one["who"], one["action"]) for one in told] == [("anonymous", "retry"), ("anonymous", "cancel")]
    assert told[0]["at"] < told[1]["at"]
    assert [one["target"] for one in acts(api)] == [task_id, task_id]


def test_what_was_refused_is_not_written_down(api):
    task_id = api.submit()
    assert api.call("POST", f"/tasks/{task_id}/retry").status_code == 409
    assert api.call("POST", "/tasks/none/cancel").status_code == 404

    assert acts(api) == []


def test_steering_of_workers_is_written_down(api):
    api.call("POST", "/tasks/exchange", {"worker_id": "w1"})
    api.call("POST", "/workers/w1/quiet")
    api.call("POST", "/workers/w1/resume")

    assert [one["action"] for one in acts(api, "kind=worker&target=w1")] == ["resume", "quiet"]


def test_a_worker_whose_id_has_slashes_is_steered(api):
    api.call("POST", "/tasks/exchange", {"worker_id": "host/quiet"})

    assert api.call("POST", "/workers/host%2Fquiet/quiet").json()["worker_id"] == "host/quiet"


def test_a_type_that_is_published_as_it_was_is_no_act(api):
    def publish(version):
        api.call("PUT", f"/task-types/{TYPE}", {"version": version, "param_schema": {}})

    for version in ("1", "1", "2"):
        publish(version)

    assert [one["detail"] for one in acts(api, "kind=type")] == [{"version": "2"}, {"version": "1"}]


def test_acts_come_in_pages_and_by_who_did_them(api):
    ids = [api.submit() for _ in range(5)]
    for task_id in ids:
        api.call("POST", f"/tasks/{task_id}/cancel")
    seen, cursor = [], ""
    while cursor is not None:
        page = api.call("GET", f"/audit?who=anonymous&limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [one["target"] for one in page["audit"]]
        cursor = page["next_cursor"]

    assert seen == ids[::-1]
    assert acts(api, "who=nobody") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "cursor=%21%21", f"target={'x' * 256}"])
def test_a_query_that_makes_no_sense_is_refused(api, query):
    assert api.call("GET", f"/audit?{query}").status_code == 422


def test_only_an_admin_sees_the_audit(tmp_path):
    keys = (ApiKey.of("admin-key", Scope.ADMIN), ApiKey.of("worker-key", Scope.WORKER))
    with running_api(tmp_path, keys=keys) as api:
        api.call("PUT", f"/task-types/{TYPE}", {"version": "1", "param_schema": {}}, key="worker-key")

        assert api.call("GET", "/audit", key="worker-key").status_code == 403
        assert [one["who"] for one in acts(api, key="admin-key")] == ["worker"]
