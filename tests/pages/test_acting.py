"""What can be done on a page, in a real browser: each act is one of the API, asked for and told."""

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)


@pytest.fixture
def published(site, start_worker):
    """A site that knows the schema of Page.Search; its worker claims nothing."""
    from tests.pages.handlers import SearchParams

    new = {"version": "1", "param_schema": SearchParams.model_json_schema()}
    site.call("PUT", "/task-types/Page.Search", new)
    return site


def test_a_form_tells_each_fault_at_its_field_and_then_submits(published, open_page):
    page = open_page(f"{published.root}/submit?type=Page.Search")
    page.get_by_label("Max Results").fill("900")
    page.get_by_label("Depth").fill("0")
    page.get_by_role("button", name="Submit").click()
    missing = page.get_by_label("Search query")
    expect(missing).to_have_attribute("aria-invalid", "true")
    expect(missing).to_be_focused()
    expect(page.locator(".fault")).to_have_count(3)
    missing.fill("ideas")
    page.get_by_label("Max Results").fill("9")
    page.get_by_label("Depth").fill("2")
    page.get_by_label("Tags").fill("one\ntwo")
    page.get_by_label("Safe").select_option("false")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/tasks/*")
    task = published.call("GET", "/tasks")["tasks"][0]
    assert task["params"] == {
        "search_query": "ideas",
        "max_results": 9,
        "safe": False,
        "tags": ["one", "two"],
        "extra": {"depth": 2},
    }


def test_a_task_is_submitted_as_new_with_other_params(published, open_page):
    old = published.submit("Page.Search", {"search_query": "old", "max_results": 5})
    page = open_page(f"{published.root}/tasks/{old}")
    page.get_by_role("link", name="Submit as new").click()
    expect(page.get_by_label("Max Results")).to_have_value("5")
    page.get_by_label("Search query").fill("new")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/tasks/*")
    assert published.call("GET", "/tasks")["tasks"][0]["params"] == {"search_query": "new", "max_results": 5}


SHAPE = {
    "type": "object",
    "properties": {
        "n": {"type": "number"},
        "i": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "t": {"type": "string"},
        "long": {"type": "string", "maxLength": 5000},
        "l": {"type": "array", "items": {"type": "string"}},
        "e": {"enum": [1, None, "1", 1.5, True]},
        "any": {},
        "a/b~": {"type": "object", "properties": {"": {"type": "string"}, "__proto__": {"type": "integer"}}},
    },
}


def test_a_form_changes_nothing_of_what_a_task_had(site, open_page):
    site.call("PUT", "/task-types/Page.Odd", {"version": "1", "param_schema": SHAPE})
    big = 2**53 + 1
    had = [
        {"n": -0.0, "i": big, "t": " x ", "long": "a\nb", "l": ["1", " "], "e": None, "any": [big, 1.0]},
        {"n": 1e300, "i": None, "e": "1", "any": ""},
        {"i": 10**400, "t": "", "long": "\nx", "l": []},
        {"t": "\0\r\n", "a/b~": {}},
        {"n": 1.0, "a/b~": {"": "x", "__proto__": big}, "e": True},
        {"n": big, "__proto__": {"x": 1e16}, "e": 1.5},
    ]
    page = None
    for params in had:
        address = f"{site.root}/submit?from={site.submit('Page.Odd', params)}"
        page = open_page(address) if page is None else page
        page.goto(address)
        page.get_by_role("button", name="Submit").click()
        page.wait_for_url("**/tasks/*")
        assert repr(site.call("GET", "/tasks")["tasks"][0]["params"]) in {repr(params), repr(_sorted(params))}


def _sorted(params):
    """As the fields of a form stand."""
    return {name: params[name] for name in SHAPE["properties"] if name in params}


def test_json_that_is_none_is_told_before_anything_is_sent(site, open_page):
    page = open_page(f"{site.root}/submit?type=Page.Any")
    page.get_by_label("Params as JSON").fill("{oops")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".fault")).to_contain_text("is no JSON")
    assert site.call("GET", "/tasks")["tasks"] == []


def test_a_task_is_cancelled_retried_and_deleted(site, open_page):
    task = site.submit("Page.Some")
    page = open_page(f"{site.root}/tasks/{task}")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Leave it").click()
    expect(page.locator("#head .mark")).to_have_text("pending")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the task").click()
    expect(page.locator("#head .mark")).to_have_text("failed")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#head .mark")).to_have_text("pending")
    expect(page.locator("#acts-done")).to_contain_text("anonymous")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/tasks")
    assert site.call("GET", "/tasks")["tasks"] == []


def test_three_hundred_failed_tasks_are_retried_after_their_number_was_shown(site, open_page):
    new = [{"type": "Page.Many", "params": {"n": n}, "max_attempts": 1} for n in range(300)]
    made = site.call("POST", "/tasks/batch", {"tasks": new})["tasks"]
    site.call("POST", "/tasks/bulk", {"action": "cancel", "filter": {"type": "Page.Many"}})
    site.submit("Page.Other")
    page = open_page(f"{site.root}/tasks?type=Page.Many&status=failed")
    expect(page.locator("#tasks tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Retry…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Retry {len(made)} tasks?")
    dialog.get_by_role("button", name="Retry").click()
    expect(page.locator(".job")).to_have_text("retry: 300 of 300 done")
    expect(page.locator("#tasks")).to_contain_text("No task fits this filter")


def test_a_priority_is_asked_for_and_said_before_it_is_set(site, chromium):
    site.submit("Page.Some")
    context = chromium.new_context()
    try:
        page = context.new_page()
        answers = iter([" ", "7"])
        page.on("dialog", lambda dialog: dialog.accept(next(answers)))
        page.goto(f"{site.root}/tasks")
        for _answer in range(2):
            page.get_by_role("button", name="Set priority…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Set the priority of 1 task to 7?")
        dialog.get_by_role("button", name="Set priority").click()
        expect(page.locator(".job")).to_have_text("priority: 1 of 1 done")
    finally:
        context.close()
    assert site.call("GET", "/tasks")["tasks"][0]["priority"] == 7


def test_a_type_is_paused_and_resumed_on_the_overview(site, open_page):
    site.submit("Page.Some")
    page = open_page(site.root)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#types .mark.paused")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#types .mark.paused")).to_have_count(0)


def test_a_schedule_is_made_with_its_faults_told_then_run_and_paused(site, open_page):
    page = open_page(f"{site.root}/schedules")
    page.get_by_label("Name").fill("nightly")
    page.get_by_label("Task type").fill("Page.Some")
    page.get_by_label("Cron").fill("61 3 * * *")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#said")).to_contain_text("cannot be read")
    page.get_by_label("Cron").fill("30 3 * * *")
    page.get_by_role("button", name="Make it").click()
    row = page.locator("#schedule-nightly")
    expect(row).to_contain_text("At 03:30 every day, UTC")
    row.get_by_role("button", name="Run now").click()
    expect(page.locator("#said")).to_have_text("A task was made.")
    row.get_by_role("button", name="Pause").click()
    expect(row.locator(".mark.paused")).to_be_visible()
    assert [one["type"] for one in site.call("GET", "/tasks")["tasks"]] == ["Page.Some"]


def test_a_name_that_is_none_and_faults_beside_params_are_told_where_they_are(site, open_page):
    page = open_page(f"{site.root}/schedules")
    said = page.locator("#said")
    page.get_by_role("button", name="Make it").click()
    expect(said).to_have_text("Name: write one")
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("a/b")
    page.get_by_label("Task type").fill("Page.Some")
    page.get_by_label("Or every so many seconds").fill("60")
    page.get_by_role("button", name="Make it").click()
    expect(said).to_contain_text("'a/b' is no name")
    page.get_by_label("Name").fill("often")
    page.get_by_label("Priority").fill("1e30")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_label("Priority")).to_have_attribute("aria-invalid", "true")
    page.goto(f"{site.root}/limits")
    page.get_by_label("Name", exact=True).fill("..")
    page.get_by_role("button", name="Set it").click()
    expect(said).to_have_text("Name: write one")
    page.get_by_label("Name", exact=True).fill("a")
    page.get_by_label("Units").fill("5")
    page.get_by_role("button", name="Set it").click()
    expect(page.locator(".fault")).to_have_text("units are counted in a period: give both, or none of them")
    assert site.call("GET", "/limits")["limits"] == []


def test_a_limit_is_set_and_paused(site, open_page):
    page = open_page(f"{site.root}/limits")
    page.get_by_label("Name", exact=True).fill("host:a/b")
    page.get_by_label("Units").fill("30")
    page.get_by_label("in any stretch").fill("60")
    page.get_by_role("button", name="Set it").click()
    row = page.locator("#limits tr", has_text="host:a/b")
    expect(row).to_contain_text("30 in 1 min")
    row.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("until resumed")


def test_the_first_key_is_asked_about_and_signs_its_maker_in(site, open_page):
    page = open_page(f"{site.root}/keys")
    page.get_by_label("Name, used once").fill("mine")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Make the first key").click()
    expect(page.locator("#keys tr", has_text="mine")).to_contain_text("admin")
    expect(page.locator(".once code")).to_contain_text("prismq_key_")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_key_is_made_shown_once_and_revoked(site, open_page):
    admin = site.call("POST", "/keys", {"name": "admin", "scope": "admin"})["key"]
    page = open_page(f"{site.root}/keys")
    page.get_by_label("API key").fill(admin)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name, used once").fill("scraper")
    page.get_by_label("Scope").select_option("worker")
    page.get_by_role("button", name="Make it").click()
    text = page.locator(".once code")
    expect(text).to_contain_text("prismq_key_")
    site.call("GET", "/tasks", key=text.text_content())
    row = page.locator("#keys tr", has_text="scraper")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    page.reload()
    expect(page.locator(".once")).to_be_hidden()


@pytest.mark.parametrize("scope", ["reader", "worker", "producer", "admin"])
def test_each_scope_signs_in_and_has_the_buttons_that_it_may_use(site, open_page, scope):
    admin = site.call("POST", "/keys", {"name": "admin", "scope": "admin"})["key"]
    key = site.call("POST", "/keys", {"name": "mine", "scope": scope}, key=admin)["key"]
    site.submit("Page.Some", key=admin)
    page = open_page(site.root)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("tr", has_text="Page.Some")).to_be_visible()
    assert page.get_by_role("button", name="Pause").count() == (scope == "admin")
    assert page.get_by_role("link", name="Submit", exact=True).count() == (scope in {"producer", "admin"})
    assert page.get_by_role("link", name="Keys").count() == (scope == "admin")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_worker_is_made_quiet_resumed_and_ended(site, open_page, start_worker):
    worker = start_worker(site.api)
    worker.gate_file.write_text("one\n")
    site.submit("Page.Steps")
    page = open_page(f"{site.root}/workers")
    row = page.locator("#workers tbody tr")
    expect(row).to_contain_text("Page.Steps")
    expect(row).to_contain_text("1 used, 3 free")
    expect(row).to_contain_text("no task of its types waits")
    row.get_by_role("button", name="Quiet").click()
    page.get_by_role("button", name="Make it quiet").click()
    expect(row).to_contain_text("told to be quiet, until it is resumed")
    row.get_by_role("button", name="Resume").click()
    expect(row).to_contain_text("no task of its types waits")
    row.get_by_role("button", name="Terminate").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
    expect(row).to_contain_text("it is stopping")
    with worker.gate_file.open("a") as gate:
        gate.write("end\n")
    assert worker.process.wait(60) == 0
