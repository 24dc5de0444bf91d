"""deploy/k8s: valid by the schemas of Kubernetes, one with each other, and one with the worker's settings."""

from __future__ import annotations

import re
from copy import deepcopy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
from pydantic import BaseModel, ValidationError

from runner.cli.topics_command import PARTITIONS
from runner.config import Config
from runner.worker.health import LIVE_WITHIN_SECONDS
from tests.unit.deploy.manifests import (
    K8S,
    SPARE_SECONDS,
    config_of_the_cluster,
    container,
    pod,
    resource,
    resources,
)

OLDEST = "1.30"
FIRST_PAGE_SECONDS = 30
KEDA: dict[str, type[BaseModel]] = {
    "ScaledObject": ScaledObject,
    "TriggerAuthentication": TriggerAuthentication,
}
BUILT_IN = [each for each in resources() if "keda.sh" not in each[1]["apiVersion"]]
SCALING = [found for _, found in resources() if "keda.sh" in found["apiVersion"]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of the ConfigMap, as a worker loads it."""
    return config_of_the_cluster(tmp_path)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize(("file", "found"), BUILT_IN, ids=[file for file, _ in BUILT_IN])
def test_the_manifests_are_valid(file: str, found: dict[str, Any], version: str) -> None:
    assert file
    kubernetes_validate.validate(found, version, strict=True)


def test_a_misspelt_key_would_not_be_valid() -> None:
    found = yaml.safe_load((K8S / "deployment.yaml").read_text(encoding="utf-8"))
    found["spec"]["template"]["spec"]["terminationGracePeriod"] = 35
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, OLDEST, strict=True)


@pytest.mark.parametrize("found", SCALING, ids=lambda found: found["kind"])
def test_the_resources_of_keda_are_valid(found: dict[str, Any]) -> None:
    assert read_back(found) == found


def test_a_misspelt_key_or_a_wrong_type_for_keda_would_not_be_valid() -> None:
    misspelt, wrong = deepcopy(resource("ScaledObject")), deepcopy(resource("ScaledObject"))
    misspelt["spec"]["maxReplicas"] = misspelt["spec"].pop("maxReplicaCount")
    wrong["spec"]["maxReplicaCount"] = "twelve"
    assert read_back(misspelt) != misspelt
    with pytest.raises(ValidationError):
        read_back(wrong)


def read_back(found: dict[str, Any]) -> dict[str, Any]:
    """Return what KEDA makes of a resource: its models take only types that fit, and drop unknown keys."""
    read = KEDA[found["kind"]].model_validate(found)
    return read.model_dump(mode="json", by_alias=True, exclude_unset=True)


def test_the_kustomization_has_every_resource_but_the_example_of_a_secret() -> None:
    listed = yaml.safe_load((K8S / "kustomization.yaml").read_text(encoding="utf-8"))

    assert {*listed["resources"], "secret.example.yaml"} == {file for file, _ in resources()}
    assert [image["name"] for image in listed["images"]] == [container()["image"]]


def test_what_refers_to_another_resource_by_name_finds_it() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    labels = resource("Deployment")["spec"]["template"]["metadata"]["labels"]
    scaled = resource("ScaledObject")["spec"]
    authentication = resource("TriggerAuthentication")

    assert volumes["config"]["configMap"]["name"] == resource("ConfigMap")["metadata"]["name"]
    assert volumes["secrets"]["secret"]["secretName"] == resource("Secret")["metadata"]["name"]
    assert {mount["name"] for mount in container()["volumeMounts"]} == set(volumes)
    assert resource("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert resource("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    for spread in pod()["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"] == labels
    assert scaled["scaleTargetRef"]["name"] == resource("Deployment")["metadata"]["name"]
    assert scaled["triggers"][0]["authenticationRef"]["name"] == authentication["metadata"]["name"]
    for secret in authentication["spec"]["secretTargetRef"]:
        assert secret["name"] == resource("Secret")["metadata"]["name"]
        assert secret["key"] in resource("Secret")["stringData"]


def test_the_configuration_is_found_where_the_worker_looks_and_can_be_used(config: Config) -> None:
    [named] = [each["value"] for each in container()["env"] if each["name"] == "RUNNER_CONFIG"]
    [mounted] = [each["mountPath"] for each in container()["volumeMounts"] if each["name"] == "config"]

    assert named == f"{mounted}/{next(iter(resource('ConfigMap')['data']))}"
    config.require_brokers()
    assert config.delivery == "exactly_once"


def test_secrets_are_in_files_and_not_in_the_configuration(config: Config) -> None:
    password = resource("Secret")["stringData"]["kafka-password"]

    assert password not in resource("ConfigMap")["data"]["runner.yaml"]
    assert config.redis.password is not None
    assert set(config.kafka.secret_files) == {"sasl.password"}


def test_a_worker_ends_by_itself_before_it_is_killed(config: Config) -> None:
    assert pod()["terminationGracePeriodSeconds"] >= config.worker.shutdown_seconds + SPARE_SECONDS
    assert pod()["terminationGracePeriodSeconds"] >= Config().worker.shutdown_seconds + SPARE_SECONDS


def test_the_probes_ask_pages_that_are_there_where_they_can_be_reached(config: Config) -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    annotations = resource("Deployment")["spec"]["template"]["metadata"]["annotations"]
    pages = {
        name: container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }

    assert pages == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    assert {container()[f"{name}Probe"]["httpGet"]["port"] for name in pages} == {"http"}
    assert ports == {"http": config.http.port}
    assert (annotations["prometheus.io/port"], annotations["prometheus.io/path"]) == (
        str(config.http.port),
        "/metrics",
    )
    assert ip_address(config.http.host).is_unspecified


def test_the_probes_give_a_worker_the_time_it_may_take() -> None:
    startup, liveness = container()["startupProbe"], container()["livenessProbe"]
    # The pages are there before anybody else is asked.
    assert startup["periodSeconds"] * startup["failureThreshold"] >= FIRST_PAGE_SECONDS
    # Silence that the worker itself takes for death must not be stretched much further by the probe.
    assert liveness["periodSeconds"] * liveness["failureThreshold"] <= LIVE_WITHIN_SECONDS


def test_a_worker_may_do_nothing_but_run() -> None:
    image_user = re.search(
        r"^USER (\d+):(\d+)$", (K8S.parent / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    assert image_user
    security = pod()["securityContext"]

    assert security["runAsNonRoot"] is True
    assert (security["runAsUser"], security["runAsGroup"]) == (int(image_user[1]), int(image_user[2]))
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False


def test_there_are_never_more_workers_than_partitions_and_never_none(config: Config) -> None:
    scaled = resource("ScaledObject")["spec"]
    update = resource("Deployment")["spec"]["strategy"]["rollingUpdate"]

    assert 1 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"] <= PARTITIONS
    assert update == {"maxSurge": 0, "maxUnavailable": 1}
    assert "replicas" not in resource("Deployment")["spec"]
    [trigger] = scaled["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["allowIdleConsumers"] == "false"
    assert config.worker.shutdown_seconds > 0


def test_the_lag_that_is_looked_at_is_that_of_the_workers(config: Config) -> None:
    [trigger] = resource("ScaledObject")["spec"]["triggers"]
    asked = trigger["metadata"]

    assert asked["bootstrapServers"] == config.kafka.brokers
    assert asked["consumerGroup"] == config.kafka.group
    assert asked["topic"] == config.topics.requests
    assert config.kafka.properties["security.protocol"] == "sasl_ssl"
    assert config.kafka.properties["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (asked["tls"], asked["sasl"]) == ("enable", "scram_sha512")
    # The custom resource takes text only; a number here would be refused by the cluster.
    assert all(isinstance(value, str) for value in asked.values())
