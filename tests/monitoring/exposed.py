"""Everything that a worker and a TaskManager can expose, made by hand, and what the page says of it."""

import re
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.metrics import PrometheusMetrics
from prismq_worker_sdk.observe.readings import ChildrenUsage, QuotaReading, Readings
from prismq_worker_sdk.observe.status import RunningTask, WorkerStatus
from prismq_worker_sdk.taskmanager import prometheus
from prismq_worker_sdk.taskmanager.prometheus import Calls
from prismq_worker_sdk.taskmanager.stats import Stats, zeros

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "monitoring.md"
TYPE = "PrismQ.Test.Echo"
REF = ev.TaskRef("t-1", TYPE, 1)
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
READINGS = Readings(
    status=WorkerStatus(
        worker_id="w",
        version="1",
        server="s",
        phase="running",
        health=Health(live=True, ready=True),
        slots=4,
        running=(RunningTask(ref=REF, state="running", seconds=1.0),),
    ),
    imbalance={"claims": 0, "reports": 0},
    oldest_report=1.0,
    lease_lateness=0.0,
    outbox_bytes=1,
    disk_free=2,
    most={TYPE: 1},
    rates={TYPE: 0.5},
    quotas=(QuotaReading("search calls", 1, 2),),
    children=ChildrenUsage(1, 2, 3.0),
)


@dataclass(frozen=True)
class Metric:
    """One family."""

    name: str
    kind: str
    labels: frozenset[str]


def worker_text():
    """All that a worker can tell."""
    metrics = PrometheusMetrics([TYPE], lambda: READINGS)
    metrics(ev.ApiCalled("claim", 0.1, "http_503"))
    return metrics.expose().decode()


def taskmanager_text():
    """All that a TaskManager can tell."""
    calls = Calls(process="1-a")
    calls.add("GET", "/stats", "200", 0.01)
    calls.handed_out([(TYPE, 3.0)])
    limit = {"name": "youtube", "units": 1, "period": 1.0, "used": 0, "at_once": 1, "running": 0}
    lines = prometheus.of_types({TYPE: zeros()}, calls)
    lines += prometheus.of_all(Stats(0.0, {}, 1, 1, 1), calls, [limit | {"paused_until": None}])
    return "\n".join([*lines, *prometheus.of_disk(1, 2), ""])


def families(text):
    """What stands in a text."""
    found = set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        found.add(Metric(name, family.type, labels))
    return found


def told(heading):
    """What the table below a heading of the page says."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {
        Metric(name, kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(section)
    }
