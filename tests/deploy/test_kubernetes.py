"""The files for Kubernetes: each is valid, and what they say fits each other, the image and the code."""

import re
import subprocess
from functools import cache
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import requests
import yaml
from jsonschema import Draft202012Validator

from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.health_server import HealthServer
from prismq_worker_sdk.taskmanager.config import Scope, read_keys
from prismq_worker_sdk.taskmanager.db.database import START_SECONDS
from prismq_worker_sdk.taskmanager.processes import END_SECONDS
from tests.support.api import running_api
from tests.support.deploy import (
    DEPLOY,
    VARIABLES,
    command_line,
    environment_of_servers,
    named_variables,
    worker_settings,
)
from tests.support.dockerfile import said, variables
from tests.support.pages import blocks
from tests.support.surroundings import ROOT

FOLDER = DEPLOY / "kubernetes"
PAGE = ROOT / "docs" / "operations" / "kubernetes.md"
OF_KEDA = "keda.sh/v1alpha1"
PODS = ("taskmanager.yaml", "worker.yaml", "worker-statefulset.yaml")
VERSIONS = ("1.31.0", kubernetes_validate.latest_version())
SECRETS = "/run/secrets/prismq"


@cache
def documents(name):
    return [*yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))]


def kustomization():
    (found,) = documents("kustomization.yaml")
    return found


FILES = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
ALL = [pytest.param(one, id=f"{name}-{one['kind']}") for name in FILES for one in documents(name)]
BUILT_IN = [param for param in ALL if param.values[0]["apiVersion"] != OF_KEDA]


def workload(name):
    return documents(name)[0]


def pod(name):
    return workload(name)["spec"]["template"]["spec"]


def container(name):
    (found,) = pod(name)["containers"]
    return found


def environment(name):
    return {one["name"]: one["value"] for one in container(name)["env"]}


def port(name):
    (found,) = container(name)["ports"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", BUILT_IN)
def test_every_document_is_valid(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_every_file_is_applied_or_named_as_a_choice():
    text = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")

    assert {*kustomization()["resources"]} <= {*FILES}
    assert all(name in text for name in FILES)
    (image,) = kustomization()["images"]
    assert {container(name)["image"] for name in PODS} == {image["name"]}


@pytest.mark.parametrize("name", PODS)
def test_pods_fit_the_restricted_standard_with_a_root_that_cannot_be_written_to(name):
    whole, own = pod(name)["securityContext"], container(name)["securityContext"]

    assert whole["runAsNonRoot"]
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod(name)["automountServiceAccountToken"]
    assert not {"hostPath"} & {kind for volume in pod(name)["volumes"] for kind in volume}
    (namespace,) = documents("namespace.yaml")
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert namespace["metadata"]["name"] == kustomization()["namespace"]
    assert container(name)["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", PODS)
def test_what_is_written_to_is_a_volume(name):
    mounts = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
    claims = [one["metadata"]["name"] for one in workload(name)["spec"].get("volumeClaimTemplates", ())]

    assert mounts == {"secrets": SECRETS, "tmp": "/tmp", "state": said("VOLUME")}
    assert {volume["name"] for volume in pod(name)["volumes"]} | {*claims} == mounts.keys()


@pytest.mark.parametrize("name", ["worker.yaml", "worker-statefulset.yaml"])
def test_workers_are_started_with_settings_that_they_have(name):
    image = {key: value for key, value in variables().items() if key != "PATH"}

    assert environment(name).keys() <= VARIABLES
    settings = worker_settings(image | environment(name), container(name)["args"])
    assert settings.health_port == port(name)["containerPort"]
    assert settings.grace_period + 10 < pod(name)["terminationGracePeriodSeconds"]
    probe = container(name)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings.startup_timeout + 10
    (service,) = documents("taskmanager.yaml")[1:]
    (served,) = service["spec"]["ports"]
    assert settings.api_url == f"http://{service['metadata']['name']}:{served['port']}/api"


@pytest.mark.parametrize("name", ["worker.yaml", "worker-statefulset.yaml"])
def test_probes_ask_what_a_worker_answers(name):
    server = HealthServer(0, lambda: Health(live=True, ready=False))
    server.start()
    try:
        for probe, status in (("startupProbe", 200), ("livenessProbe", 200), ("readinessProbe", 503)):
            asked = container(name)[probe]["httpGet"]
            assert asked["port"] == port(name)["name"]
            assert requests.get(server.url + asked["path"], timeout=10).status_code == status
    finally:
        server.stop()


def test_both_kinds_of_workers_differ_in_their_state_only():
    one, other = pod("worker.yaml"), pod("worker-statefulset.yaml")
    volumes = [volume for volume in one["volumes"] if volume["name"] != "state"]

    assert one | {"volumes": volumes} == other


def test_a_taskmanager_is_started_with_options_and_variables_that_it_has():
    name = "taskmanager.yaml"
    command, values = command_line(container(name)["args"])
    probe = container(name)["startupProbe"]

    assert command == "taskmanager"
    assert values["port"] == port(name)["containerPort"]
    assert environment(name).keys() <= environment_of_servers()
    assert probe["periodSeconds"] * probe["failureThreshold"] > START_SECONDS
    assert pod(name)["terminationGracePeriodSeconds"] > END_SECONDS + 5


def test_probes_ask_what_a_taskmanager_answers(tmp_path):
    with running_api(tmp_path) as api:
        root = api.url.removesuffix("/api")
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container("taskmanager.yaml")[kind]["httpGet"]
            assert asked["port"] == port("taskmanager.yaml")["name"]
            assert api.session.get(root + asked["path"], timeout=10).status_code == 200


def test_every_secret_that_is_read_is_made():
    made = {
        one["name"]: {file.rsplit("/")[-1] for file in one["files"]}
        for one in kustomization()["secretGenerator"]
    }

    for name in PODS:
        (volume,) = [one for one in pod(name)["volumes"] if one["name"] == "secrets"]
        sources = [one["secret"]["name"] for one in volume.get("projected", {}).get("sources", ())]
        sources += [volume["secret"]["secretName"]] if "secret" in volume else []
        said_here = f"{container(name)['args']} {environment(name)}"
        read = set(re.findall(rf"{SECRETS}/([a-z-]+)", said_here))
        assert read
        assert read == set().union(*(made[source] for source in sources))
    assert kustomization()["generatorOptions"]["disableNameSuffixHash"]


def test_policies_and_budgets_meet_pods_and_ports():
    apps = {name: workload(name)["spec"]["template"]["metadata"]["labels"] for name in PODS}
    ports = {apps[name]["app"]: port(name)["name"] for name in PODS}
    budgets = [one["spec"]["selector"]["matchLabels"] for one in documents("disruption.yaml")]
    policies = {one["metadata"]["name"]: one["spec"] for one in documents("network.yaml")}

    assert sorted(one["app"] for one in budgets) == sorted(ports)
    for name in PODS:
        assert workload(name)["spec"]["selector"]["matchLabels"] == apps[name]
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for app, its_port in ports.items():
        assert policies[app]["podSelector"]["matchLabels"] == {"app": app}
        (opened,) = policies[app]["ingress"][0]["ports"]
        assert opened["port"] == its_port
    (to_server,) = policies["worker"]["egress"][0]["ports"]
    assert to_server["port"] == ports["taskmanager"]


def test_the_steps_of_the_page_make_every_secret(tmp_path):
    (steps,) = [block.text for block in blocks(PAGE) if "mkdir -m 0700 secrets" in block.text]
    made = re.sub(r"^(docker|kubectl|cd|sensible-editor|cat) .*\n", "", steps, flags=re.MULTILINE)
    subprocess.run(["sh", "-euc", made], cwd=tmp_path, text=True, check=True)
    by_hand = {*re.findall("^cat > (secrets/[a-z-]+)", steps, re.MULTILINE)}
    place = tmp_path / "secrets"

    there = {f"secrets/{path.name}" for path in place.iterdir()} | by_hand
    assert there == {file for one in kustomization()["secretGenerator"] for file in one["files"]}
    assert {key.scope for key in read_keys(place / "keys")} == {*Scope}
    for scope in ("worker", "reader"):
        key = (place / f"{scope}-key").read_text()
        assert key == key.strip()
        assert f"{scope} {key}" in (place / "keys").read_text().splitlines()


def test_the_page_names_what_is_there():
    text = PAGE.read_text(encoding="utf-8")

    assert named_variables(text) <= VARIABLES
    assert {*re.findall(r"`([a-z-]+\.yaml)`", text)} <= {*FILES, "kustomization.yaml"}
    for version in VERSIONS:
        assert ".".join(version.split(".")[:2]) in text
    for line in re.findall(r"kubectl .* -- prismq-worker ([^#\n]+)", text):
        command_line(line.split())


def closed(properties, *required):
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


COUNT = {"type": "integer", "minimum": 0}
META = closed({"name": {"type": "string"}}, "name")
SCALED = closed(
    {
        "scaleTargetRef": closed(
            {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}}, "name"
        ),
        "pollingInterval": COUNT,
        "cooldownPeriod": COUNT,
        "minReplicaCount": COUNT,
        "maxReplicaCount": COUNT,
        "fallback": closed({"failureThreshold": COUNT, "replicas": COUNT}, "failureThreshold", "replicas"),
        "triggers": {
            "type": "array",
            "items": closed(
                {
                    "type": {"type": "string"},
                    "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                    "authenticationRef": closed({"name": {"type": "string"}}, "name"),
                },
                "type",
                "metadata",
            ),
        },
    },
    "scaleTargetRef",
    "triggers",
)
KEY = closed({name: {"type": "string"} for name in ("parameter", "name", "key")}, "parameter", "name", "key")
KINDS = {
    "ScaledObject": SCALED,
    "TriggerAuthentication": closed({"secretTargetRef": {"type": "array", "items": KEY}}),
}
"""Of KEDA's resource definitions what these files use."""

OF_METRICS_API = {"url", "valueLocation", "targetValue", "authMode", "method", "keyParamName"}


@pytest.mark.parametrize("document", documents("keda.yaml"), ids=lambda one: one["kind"])
def test_what_is_for_keda_has_the_form_of_its_definitions(document):
    form = closed(
        {"apiVersion": {"const": OF_KEDA}, "kind": True, "metadata": META, "spec": KINDS[document["kind"]]},
        "spec",
    )

    assert [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(form).iter_errors(document)
    ] == []


def test_keda_finds_the_number_it_scales_by_and_its_key(tmp_path):
    scaled, authentication = documents("keda.yaml")
    (trigger,) = scaled["spec"]["triggers"]
    asked = trigger["metadata"]
    url = urlsplit(asked["url"])
    (service,) = documents("taskmanager.yaml")[1:]
    (key,) = authentication["spec"]["secretTargetRef"]

    assert asked.keys() == OF_METRICS_API
    assert asked["targetValue"] == environment("worker.yaml")["PRISMQ_WORKER_CONCURRENCY"]
    assert url.hostname == f"{service['metadata']['name']}.{kustomization()['namespace']}.svc"
    assert url.port == service["spec"]["ports"][0]["port"]
    with running_api(tmp_path) as api:
        found = api.call("GET", url.path.removeprefix("/api")).json()
    for part in asked["valueLocation"].split("."):
        found = found[part]
    assert found == 0
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert {"name": key["name"], "files": [f"secrets/{key['key']}"]} in kustomization()["secretGenerator"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == workload("worker.yaml")["metadata"]["name"]
