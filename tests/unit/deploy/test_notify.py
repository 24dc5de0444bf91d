"""deploy/k8s/notify and the compose file's notify: valid, and what they say is what the process takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from runner.cli.wiring.notify import prepare
from runner.config import Config, load
from tests.unit.deploy.manifests import K8S, SPARE_SECONDS, container, pod, services

FOLDER: Final = K8S / "notify"
RESOURCES: Final = {
    file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.yaml"))
}
KUSTOMIZATION: Final = RESOURCES.pop("kustomization.yaml")


def of_notify() -> dict[str, Any]:
    found = RESOURCES["deployment.yaml"]["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of the ConfigMap, its secrets and its people below a folder."""
    mounted = {each["name"]: each["mountPath"] for each in of_notify()["containers"][0]["volumeMounts"]}
    text = RESOURCES["configmap.yaml"]["data"]["runner.yaml"]
    for path in mounted.values():
        text = text.replace(path, str(tmp_path))
    files = RESOURCES["secret.example.yaml"]["stringData"] | RESOURCES["configmap.yaml"]["data"]
    for name, value in files.items():
        (tmp_path / name).write_text(value)
    (tmp_path / "runner.yaml").write_text(text)
    return load(tmp_path / "runner.yaml", {})


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("file", RESOURCES)
def test_the_manifests_are_valid(file: str, version: str) -> None:
    kubernetes_validate.validate(RESOURCES[file], version, strict=True)


def test_the_kustomization_has_every_resource_but_the_example_of_a_secret() -> None:
    assert {*KUSTOMIZATION["resources"], "secret.example.yaml"} == set(RESOURCES)


def test_it_can_begin_with_its_configuration(config: Config) -> None:
    config.require_brokers()
    prepare(config)
    assert "change-me" not in str(config.describe())
    assert "change-me" not in str(RESOURCES["configmap.yaml"])


def test_it_ends_by_itself_before_it_is_killed_and_is_asked_where_it_listens(config: Config) -> None:
    assert of_notify()["terminationGracePeriodSeconds"] >= config.worker.shutdown_seconds + SPARE_SECONDS
    [here] = of_notify()["containers"]
    assert here["args"] == ["notify"]
    assert here["ports"] == [{"name": "http", "containerPort": config.http.port}]
    for name in ("startupProbe", "livenessProbe", "readinessProbe", "securityContext"):
        assert here[name] == container()[name]
    assert of_notify()["securityContext"] == pod()["securityContext"]


def test_compose_has_one_that_sends_to_the_mail_server_beside_it() -> None:
    service = services()["notify"]
    made = load(None, service["environment"])
    prepare(made)
    assert made.topics.notifications == load(None, services()["topics"]["environment"]).topics.notifications
    [address] = [each.get_secret_value() for each in made.notify.addresses().values()]
    assert address.startswith("mailto://mail:1025/")
    assert {"mail", "topics"} <= set(service["depends_on"]) <= set(services())
