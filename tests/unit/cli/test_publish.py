"""`prismq-worker plugins --publish`: the schemas of the installed types on the server."""

import pytest

from tests.support.prismq_client import running_prismq_client

GREETING = """
from pydantic import BaseModel
from prismq_worker_sdk import hookimpl, task_handler

class Greeting(BaseModel):
    text: str

@task_handler("Test.Greet", params={"name": {"type": "string", "required": True}})
def greet(params: dict, ctx) -> Greeting:
    return Greeting(text="x")

@task_handler("Test.Wave", params=dict)
def wave(params: dict, ctx):
    return {}

@hookimpl
def prismq_task_handlers():
    return [greet, wave]
"""
BROKEN = "raise RuntimeError('no such luck')"


@pytest.fixture
def production():
    with running_prismq_client() as running:
        yield running


@pytest.fixture(params=["v1", "prismq-client"])
def url(request):
    return request.getfixturevalue("api" if request.param == "v1" else "production").url


def test_each_type_is_published_once_and_told_in_a_line(cli, install, url):
    install("greeting", GREETING)
    first, second = (cli("plugins", "--publish", "--api-url", url) for _ in range(2))

    assert (first.code, first.err) == (second.code, second.err) == (0, "")
    assert first.out.splitlines() == ["Test.Greet  published", "Test.Wave  published"]
    assert second.out.splitlines() == ["Test.Greet  unchanged", "Test.Wave  unchanged"]


def test_the_server_gets_params_results_and_the_version_of_the_plugin(cli, install, api):
    install("greeting", GREETING)
    cli("plugins", "--publish", "--api-url", api.url)
    greet, wave = api.call("GET", "/task-types").json()["task_types"]

    assert (greet["name"], greet["version"]) == ("Test.Greet", "1.0")
    assert greet["param_schema"]["required"] == ["name"]
    assert greet["result_schema"]["properties"] == {"text": {"title": "Text", "type": "string"}}
    assert wave["result_schema"] is None


def test_a_plugin_that_is_a_file_has_no_version_of_its_own(cli, plugin_file, api):
    shown = cli("plugins", "--publish", "--plugin", plugin_file(GREETING), "--api-url", api.url)

    assert shown.code == 0
    assert {one["version"] for one in api.call("GET", "/task-types").json()["task_types"]} == {"0"}


def test_what_breaks_others_is_refused_unless_it_is_allowed(cli, plugin_file, url):
    before, after = plugin_file(GREETING.replace("True", "False"), "before"), plugin_file(GREETING, "after")
    cli("plugins", "--publish", "--plugin", before, "--api-url", url)
    refused = cli("plugins", "--publish", "--plugin", after, "--api-url", url)
    allowed = cli("plugins", "--publish", "--allow-breaking", "--plugin", after, "--api-url", url)

    greet, wave = refused.out.splitlines()
    assert (refused.code, refused.err) == (1, "")
    assert greet.startswith("Test.Greet  refused: ")
    assert wave == "Test.Wave  unchanged"
    assert (allowed.code, allowed.out.splitlines()[0]) == (0, "Test.Greet  published")


def test_a_plugin_that_does_not_load_hides_no_other_and_exits_with_1(cli, install, url):
    install("greeting", GREETING)
    install("broken", BROKEN)
    shown = cli("plugins", "--publish", "--api-url", url)

    assert shown.code == 1
    assert shown.out.splitlines() == ["Test.Greet  published", "Test.Wave  published"]
    assert "RuntimeError: no such luck" in shown.err


def test_a_server_that_is_not_there_is_told_in_one_sentence(cli, install, unused_url):
    install("greeting", GREETING)
    shown = cli("plugins", "--publish", "--api-url", unused_url)

    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith(f"prismq-worker: {unused_url} did not answer")


@pytest.mark.parametrize(
    "arguments",
    [("--publish", "--json"), ("--publish", "--quota"), ("--allow-breaking",), ("--api-url", "http://h/api")],
)
def test_options_that_do_not_go_together_are_refused(cli, arguments):
    shown = cli("plugins", *arguments)

    assert (shown.code, shown.out) == (2, "")
    assert "--publish" in shown.err
