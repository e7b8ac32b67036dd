"""The pages over HTTP: who sees what, what stays text, what costs nothing when it did not change."""

import re

import pytest

from prismq_worker_sdk.taskmanager import filters
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.delivering import look_at_alerts
from prismq_worker_sdk.taskmanager.pages.rendering import static
from tests.support.api import TYPE, running_api

HOSTILE = "<script>alert('x')</script>\"'&{{7*7}}"
ALL = ("/", "/tasks", "/submit", "/workers", "/schedules", "/limits", "/keys")
KEYS = tuple(ApiKey.of(f"{scope}-key-text", scope, f"{scope} of a file") for scope in Scope)


@pytest.fixture
def locked(tmp_path):
    with running_api(tmp_path, keys=KEYS) as running:
        yield running


def page(api, path, *, key=None, **headers):
    sent = {} if key is None else {"Cookie": f"prismq_key={key}-key-text"}
    address = api.url.removesuffix("/api") + path
    return api.session.get(address, headers={**sent, **headers}, timeout=20, allow_redirects=False)


@pytest.mark.parametrize("path", ALL)
def test_every_page_is_whole_and_lets_no_script_in(api, path):
    answer = page(api, path)
    assert answer.status_code == 200
    assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! type=\"module\" src=\"/static/)|\son\w+=|style=", answer.text)
    assert answer.text.rstrip().endswith("</html>")


def test_what_a_page_loads_is_kept_by_browsers_until_it_changes(api):
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page(api, "/").text)
    assert len(addresses) == 3
    for one in addresses:
        answer = page(api, one)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert page(api, "/static/x/../app.py").status_code == 404


def test_modules_import_only_each_other():
    names = re.compile(rb'from "\./([\w.]+)"')
    modules = {name: text for name, text in static().items() if name.endswith(".js")}
    for text in modules.values():
        assert {one.decode() for one in names.findall(text)} <= modules.keys()
        assert b"http://" not in text
        assert b"https://" not in text


def test_hostile_texts_stay_texts(api):
    task_id = api.submit(params={"x": HOSTILE}, dedupe_key=HOSTILE)
    api.claim(worker=HOSTILE)
    api.fail(task_id, worker=HOSTILE, error=HOSTILE)
    api.call("PUT", "/limits/a%2Fb%3Cb%3E", {"at_once": 1})
    for path in ("/", "/tasks", f"/tasks/{task_id}", f"/submit?from={task_id}", "/limits"):
        text = page(api, path).text
        assert "<script>alert" not in text
        assert "<b>" not in text
        assert "49" not in re.sub(r"[0-9a-f-]{36}|\d{4}-\d\d-\d\d[T ][\d:.]+Z?|/static/\w+", "", text)
    assert "&lt;script&gt;" in page(api, "/tasks").text


def test_a_task_is_shown_with_its_attempts_children_and_acts(api):
    parent = api.submit(params={"n": 1})
    child = api.submit(parent_id=parent)
    api.claim()
    api.fail(parent, error="it broke")
    api.call("POST", f"/tasks/{child}/cancel")
    text = page(api, f"/tasks/{parent}").text
    assert "it broke" in text
    assert f"/tasks/{child}" in text
    assert "1 failed" in text
    assert "cancel" in page(api, f"/tasks/{child}").text


def test_a_task_that_is_not_there_is_told_so(api):
    answer = page(api, "/tasks/nothing")
    assert answer.status_code == 404
    assert "there is no task nothing" in answer.text


def test_a_filter_shows_its_tasks_and_leads_to_the_older_ones(api):
    for number in range(60):
        api.submit("Test.Many" if number else TYPE)
    first = page(api, "/tasks?type=Test.Many").text
    assert first.count('<tr id="task-') == 50
    older = re.search(r'href="(/tasks\?[^"]*cursor=[^"]*)"', first)[1].replace("&amp;", "&")
    assert page(api, older).text.count('<tr id="task-') == 9


@pytest.mark.parametrize(
    "query", ["status=odd", "cursor=odd", "created=1y", "q=" + "x" * 300, "parent_id=" + "y" * 99]
)
def test_an_odd_filter_is_told_on_the_page_which_stays(api, query):
    answer = page(api, f"/tasks?{query}")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert 'role="search"' in answer.text


def test_a_search_that_takes_too_long_is_told_on_the_page_which_stays(api, monkeypatch):
    api.call("POST", "/tasks/batch", {"tasks": [{"type": TYPE, "params": {"n": n}} for n in range(300)]})
    monkeypatch.setattr(filters, "SEARCH_SECONDS", -1.0)
    answer = page(api, "/tasks?q=nothing")
    assert answer.status_code == 200
    assert "the search was broken off" in answer.text
    assert 'value="nothing"' in answer.text


def test_a_page_that_asks_again_gets_its_live_parts_and_nothing_when_nothing_changed(api):
    api.submit()
    asked = {"X-PrismQ-Page": "again"}
    answer = page(api, "/", **asked)
    assert "<html" not in answer.text
    assert 'id="types"' in answer.text
    assert float(answer.headers["Again-In"]) >= 1
    again = page(api, "/", **asked, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")
    api.submit("Test.Other")
    fresh = page(api, "/", **{"X-PrismQ-Page": "fresh", "If-None-Match": answer.headers["ETag"]})
    assert fresh.status_code == 200
    assert "Test.<wbr>Other" in fresh.text


@pytest.mark.parametrize("path", ALL)
def test_who_has_no_key_is_led_to_sign_in_and_back(locked, path):
    answer = page(locked, path)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?to=" + path.replace("/", "%2F")
    assert page(locked, path, **{"X-PrismQ-Page": "again"}).status_code == 401


def test_a_key_signs_in_by_a_cookie_that_no_script_reads(locked):
    root = locked.url.removesuffix("/api")
    wrong = locked.session.post(f"{root}/sign-in", data={"key": "wrong"}, timeout=20, allow_redirects=False)
    assert wrong.status_code == 401
    assert "not known" in wrong.text
    assert "Set-Cookie" not in wrong.headers
    right = locked.session.post(
        f"{root}/sign-in", data={"key": "reader-key-text", "to": "/tasks"}, timeout=20, allow_redirects=False
    )
    assert (right.status_code, right.headers["Location"]) == (303, "/tasks")
    assert "HttpOnly" in right.headers["Set-Cookie"]
    assert "SameSite=lax" in right.headers["Set-Cookie"]
    assert locked.session.get(f"{root}/tasks", timeout=20).status_code == 200
    locked.session.post(f"{root}/sign-out", timeout=20)
    assert page(locked, "/tasks").status_code == 303


def test_other_sites_sign_nobody_in(locked):
    root = locked.url.removesuffix("/api")
    sent = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/sign-in", "/sign-out"):
        answer = locked.session.post(
            root + path, data={"key": "reader-key-text"}, headers=sent, timeout=20, allow_redirects=False
        )
        assert answer.status_code == 403


def test_a_cookie_is_no_key_for_calls_that_another_site_could_send(locked):
    cookie = {"Cookie": "prismq_key=admin-key-text"}
    address = f"{locked.url}/task-types/{TYPE}/pause"
    assert locked.session.post(address, headers=cookie, timeout=20).status_code == 401
    own = {**cookie, "X-PrismQ-Page": "act"}
    assert locked.session.post(address, headers=own, timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("reader", "/submit", 403),
        ("reader", "/keys", 403),
        ("worker", "/submit", 403),
        ("producer", "/submit", 200),
        ("producer", "/keys", 403),
        ("admin", "/keys", 200),
        *((scope, path, 200) for scope in Scope for path in ("/", "/tasks", "/schedules", "/limits")),
    ],
)
def test_a_scope_has_its_pages(locked, key, path, status):
    assert page(locked, path, key=key).status_code == status


def test_a_reader_sees_no_button_that_acts(locked):
    created = locked.call("POST", "/tasks", {"type": TYPE}, key="producer-key-text").json()
    for path in ("/", "/tasks", f"/tasks/{created['id']}", "/schedules", "/limits"):
        assert "data-act" not in page(locked, path, key="reader").text
        assert "data-bulk" not in page(locked, path, key="reader").text


def test_a_key_that_is_bound_to_types_sees_no_other(locked):
    new = {"name": "bound", "scope": "reader", "task_types": [TYPE]}
    key = locked.call("POST", "/keys", new, key="admin-key-text").json()["key"]
    for name in (TYPE, "Test.Secret"):
        created = locked.call("POST", "/tasks", {"type": name}, key="producer-key-text").json()
    shown = {
        path: page(locked, path, Cookie=f"prismq_key={key}")
        for path in ("/", "/tasks", "/limits", f"/tasks/{created['id']}")
    }
    assert [one.status_code for one in shown.values()] == [200, 200, 403, 404]
    for one in shown.values():
        assert "Secret" not in one.text.replace("Test.<wbr>", "")


def test_a_key_that_another_process_just_made_signs_in_at_once(tmp_path):
    with running_api(tmp_path, keys=KEYS) as first, running_api(tmp_path, keys=KEYS) as second:
        new = {"name": "new", "scope": "reader"}
        key = first.call("POST", "/keys", new, key="admin-key-text").json()["key"]
        assert page(second, "/tasks", Cookie=f"prismq_key={key}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/tasks"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("me.localhost", 200),
        ("evil.example", 403),
    ],
)
def test_a_server_without_keys_answers_to_its_own_names_only(api, path, host, status):
    assert page(api, path, Host=host).status_code == status


def test_a_server_with_keys_answers_to_every_name(locked):
    assert page(locked, "/", key="reader", Host="tasks.example").status_code == 200


@pytest.mark.parametrize("query", ["?to=//[", "?to=%ED%A0%80", "?to=/%09/x"])
def test_an_odd_place_to_go_to_is_none(api, query):
    answer = page(api, f"/sign-in{query}")
    assert (answer.status_code, 'name="to" value="/"' in answer.text) == (200, True)


@pytest.mark.parametrize("key", ["\N{CYRILLIC SMALL LETTER KA}", "\0", "x" * 60000])
def test_a_server_without_keys_lets_no_browser_keep_one(api, key):
    address = api.url.removesuffix("/api") + "/sign-in"
    answer = api.session.post(address, data={"key": key, "to": "//["}, timeout=20, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_of_a_large_payload_the_beginning_is_shown(api):
    made = api.submit(params={"x": "<" * 200_000})
    answer = page(api, f"/tasks/{made}")
    assert (answer.status_code, "of 200\u202f009 characters" in answer.text) == (200, True)
    assert len(answer.text) < 300_000


def test_an_alert_that_holds_is_on_the_overview(api):
    alert = {"rule": "oldest", "seconds": 60, "hold_seconds": 0, "url": "https://hooks.example/x"}
    assert api.call("PUT", "/alerts/late", alert).status_code == 201
    api.submit()
    api.clock.turn(100)
    api.chore(look_at_alerts)
    assert re.search(r"late.*waits too long.*Test\.Some", page(api, "/").text, re.DOTALL)
