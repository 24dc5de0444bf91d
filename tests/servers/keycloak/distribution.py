"""Keycloak's distribution: got with Maven, built once, and kept in the cache folder of the user.

``python -m tests.servers.keycloak.distribution`` fills the cache and prints the folder. It is built for a
database in memory and with its health endpoints. RUNNER_TEST_KEYCLOAK_VERSION takes another version.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.servers.lanes import LaneMissing

LANE: Final = "keycloak"
VERSION: Final = "RUNNER_TEST_KEYCLOAK_VERSION"
POM: Final = Path(__file__).with_name("pom.xml")
MINIMUM_JAVA: Final = 17
# All of them together, and a start, are less than the time limit of the test that waits for them.
FETCH_SECONDS: Final = 240
BUILD_SECONDS: Final = 120
BUILD_OPTIONS: Final = ("--db=dev-mem", "--health-enabled=true")
# A small heap, the simplest collector, and the quick compiler alone: little memory, and an early answer.
JVM_OPTIONS: Final = (
    "-Xms32m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+ExitOnOutOfMemoryError",
)
THREADS: Final = "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
# What the distribution's own kc.sh gives to Java. Without that script, the process is Java from the start,
# and what ends it ends the server.
LAUNCH_OPTIONS: Final = (
    "-Dfile.encoding=UTF-8",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "-Duser.language=en",
    "-Duser.country=US",
    f"-Djava.util.concurrent.ForkJoinPool.common.threadFactory={THREADS}",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Dpicocli.disable.closures=true",
)


def fetch() -> Path:
    """Return the folder of a built Keycloak, getting and building it if need be; LaneMissing if that fails.

    The folder appears under its name only when it is whole. Of two processes at once, one does the work and
    the other waits for it.
    """
    version = wanted_version()
    built = _cache_folder() / f"keycloak-{version}-{_digest()}"
    if built.is_dir():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    with (built.parent / f"{built.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.is_dir():
            _get_and_build(version, built)
    return built


def wanted_version() -> str:
    """Return the version that the environment names, else the one in pom.xml."""
    found = ET.parse(POM).getroot().findtext(".//{*}keycloak.version")  # noqa: S314 - a file of this checkout
    assert found, f"{POM} names no keycloak.version"
    return os.environ.get(VERSION) or found


def command(home: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs Keycloak in ``home``, as its script kc.sh does."""
    placed = [f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"]
    main = ["-cp", str(home / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
    return [_java(), *JVM_OPTIONS, *LAUNCH_OPTIONS, *placed, *main, *arguments]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "saga-task-runner"


def _digest() -> str:
    """Return a name for all that goes into the folder but the version."""
    return hashlib.sha256(POM.read_bytes() + repr(BUILD_OPTIONS).encode()).hexdigest()[:8]


def _get_and_build(version: str, built: Path) -> None:
    print(f"keycloak: getting and building {version} in {built}", file=sys.stderr)
    for interrupted in built.parent.glob(f".{built.name}.*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{built.name}.", dir=built.parent) as partial:
        home = Path(partial) / f"keycloak-{version}"
        _run("Maven", _maven(version, Path(partial)), FETCH_SECONDS)
        _run("its build", command(home, ["build", *BUILD_OPTIONS]), BUILD_SECONDS)
        home.rename(built)


def _maven(version: str, target: Path) -> list[str]:
    maven = shutil.which("mvn")
    if maven is None:
        raise LaneMissing(LANE, "mvn is not on PATH", "on Debian and Ubuntu: apt-get install maven")
    # The plugin marks what it has unpacked, and where it sees its mark it does nothing.
    marks = f"-DmarkersDirectory={target / 'marks'}"
    chosen = [f"-Dkeycloak.version={version}", f"-DoutputDirectory={target}", marks]
    return [maven, "--batch-mode", "--quiet", "--file", str(POM), *chosen, "dependency:unpack-dependencies"]


def _run(step: str, command_line: Sequence[str], seconds: int) -> None:
    remedy = "try again, or take another version"
    try:
        done = subprocess.run(
            command_line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LaneMissing(LANE, f"{step} did not finish within {seconds} s", remedy) from None
    if done.returncode:
        raise LaneMissing(LANE, f"{step} ended with code {done.returncode}: {done.stdout[-2000:]}", remedy)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    java = java or shutil.which("java")
    if java is None:
        raise LaneMissing(
            LANE, "java is not on PATH", "on Debian and Ubuntu: apt-get install default-jre-headless"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < MINIMUM_JAVA:
        raise LaneMissing(LANE, f"{java} is not Java {MINIMUM_JAVA} or newer", "set JAVA_HOME to one that is")
    return java


if __name__ == "__main__":
    try:
        print(fetch())
    except LaneMissing as missing:
        sys.exit(str(missing))
