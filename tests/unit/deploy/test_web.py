"""deploy/k8s/web and the compose file's web: valid, and what they say is what the process takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from runner.cli.wiring.web_callers import build_authenticator, check_web_settings
from runner.cli.wiring.web_sign_in import build_people
from runner.config import Config, load
from tests.unit.deploy.manifests import K8S, ROOT, SPARE_SECONDS, container, pod, seconds, services

FOLDER: Final = K8S / "web"
RESOURCES: Final = {
    file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.yaml"))
}
KUSTOMIZATION: Final = RESOURCES.pop("kustomization.yaml")
REALM: Final = json.loads((ROOT / "deploy" / "keycloak" / "realm.json").read_text(encoding="utf-8"))


def of_web() -> dict[str, Any]:
    found = RESOURCES["deployment.yaml"]["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of the ConfigMap, with its secrets below a folder."""
    text = RESOURCES["configmap.yaml"]["data"]["runner.yaml"]
    for each in of_web()["containers"][0]["volumeMounts"]:
        text = text.replace(each["mountPath"], str(tmp_path))
    for name, value in RESOURCES["secret.example.yaml"]["stringData"].items():
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
    check_web_settings(config)
    people = build_people(config)
    assert people.sign_in is not None, "without it there are no pages"
    people.close()
    assert config.projection.url is not None
    assert config.projection.url.get_secret_value().startswith("postgresql://")
    assert "change-me" not in str(config.describe())
    assert "change-me" not in str(RESOURCES["configmap.yaml"])


def test_it_ends_by_itself_before_it_is_killed_and_is_asked_where_it_listens(config: Config) -> None:
    assert of_web()["terminationGracePeriodSeconds"] >= config.web.shutdown_seconds + SPARE_SECONDS
    [here] = of_web()["containers"]
    assert here["args"] == ["web"]
    assert here["ports"] == [{"name": "http", "containerPort": config.web.port}]
    for name in ("startupProbe", "livenessProbe", "readinessProbe", "securityContext"):
        assert here[name] == container()[name]
    assert of_web()["securityContext"] == pod()["securityContext"]
    [port] = RESOURCES["service.yaml"]["spec"]["ports"]
    assert port["targetPort"] == here["ports"][0]["name"]


def test_compose_has_one_whose_people_its_keycloak_knows() -> None:
    service, keycloak = services()["web"], services()["keycloak"]
    made = load(None, service["environment"])
    check_web_settings(made)
    build_authenticator(made)
    assert seconds(service["stop_grace_period"]) >= made.web.shutdown_seconds + SPARE_SECONDS
    issuer, client = made.web.issuers["staff"], made.web.sign_in["staff"]
    # The web shares the network of Keycloak, so that it knows it by the address that browsers use.
    assert service["network_mode"] == "service:keycloak"
    [address] = [word for word in keycloak["command"] if word.startswith("http://")]
    assert issuer.issuer == f"{address}/realms/{REALM['realm']}"
    assert f"127.0.0.1:{made.web.port}:{made.web.port}" in keycloak["ports"]
    [known] = REALM["clients"]
    assert known["clientId"] == client.client_id == issuer.audience
    assert known["redirectUris"] == [f"{made.web.public_url}/sign-in/callback"]
    admin = made.domain_rules()["default"].admin_role
    assert any(admin in user["realmRoles"] for user in REALM["users"])
    host = re.search(r"@(\w+):", made.projection.url.get_secret_value()) if made.projection.url else None
    assert host is not None
    assert host[1] in service["depends_on"]
