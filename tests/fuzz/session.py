"""One run of the fuzzer on one target, in a process of its own: what it did, and what it found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Final

from tests.fuzz.target import MAX_BYTES, Target

HERE: Final = Path(__file__).parent
CORPUS: Final = HERE / "corpus"
"""Kept inputs, a folder for each target: together they reach all that fuzzing has reached so far."""
FOUND: Final = HERE / "found"
"""Inputs that once did what no input may do, named for it; a folder for each target."""
WORK: Final = HERE.parents[1] / ".fuzz"
"""What a run leaves behind: inputs that nobody decided to keep, failures, logs."""

HANGS_SECONDS: Final = 30
MEMORY_MB: Final = 1024
_PATIENCE_SECONDS: Final = 120.0
_COVERAGE: Final = re.compile(r"^#\d+\s.*?\bcov: (\d+)", re.MULTILINE)
_ARTIFACT: Final = re.compile(r"Test unit written to (.+)$", re.MULTILINE)
_RAISED: Final = re.compile(r"^ === Uncaught Python exception: ===\n(.+)$", re.MULTILINE)
_DIED: Final = re.compile(r"^==\d+== ERROR: libFuzzer: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    target: str
    runs: int
    coverage: int
    """Edges of the instrumented code that were reached."""
    new_inputs: int
    """Inputs that reached something for the first time in this run."""
    failure: str
    """What an input did that no input may do; empty: nothing was found."""
    saved: Path | None
    """The input."""


def fuzz(target: Target, seconds: int) -> Ran:
    """Fuzz one target, beginning from its seeds, what is kept, and what earlier runs left."""
    work = WORK / target.name
    work.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        work.joinpath(sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    said, code = _engine(
        target,
        [
            *(str(folder) for folder in (work, *kept(target)) if folder.is_dir()),
            f"-max_total_time={seconds}",
            f"-artifact_prefix={WORK}/{target.name}-",
            "-print_final_stats=1",
        ],
        seconds,
    )
    artifact = _ARTIFACT.search(said)
    return Ran(
        target.name,
        int(_figure(re.compile(r"^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE), said)),
        int(_figure(_COVERAGE, said)),
        int(_figure(re.compile(r"^stat::new_units_added:\s+(\d+)", re.MULTILINE), said)),
        _failure(said) if code else "",
        Path(artifact[1]) if artifact else None,
    )


def keep(target: Target) -> int:
    """Put into the corpus what reaches all that is reached by now, and no more; return how many inputs."""
    fresh = WORK / f"{target.name}-kept"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    folders = [str(folder) for folder in (CORPUS / target.name, WORK / target.name) if folder.is_dir()]
    said, code = _engine(target, [str(fresh), *folders, "-merge=1", "-use_counters=0"], _PATIENCE_SECONDS)
    if code or not any(fresh.iterdir()):
        raise RuntimeError(
            f"the inputs of {target.name} were not merged; see {WORK / target.name}.log\n{said[-500:]}"
        )
    shutil.rmtree(CORPUS / target.name, ignore_errors=True)
    shutil.move(fresh, CORPUS / target.name)
    return len(list((CORPUS / target.name).iterdir()))


def kept(target: Target) -> tuple[Path, Path]:
    """The folders of inputs that are part of the project."""
    return CORPUS / target.name, FOUND / target.name


def _engine(target: Target, arguments: list[str], seconds: float) -> tuple[str, int]:
    """Return what the fuzzer said, and its exit code."""
    command = [sys.executable, "-m", "tests.fuzz.engine", target.name, *arguments]
    command += [f"-timeout={HANGS_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={MAX_BYTES}"]
    log = WORK / f"{target.name}.log"
    with log.open("wb") as said, tempfile.TemporaryDirectory(dir=WORK) as scratch:
        code = subprocess.run(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            # It ends without cleaning up.
            env=os.environ | {"TMPDIR": scratch},
            check=False,
            timeout=seconds + _PATIENCE_SECONDS,
        ).returncode
    return log.read_text("utf-8", "replace"), code


def _figure(sought: re.Pattern[str], said: str) -> str:
    """Return the last figure of that kind."""
    return next(reversed(sought.findall(said)), "0")


def _failure(said: str) -> str:
    for sought in (_RAISED, _DIED):
        if found := sought.search(said):
            return found[1][:300]
    return said.strip().rpartition("\n")[2][:300] or "it ended and said nothing"
