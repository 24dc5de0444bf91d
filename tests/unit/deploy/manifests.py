"""Reads deploy/compose.yaml and deploy/k8s as a cluster would see them, and what their settings come to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from runner.config import Config, load

ROOT = Path(__file__).parents[3]
K8S = ROOT / "deploy" / "k8s"
SPARE_SECONDS = 5
"""What must be left between a worker's own deadline and the moment it is killed."""


@cache
def compose() -> dict[str, Any]:
    """The compose file with its anchors resolved."""
    found = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@cache
def services() -> dict[str, Any]:
    found = compose()["services"]
    assert isinstance(found, dict)
    return found


def of_runner() -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if service["image"] == "saga-task-runner"}


def resources() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource below deploy/k8s with the name of its file; the kustomization is none."""
    for file in sorted(K8S.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            for found in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield file.name, found


def resource(kind: str) -> dict[str, Any]:
    """The only resource of its kind."""
    [found] = [each for _, each in resources() if each["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    found = resource("Deployment")["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


def container() -> dict[str, Any]:
    [found] = pod()["containers"]
    assert isinstance(found, dict)
    return found


def config_of_the_cluster(folder: Path) -> Config:
    """The configuration of the ConfigMap as a worker loads it, its secrets mounted below ``folder``."""
    text = resource("ConfigMap")["data"]["runner.yaml"]
    mounted = {volume["name"]: volume["mountPath"] for volume in container()["volumeMounts"]}
    for name, value in resource("Secret")["stringData"].items():
        (folder / name).write_text(value)
    file = folder / "runner.yaml"
    file.write_text(text.replace(mounted["secrets"], str(folder)))
    env = {each["name"]: each["value"] for each in container()["env"]} | {"RUNNER_CONFIG": str(file)}
    return load(file, env)


def seconds(duration: str) -> int:
    """A duration of a compose file in whole seconds."""
    found = re.fullmatch(r"(\d+)s", duration)
    assert found, duration
    return int(found[1])
