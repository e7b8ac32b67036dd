import pytest

from prismq_worker_sdk.taskmanager.messages import LogItem
from prismq_worker_sdk.taskmanager.task_logs import LogSize, fitting
from tests.support.api import TYPE


def exchange(api, **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": "w1", **said})
    assert answer.status_code == 200, answer.text
    return answer.json()


def claim(api, number=1):
    return exchange(api, claim={"task_types": [TYPE], "max_tasks": number})["tasks"]


def claimed(api):
    api.submit()
    (task,) = claim(api)
    return task


def log(api, *texts, first=1, at=None, level="info", **more):
    at = api.clock.utc().timestamp() if at is None else at
    return {"first": first, "lines": [{"at": at, "level": level, "text": text} for text in texts], **more}


def of(task, **said):
    return {"task_id": task["id"], "lease_token": task["lease_token"], **said}


def renew(api, task, *texts, **more):
    (verdict,) = exchange(api, leases=[of(task, log=log(api, *texts, **more))])["leases"]
    return verdict["verdict"]


def report(api, task, *texts, outcome="completed", **more):
    said = of(task, outcome=outcome, log=log(api, *texts, **more))
    (verdict,) = exchange(api, reports=[said])["reports"]
    return verdict["verdict"]


def page(api, task, **query):
    answer = api.call("GET", f"/tasks/{task['id']}/logs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(api, task, **query):
    return [line["text"] for line in page(api, task, **query)["lines"]]


def counts(api, task):
    return [(one["attempt"], one["lines"], one["dropped"]) for one in page(api, task)["attempts"]]


def test_the_bundle_is_announced(api):
    announced = api.call("GET", "/health").json()["capabilities"]

    assert announced["logs"] == {"max_lines": 1000, "max_bytes": 262144}


def test_lines_come_with_renewals_and_with_the_report(api):
    task = claimed(api)
    assert renew(api, task, "one", "two") == "renewed"
    assert texts(api, task) == ["one", "two"]
    assert report(api, task, "three", first=3, level="error") == "accepted"

    found = page(api, task)
    assert [(line["attempt"], line["level"], line["text"]) for line in found["lines"]] == [
        (1, "info", "one"),
        (1, "info", "two"),
        (1, "error", "three"),
    ]
    assert counts(api, task) == [(1, 3, 0)]


def test_a_line_that_came_before_is_not_taken_again(api):
    task = claimed(api)
    renew(api, task, "one", "two")
    renew(api, task, "one", "two", "three")
    report(api, task, "three", "four", first=3)

    assert texts(api, task) == ["one", "two", "three", "four"]
    assert counts(api, task) == [(1, 4, 0)]


def test_two_renewals_of_one_call_bring_no_line_twice(api):
    task = claimed(api)
    same = of(task, log=log(api, "one"))
    exchange(api, leases=[same, same])

    assert texts(api, task) == ["one"]


def test_lines_that_never_come_are_counted(api):
    task = claimed(api)
    renew(api, task, "one")
    report(api, task, "nine", first=9, logged=20)

    assert texts(api, task) == ["one", "nine"]
    assert counts(api, task) == [(1, 2, 18)]


def test_more_lines_than_announced_are_counted_only(api):
    task = claimed(api)
    renew(api, task, *["x"] * 700)
    report(api, task, *["y"] * 700, first=701)

    assert texts(api, task, limit=1000) == ["x"] * 700 + ["y"] * 300
    assert counts(api, task) == [(1, 1000, 400)]


def test_more_bytes_than_announced_are_counted_only(api):
    task = claimed(api)
    renew(api, task, "ä" * 100_000, "ä" * 100_000, "z")

    assert texts(api, task) == ["ä" * 100_000]
    assert counts(api, task) == [(1, 1, 2)]


def test_a_lost_claim_brings_nothing(api):
    api.submit(max_attempts=5)
    (first,) = claim(api)
    renew(api, first, "mine")
    api.clock.turn(61)
    (second,) = claim(api)

    assert renew(api, first, "late", first=2) == "lost"
    assert report(api, first, "too late", first=2) == "lost"
    assert renew(api, second, "other") == "renewed"
    assert [(line["attempt"], line["text"]) for line in page(api, first)["lines"]] == [
        (1, "mine"),
        (2, "other"),
    ]
    assert texts(api, first, attempt=2) == ["other"]


def test_a_report_that_is_refused_or_comes_again_brings_nothing(api):
    task = claimed(api)
    report(api, task, "one")

    assert report(api, task, "two", first=2) == "duplicate"
    assert report(api, task, "three", first=2, outcome="failed") == "refused"
    assert texts(api, task) == ["one"]


def test_a_clock_that_is_wrong_moves_lines_between_the_task_and_now(api):
    task = claimed(api)
    api.clock.turn(5)
    created, now = task["created_at"], api.call("GET", "/health").json()["time"]
    renew(api, task, "old", at=0)
    renew(api, task, "new", at=9e15, first=2)

    assert [line["at"] for line in page(api, task)["lines"]] == [created, now]


def test_pages_follow_each_other_and_a_cursor_waits_for_what_comes(api):
    task = claimed(api)
    nothing = page(api, task)
    assert (nothing["lines"], nothing["next_cursor"], nothing["attempts"]) == ([], None, [])
    renew(api, task, *"abcde")
    renew(api, task, *"fg", first=6)

    cursor, found = None, []
    while lines := (got := page(api, task, limit=3, **({"cursor": cursor} if cursor else {})))["lines"]:
        found.append([line["text"] for line in lines])
        cursor = got["next_cursor"]
    assert found == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert got["next_cursor"] == cursor
    renew(api, task, "h", first=8)
    assert texts(api, task, cursor=cursor) == ["h"]


def test_a_page_has_a_bound_of_its_own(api):
    api.submit(max_attempts=10)
    for _attempt in range(6):
        (task,) = claim(api)
        report(api, task, "x" * 250_000, outcome="failed", retryable=True)
        api.clock.turn(3600)

    first = page(api, task)
    assert len(first["lines"]) == 5
    assert len(page(api, task, cursor=first["next_cursor"])["lines"]) == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "attempt=0", "attempt=x", "cursor=nonsense", "cursor=ä"]
)
def test_odd_queries_are_refused(api, query):
    task = claimed(api)

    assert api.call("GET", f"/tasks/{task['id']}/logs?{query}").status_code == 422


def test_the_log_of_no_task_is_none(api):
    assert api.call("GET", "/tasks/none/logs").status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        {"first": 0},
        {"first": 2**70},
        {"first": 1, "logged": -1},
        {"first": 1, "lines": "x"},
        {"first": 1, "lines": [{"at": "now", "level": "info", "text": ""}]},
        {"first": 1, "lines": [{"at": 1, "level": "loud", "text": ""}]},
        {"first": 1, "lines": [{"at": 1, "level": "info", "text": 5}]},
        {"first": 1, "lines": [{"at": 1, "level": "info", "text": "\ud800"}]},
    ],
)
def test_a_log_that_is_none_is_refused_and_nothing_is_done(api, said):
    task = claimed(api)
    answer = api.call(
        "POST",
        "/tasks/exchange",
        {"worker_id": "w1", "reports": [of(task, outcome="completed", log=said)]},
    )

    assert answer.status_code == 422
    assert api.show(task["id"])["status"] == "processing"


def test_lines_are_taken_as_far_as_they_fit_and_all_are_counted():
    lines = [{"at": 1.0, "level": "info", "text": "x" * 100_000}] * 4
    kept, size = fitting(LogSize(), LogItem.model_validate({"first": 3, "lines": lines}))

    assert len(kept) == 2
    assert size == LogSize(lines=2, size=200_000, last=6, total=6)
