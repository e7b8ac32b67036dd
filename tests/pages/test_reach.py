"""Pages for everybody: nothing serious for axe, none wider than a phone, all by keyboard; and pictures of them."""

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)
PATHS = (
    "/",
    "/tasks",
    "/submit?type=Page.Search",
    "/workers",
    "/schedules",
    "/limits",
    "/keys",
    "/sign-in",
    "/tasks/{id}",
    "/tasks/nothing",
)
PICTURES = (("overview", "/"), ("tasks", "/tasks"), ("workers", "/workers"))


@pytest.fixture
def lively(site, start_worker):
    """A site with something on every page; the task of its own page."""
    worker = start_worker(site.api)
    worker.gate_file.write_text("begin\nlook\n")
    for number in range(12):
        site.submit("Page.Search", {"search_query": f"idea {number}"})
    failed = site.submit("Page.Fails")
    site.submit("Page.Steps")
    site.submit("Page.Search", {"search_query": "later"}, delay_seconds=3600)
    site.call(
        "PUT",
        "/schedules/nightly",
        {"type": "Page.Search", "params": {"search_query": "x"}, "cron": "30 3 * * *"},
    )
    site.call("PUT", "/limits/youtube", {"units": 30, "period": 60, "at_once": 4})
    site.call("POST", "/limits/web/pause", {"seconds": 600, "reason": "too many 429"})
    site.call("POST", "/task-types/Page.Other/pause", {"reason": "quota used up"})
    site.failed = failed
    return site


def ready(page, site):
    """The page once all that runs has ended, but for what waits."""
    expect(page.locator("body")).to_be_visible()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(lively, open_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(lively.root, color_scheme=scheme)
    found = []
    for path in PATHS:
        page.goto(lively.root + path.format(id=lively.failed))
        ready(page, lively)
        found += [
            (path, one["id"], [node["html"][:200] for node in one["nodes"]])
            for one in axe.run(page).response["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
    assert found == []


def test_no_page_is_wider_than_a_phone(lively, open_page):
    page = open_page(lively.root, viewport={"width": 375, "height": 800})
    for path in PATHS:
        page.goto(lively.root + path.format(id=lively.failed))
        ready(page, lively)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path


def test_long_words_make_no_page_wider_than_a_phone(site, open_page):
    name = f"Page.{'L' * 240}"
    task = site.submit(name, {"x" * 200: "y" * 900}, dedupe_key="k" * 255, max_attempts=1)
    site.call("PUT", f"/schedules/{'s' * 120}", {"type": name, "every_seconds": 60})
    site.call("POST", "/tasks/claim", {"worker_id": "w" * 250, "task_types": [name]})
    site.call("POST", f"/tasks/{task}/fail", {"worker_id": "w" * 250, "error": "e" * 5000})
    page = open_page(site.root, viewport={"width": 375, "height": 800})
    for path in (
        "/",
        "/tasks",
        f"/tasks/{task}",
        f"/submit?from={task}",
        "/workers",
        f"/schedules?change={'s' * 120}",
    ):
        page.goto(site.root + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path


def test_the_first_tab_leads_past_the_head_of_a_page(lively, open_page):
    page = open_page(lively.root)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {"viewport": {"width": 1280, "height": 800}}),
        ("dark", {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 800}, "is_mobile": True}),
    ],
)
def test_pictures_of_the_main_pages(lively, open_page, screenshots, name, options):
    page = open_page(lively.root, **options)
    expect(page.locator("#sums")).to_contain_text("completed, last hour12")
    for place, path in (*PICTURES, ("task", f"/tasks/{lively.failed}")):
        page.goto(lively.root + path)
        ready(page, lively)
        page.screenshot(path=screenshots / f"{place}-{name}.png")
        assert (screenshots / f"{place}-{name}.png").stat().st_size > 5000
