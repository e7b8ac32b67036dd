"""What a page shows of what goes on, in a real browser, without being loaded anew."""

import pytest

from tests.support.processes import wait_until

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)


def test_the_overview_shows_new_types_and_what_their_tasks_do(site, open_page, start_worker):
    page = open_page(site.root)
    expect(page.get_by_text("No task yet")).to_be_visible()
    site.submit("Page.Search", {"search_query": "ideas"})
    row = page.locator("tr", has_text="Page.Search")
    expect(row).to_be_visible()
    start_worker(site.api)
    expect(row.locator("td.chart").first).to_contain_text("1")
    expect(page.locator("#sums")).to_contain_text("completed, last hour1")


def test_progress_and_log_of_a_running_task_appear_and_its_end(site, open_page, start_worker):
    worker = start_worker(site.api)
    task = site.submit("Page.Steps")
    page = open_page(f"{site.root}/tasks/{task}")
    worker.gate_file.write_text("one\ntwo\n")
    expect(page.locator("#head")).to_contain_text("20 %")
    expect(page.locator("#head")).to_contain_text("at two")
    expect(page.locator(".log li")).to_contain_text(["step 1: one", "step 2: two"])
    with worker.gate_file.open("a") as gate:
        gate.write("three\n")
    expect(page.locator(".log li").last).to_contain_text("step 3: three")
    with worker.gate_file.open("a") as gate:
        gate.write("end\n")
    expect(page.locator("#head .mark")).to_have_text("completed")
    expect(page.locator("#head")).to_contain_text("100 %")
    expect(page.locator("#outcome")).to_contain_text('"steps": 3')


def test_a_failed_task_shows_its_error_its_attempt_and_its_log(site, open_page, start_worker):
    start_worker(site.api)
    task = site.submit("Page.Fails")
    page = open_page(f"{site.root}/tasks/{task}")
    expect(page.locator("#outcome")).to_contain_text("it is broken")
    expect(page.locator("#attempts .mark")).to_have_text("failed")
    expect(page.locator(".log .warning")).to_contain_text("it will not go well")


def test_a_page_says_that_its_server_is_away_and_goes_on_when_it_is_back(site, open_page):
    page = open_page(site.root)
    expect(page.locator("#pulse")).to_contain_text("live, as of")
    site.server.kill()
    expect(page.locator("#pulse")).to_contain_text("not live since")
    expect(page.locator("html")).to_have_class("stale")
    site.server.start()
    expect(page.locator("#pulse")).to_contain_text("live, as of")
    site.submit("Page.Search", {"search_query": "after"})
    expect(page.locator("tr", has_text="Page.Search")).to_be_visible()


def test_what_is_open_and_where_one_is_stays_while_the_page_changes(site, open_page, start_worker):
    worker = start_worker(site.api)
    task = site.submit("Page.Steps")
    page = open_page(f"{site.root}/tasks/{task}")
    worker.gate_file.write_text("one\n")
    expect(page.locator(".log li")).to_have_count(1)
    page.locator("#logs summary").click()
    page.get_by_role("button", name="Cancel").focus()
    with worker.gate_file.open("a") as gate:
        gate.write("two\n")
    expect(page.locator("#head")).to_contain_text("20 %")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    assert page.locator("#logs details").get_attribute("open") is None


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_hostile_texts_run_nowhere(site, open_page):
    parent = site.submit("Page.Some", {HOSTILE: HOSTILE}, dedupe_key=HOSTILE)
    site.call("POST", "/tasks/claim", {"worker_id": HOSTILE, "task_types": ["Page.Some"]})
    site.call("POST", f"/tasks/{parent}/fail", {"worker_id": HOSTILE, "error": HOSTILE})
    child = site.submit("Page.Else", {"x": HOSTILE}, parent_id=parent, max_attempts=1)
    site.call("POST", "/task-types/Page.Some/pause", {"reason": HOSTILE})
    site.call("PUT", "/limits/" + HOSTILE.replace("/", "%2F").replace("<", "%3C"), {"at_once": 3})
    claim = {"task_types": ["Page.Else"], "max_tasks": 1}
    status = {"version": HOSTILE, "host": HOSTILE, "pid": 1, "started_at": "2026-01-02T03:04:05Z", "slots": 2}
    status |= {"state": "running", "trouble": HOSTILE, "plugins": [{"name": HOSTILE, "version": HOSTILE}]}
    site.call("POST", "/tasks/exchange", {"worker_id": HOSTILE, "status": status})
    held = site.call("POST", "/tasks/exchange", {"worker_id": HOSTILE, "claim": claim})["tasks"][0]
    line = {"at": 0.0, "level": "error", "text": HOSTILE}
    report = {
        "task_id": child,
        "lease_token": held["lease_token"],
        "outcome": "failed",
        "error": HOSTILE,
        "error_type": HOSTILE[:60],
        "log": {"first": 1, "lines": [line], "logged": 1},
    }
    site.call("POST", "/tasks/exchange", {"worker_id": HOSTILE, "reports": [report]})
    for path in (
        "/",
        "/tasks",
        f"/tasks/{parent}",
        f"/tasks/{child}",
        "/limits",
        f"/submit?from={parent}",
        "/workers",
    ):
        page = open_page(site.root + path)
        page.wait_for_load_state("networkidle")
        assert page.locator("img").count() == 0
    expect(open_page(f"{site.root}/tasks/{child}").locator(".log li")).to_contain_text(HOSTILE)


def test_a_first_view_is_small(site, open_page):
    for number in range(60):
        site.submit("Page.Some", {"n": number})
    page = open_page("about:blank")
    sizes = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(f"{site.root}/tasks")
    page.wait_for_load_state("networkidle")
    assert sum(sizes) < 150 * 1024


def test_a_revoked_key_costs_nothing_that_was_typed(start_site, open_page):
    site = start_site()
    admin = site.call("POST", "/keys", {"name": "admin", "scope": "admin"})["key"]
    first = site.call("POST", "/keys", {"name": "first", "scope": "producer"}, key=admin)["key"]
    second = site.call("POST", "/keys", {"name": "second", "scope": "producer"}, key=admin)["key"]
    page = open_page(f"{site.root}/submit?type=Page.Some")
    page.get_by_label("API key").fill(first)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Params as JSON").fill('{"typed": true}')
    site.call("DELETE", "/keys/first", key=admin)
    page.get_by_role("button", name="Submit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    dialog.get_by_label("API key").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("wrong, revoked or expired")
    dialog.get_by_label("API key").fill(second)
    dialog.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/tasks/*")
    assert wait_until(lambda: site.call("GET", "/tasks", key=admin)["tasks"])[0]["params"] == {"typed": True}
