"""Any text as the configuration file, any variables as its environment: settings, or problems to read.

YAML, then NAME=value after each byte 0
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import runner
from runner.config import load
from runner.config.problems import ConfigError
from tests.fuzz.target import Target

DEFAULTS: Final = Path(runner.__file__).parents[1] / "config" / "runner.yaml"


def check(data: bytes) -> None:
    """Load it. Every problem is one line, names the way out, and can be printed."""
    text, *variables = data.split(b"\x00")
    pairs = (variable.decode("utf-8", "ignore").partition("=") for variable in variables)
    folder().joinpath("runner.yaml").write_bytes(text)
    before = Path.cwd()
    os.chdir(folder())
    try:
        load(Path("runner.yaml"), {name: value for name, _, value in pairs if name})
    except ConfigError as error:
        check_problems(error)
    finally:
        os.chdir(before)


def check_problems(error: ConfigError) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.what.strip()
        assert problem.remedy.strip()
        assert str(problem).isprintable(), str(problem)
        str(problem).encode()


@cache
def folder() -> Path:
    """Where the file stands, and nothing else that a setting could name."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-config-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def seeds() -> Iterable[bytes]:
    """The defaults, section by section, and YAML that is odd."""
    text = DEFAULTS.read_text("utf-8")
    sections = [""]
    for line in text.splitlines():
        bare = line.partition(" #")[0].rstrip()
        if not bare.strip() or bare.lstrip().startswith("#"):
            continue
        if not bare.startswith((" ", "-")):
            sections.append("")
        sections[-1] += bare + "\n"
    yield from (section.encode() for section in sections)
    yield "".join(sections).encode()
    for odd in ODD:
        yield odd.encode()


ODD: Final = (
    "[a, b]",
    "kafka: &a {brokers: *a}",
    "domains: &d [*d]",
    "a: &a [x, x]\nb: &b [*a, *a]\nkafka: {brokers: [*b, *b]}",
    "{? [1, 2] : 3}",
    "? {a: b}\n: c",
    "1: 2\nnull: 3\ntrue: 4\n2026-01-02: 5",
    "kafka: {brokers: 2026-13-45}",
    "kafka: {brokers: !!binary aGVsbG8=}",
    "kafka: !!python/object:os.system x",
    "kafka: {brokers: .nan, properties: {a: .inf, b: 0x1F, c: 1_000, d: 0o7, e: 1:30}}",
    'redis: {url: "redis://a:b@[::1"}',
    "redis: {url: 'redis://h:99999/x?y=1', sentinel: {master: m, nodes: [a:b]}}",
    "redis: {passwordFile: secret, password: p}",
    "domains: {orders: {retention: -1}, 'a b': {}, 3: {}}\nmeta: {domain: {default: x}}",
    "topics: {requests: r, responses: r, deadLetters: r, tasks: r}",
    "inputs: {in: {topic: t, action: ProceedTask, domain: x, parameters: {a: [1]}}}",
    "encoding: {requests: avro}\nschemaRegistry: {url: 'http://x:y@z'}",
    "<<: {a: b}\nkafka: {<<: *x}",
    "kafka: {brokers: a}\nkafka: {brokers: b}",
    "--- a\n--- b",
    "%YAML 9.9\n---\na: b",
    "a:\tb",
    "\ufeffkafka: {}",
    "kafka: {}\x00RUNNER_KAFKA__BROKERS=a:1\x00RUNNER_REDIS__URL=x",
    "kafka: []\x00RUNNER_KAFKA__BROKERS=[1\x00RUNNER_TASK__NOTHING=1\x00RUNNER_DOMAINS={a: {}}",
)
WORDS: Final = """
    kafka: redis: topics: domains: inputs: encoding: schemaRegistry: meta: properties: secretFiles:
    passwordFile: sentinel: cluster: &a *a <<: ? !!binary !!set !!omap !!pairs !!timestamp !!float --- RUNNER_
"""
TARGET: Final = Target(
    "config",
    "any YAML as the configuration, any variables as its environment",
    check,
    seeds,
    WORDS,
)
