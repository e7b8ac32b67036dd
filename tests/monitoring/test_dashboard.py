"""The dashboard asks for what is exposed, in words that Prometheus understands."""

import json

import pytest
import yaml

from tests.monitoring.test_rules import DEPLOY, faults

DASHBOARD = json.loads((DEPLOY / "grafana" / "prismq.json").read_text(encoding="utf-8"))
PANELS = {one["title"]: one for one in DASHBOARD["panels"] if one["type"] != "row"}
EXPRESSIONS = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_a_panel_asks_for_is_exposed(expression):
    assert faults(expression) == []


def test_promtool_understands_every_expression(promtool, tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    code, said = promtool("check", "rules", file)

    assert code == 0, said
    assert f"{len(EXPRESSIONS)} rules found" in said


def test_every_variable_of_an_expression_is_one_of_the_dashboard():
    variables = {f"${one['name']}" for one in DASHBOARD["templating"]["list"]} | {"$__rate_interval"}
    used = {
        word
        for text in EXPRESSIONS
        for word in text.replace('"', " ").replace("]", " ").replace("[", " ").split()
        if word.startswith("$")
    }

    assert used <= variables


def test_panels_have_names_and_places_of_their_own():
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in PANELS.values()]

    assert len(PANELS) == sum(one["type"] != "row" for one in DASHBOARD["panels"])
    assert len(set(places)) == len(places)
