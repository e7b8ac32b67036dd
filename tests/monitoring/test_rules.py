"""Each rule fires when it is to, is silent when not, says where to read on, and asks for what is exposed."""

import re

import pytest
import yaml

from prismq_worker_sdk.cli.taskmanager import taskmanager
from prismq_worker_sdk.taskmanager.listening import PREFIX
from tests.monitoring.exposed import PAGE, ROOT, TYPE, told

DEPLOY = ROOT / "examples" / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES = PROMETHEUS / "prismq.rules.yml"
RUNBOOKS = (ROOT / "docs" / "operations" / "runbooks.md").read_text(encoding="utf-8")
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
W = f'{{instance="w1",job="w",type="{TYPE}"}}'
HERE = '{instance="w1",job="w"}'
SECONDS = {"s": 1, "m": 60, "h": 3600}


def tasks(pending=3, processing=0, postponed=0, paused=0, claims="7x60", oldest="10x60"):
    """What a TaskManager and a worker tell of a type."""
    return {
        f'taskmanager_tasks{{type="{TYPE}",status="pending"}}': f"{pending}x60",
        f'taskmanager_tasks{{type="{TYPE}",status="processing"}}': f"{processing}x60",
        f'taskmanager_tasks_postponed{{type="{TYPE}"}}': f"{postponed}x60",
        f'taskmanager_type_paused{{type="{TYPE}"}}': f"{paused}x60",
        f'taskmanager_oldest_pending_seconds{{type="{TYPE}"}}': oldest,
        f"prismq_worker_claims_total{W}": claims,
    }


def ends(failed, completed):
    series = f'prismq_worker_claim_ends_total{{instance="w1",type="{TYPE}",end="'
    return {f'{series}failed"}}': failed, f'{series}completed"}}': completed}


def calls(errors, good="0+6x60"):
    return {
        'prismq_worker_api_errors_total{instance="w1",call="claim",error="unreachable"}': errors,
        'prismq_worker_api_seconds_count{instance="w1",call="claim"}': good,
    }


def quota(left, limit):
    labels = '{instance="w1",quota="search calls"}'
    return {f"prismq_worker_quota_left{labels}": left, f"prismq_worker_quota_limit{labels}": limit}


def of(name, values, labels=HERE):
    return {f"{name}{labels}": values}


FIRES = [
    ("PrismqTaskManagerAway", of("prismq_worker_live", "1x60")),
    ("PrismqApiFailing", calls("0+5x60")),
    ("PrismqApiFailing", calls("0+0x10 0+6x50", "0+6x60")),
    ("PrismqNoWorkers", of("taskmanager_workers", "0x60", "")),
    ("PrismqNoClaims", tasks()),
    ("PrismqNoClaims", tasks(postponed=2)),
    ("PrismqOldestWaiting", tasks(oldest="0+120x60")),
    ("PrismqFailureShare", ends("0+2x60", "0+4x60")),
    ("PrismqFailureShare", ends("0+1x60", "0x60")),
    ("PrismqOutboxAge", of("prismq_worker_reports_oldest_age_seconds", "0+60x60")),
    ("PrismqReportsParked", of("prismq_worker_reports_parked", "1x60")),
    ("PrismqQuotaLow", quota("9x60", "100x60")),
    ("PrismqQuotaLow", quota("0x60", "100x60")),
    ("PrismqAuditOff", of("prismq_worker_audit_imbalance", "0x5 2x60", '{sum="claims"}')),
    ("PrismqLeasesLate", of("prismq_worker_lease_lateness_seconds", "0x26 12 0x30")),
    ("PrismqDisk", of("prismq_worker_disk_free_bytes", "500000000x60")),
    ("PrismqDisk", of("taskmanager_disk_free_bytes", "500000000x60")),
]
SILENT = [
    ("PrismqTaskManagerAway", of("taskmanager_workers", "0x60", "")),
    ("PrismqTaskManagerAway", of("taskmanager_workers", "1x28", "")),
    ("PrismqApiFailing", calls("0+2x60")),
    ("PrismqApiFailing", calls("0x60", "7x60")),
    ("PrismqNoWorkers", of("taskmanager_workers", "1x60", "")),
    ("PrismqNoWorkers", of("taskmanager_workers", "1x26 0x60", "")),
    ("PrismqNoClaims", tasks(pending=0)),
    ("PrismqNoClaims", tasks(postponed=3)),
    ("PrismqNoClaims", tasks(processing=1)),
    ("PrismqNoClaims", tasks(paused=1)),
    ("PrismqNoClaims", tasks(claims="0+1x60")),
    ("PrismqOldestWaiting", tasks(oldest="0+30x60")),
    ("PrismqOldestWaiting", tasks(oldest="0+120x60", paused=1)),
    ("PrismqFailureShare", ends("0+1x60", "0+9x60")),
    ("PrismqFailureShare", ends("0x20 1x60", "0x60")),
    ("PrismqOutboxAge", of("prismq_worker_reports_oldest_age_seconds", "30x60")),
    ("PrismqOutboxAge", of("prismq_worker_reports_oldest_age_seconds", "0x26 700x60")),
    ("PrismqReportsParked", of("prismq_worker_reports_parked", "0x60")),
    ("PrismqQuotaLow", quota("50x60", "100x60")),
    ("PrismqQuotaLow", quota("0x60", "0x60")),
    ("PrismqAuditOff", of("prismq_worker_audit_imbalance", "0 3 " * 30, '{sum="reports"}')),
    ("PrismqLeasesLate", of("prismq_worker_lease_lateness_seconds", "5x60")),
    ("PrismqDisk", of("prismq_worker_disk_free_bytes", "20000000000x60")),
]


@pytest.mark.parametrize(("alert", "series"), FIRES, ids=[name for name, _ in FIRES])
def test_a_rule_fires(promtool, tmp_path, alert, series):
    assert fires(promtool, tmp_path, alert, series, 1) == (0, "SUCCESS")


@pytest.mark.parametrize(("alert", "series"), SILENT, ids=[name for name, _ in SILENT])
def test_a_rule_is_silent(promtool, tmp_path, alert, series):
    assert fires(promtool, tmp_path, alert, series, 0) == (0, "SUCCESS")


def fires(promtool, folder, alert, series, number):
    """What promtool says of a rule that is to fire so often after half an hour."""
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": firing, "eval_time": "30m", "exp_samples": [{"labels": "{}", "value": number}]}
                ],
            }
        ],
    }
    file = folder / "alerts.test.yml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    code, said = promtool("test", "rules", file)
    return code, "SUCCESS" if "SUCCESS" in said else said


def test_every_rule_has_a_test_in_which_it_fires_and_one_in_which_it_is_silent():
    assert {name for name, _ in FIRES} == {name for name, _ in SILENT} == set(ALERTS)


def test_promtool_likes_the_rules_and_the_configuration(promtool):
    assert promtool("check", "rules", RULES)[0] == 0
    assert promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")[0] == 0


def test_the_configuration_asks_where_worker_and_taskmanager_answer():
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    worker, server = (job["static_configs"][0]["targets"] for job in jobs)
    (port,) = [one.default for one in taskmanager.params if one.name == "port"]

    assert jobs[1]["metrics_path"] == f"{PREFIX}/metrics"
    assert server == [f"127.0.0.1:{port}"]
    assert worker == ["127.0.0.1:8081"]
    assert "`--health-port 8081`" in PAGE.read_text(encoding="utf-8")


def section(alert):
    found = re.search(rf"^## {alert}\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    return found and found[1]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_waits_has_a_severity_and_leads_to_its_runbook(alert):
    rule = ALERTS[alert]

    assert seconds(rule["for"]) >= 60
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/operations/runbooks.md#{alert.lower()}"
    for part in ("**Means**", "**Look at**", "**Do**", "**Over when**"):
        assert part in section(alert), part


def test_there_is_no_runbook_without_its_alert():
    assert re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE) == list(ALERTS)


def seconds(text):
    return int(text[:-1]) * SECONDS[text[-1]]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_range_holds_four_scrapes_of_a_minute(alert):
    assert all(seconds(one) >= 4 * 60 for one in re.findall(r"\[(\w+)\]", ALERTS[alert]["expr"]))


# what rules and dashboard ask for

EXPOSED = {one.name: one for heading in ("A worker", "A TaskManager") for one in told(heading)}
EVERYWHERE = {"instance", "job", "le"}
NAME = re.compile(r"\b((?:prismq_worker|taskmanager|process)_\w+)(?:\{([^}]*)\})?")
VALUES = re.compile(r'(\w+)=~?"([^"$]*)"')


def family(name):
    """The family that a series belongs to."""
    short = re.sub("_(bucket|sum|count)$", "", name)
    return EXPOSED.get(short if short in EXPOSED and EXPOSED[short].kind == "histogram" else name)


def faults(expression):
    """Metrics, labels and values of an expression that nobody exposes."""
    known, found = set(EVERYWHERE), []
    for name, matchers in NAME.findall(expression):
        one = family(name)
        if one is None:
            found.append(name)
            continue
        known |= one.labels
        found += [
            f"{name}: {label}"
            for label in re.findall(r"(\w+)=", matchers)
            if label not in one.labels | {"job"}
        ]
        for label, values in VALUES.findall(matchers):
            found += [f"{label}={value}" for value in values.split("|") if not is_value(name, value)]
    groups = re.findall(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)", expression)
    return found + [label for group in groups for label in re.split(r",\s*", group) if label not in known]


def is_value(name, value):
    """Whether the page has this value for a label of the metric."""
    page = PAGE.read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{family(name).name}` .*$", page, re.MULTILINE)[:1]
    return re.search(rf"\b{value}\b", row.split("|")[3]) is not None


@pytest.mark.parametrize("alert", ALERTS)
def test_what_a_rule_asks_for_is_exposed(alert):
    assert faults(ALERTS[alert]["expr"]) == []


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("prismq_worker_nothing > 0", ["prismq_worker_nothing"]),
        ('prismq_worker_slots{type="x"}', ["prismq_worker_slots: type", "type=x"]),
        ('prismq_worker_slots{state="gone"}', ["state=gone"]),
        ("sum by (call) (prismq_worker_slots)", ["call"]),
        ("prismq_worker_slots_bucket", ["prismq_worker_slots_bucket"]),
    ],
)
def test_what_is_not_exposed_would_be_found(expression, found):
    assert faults(expression) == found
