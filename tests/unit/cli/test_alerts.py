"""`prismq-worker alerts`."""

import json

import pytest

URL = "https://hooks.example/prismq"


@pytest.fixture
def alerts(cli, api):
    return lambda *words: cli("alerts", *words, "--api-url", api.url)


def test_an_alert_is_set_listed_and_taken_away(alerts):
    made = alerts("set", "failing", "--rule", "failures", "--share", "0.2", "--time", "10m", "--url", URL)
    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[0] == "failing  failures  every type  quiet"
    assert made.out.splitlines()[1].startswith("secret  whsec_")
    changed = alerts(
        "set", "failing", "--rule", "oldest", "--time", "1h", "--url", URL, "--type", "A.B", "--json"
    )
    assert (json.loads(changed.out)["seconds"], json.loads(changed.out)["task_type"]) == (3600, "A.B")
    assert alerts("list").out == "failing  oldest  A.B  quiet\n"
    assert alerts("delete", "failing").code == 0
    assert alerts("list").err == "no alert\n"


def test_what_the_server_refuses_is_told_in_one_sentence(alerts):
    shown = alerts("set", "a", "--rule", "oldest", "--time", "1h", "--url", "http://169.254.169.254/")
    assert (shown.code, shown.out) == (1, "")
    assert "169.254.169.254 is link-local; --webhook-allow" in shown.err
    assert alerts("test", "none").code == 1


@pytest.mark.parametrize("network", ["10.0.0.1/8", "home", ""])
def test_a_network_that_is_none_is_refused(cli, network):
    shown = cli("taskmanager", "--webhook-allow", network, "--port", "0")
    assert (shown.code, shown.out) == (2, "")
    assert "--webhook-allow" in shown.err
