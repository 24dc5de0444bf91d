"""The official test suite of JSON Schema, as the source package of ``jsonschema`` carries it.

Nothing of it is kept here. It is fetched with pip, in the version and with the hashes of requirements.lock.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from runner.envelope import plain
from runner.forms.closed_objects import ClosedObjects, open_schema
from runner.forms.cost import Cost
from runner.forms.form import compiled
from runner.forms.refusal import SchemaRefused
from runner.forms.tree import FORMATS, read_schema
from runner.forms.values import Measure, for_validator
from tests.unit.docs.pages import ROOT

_SUITE: Final = re.compile(r"[^/]+/json/tests/draft2020-12/(.+)\.json")
OPTIONAL: Final = {"optional/bignum", "optional/float-overflow", "optional/non-bmp-regex"}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One value, and whether a schema of the suite allows it."""

    file: str
    name: str
    schema: Any
    value: Any
    valid: bool


def fetch(folder: Path) -> Path:
    """Return the source package, fetched into a folder; RuntimeError with the remedy where that fails."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entry = re.search(r"^jsonschema==.*?(?=^\S)", lock, re.MULTILINE | re.DOTALL)
    assert entry is not None
    wanted = folder / "wanted.txt"
    wanted.write_text(entry[0], encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", "jsonschema", "--require-hashes", "--dest", str(folder), "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("jsonschema-*.tar.gz"))
    if done.returncode or not found:
        raise RuntimeError(
            "the official test suite could not be fetched: let pip reach a package index "
            f"(PIP_INDEX_URL) and run this test again\n{done.stderr[-2000:]}"
        )
    return found[0]


def cases(package: Path) -> Iterator[Case]:
    """Give the cases that apply: all mandatory ones, formats that are asserted, and exact numbers."""
    with tarfile.open(package) as archive:
        for member in archive:
            file = _SUITE.fullmatch(member.name)
            content = archive.extractfile(member) if file and _applies(file[1]) else None
            if content is not None and file is not None:
                for group in msgspec.json.decode(content.read(), type=list[dict[str, msgspec.Raw]]):
                    yield from _of_group(file[1], group)


def _applies(file: str) -> bool:
    return "/" not in file or file in OPTIONAL or file.removeprefix("optional/format/") in FORMATS


def _of_group(file: str, group: dict[str, msgspec.Raw]) -> Iterator[Case]:
    schema = plain.decode(group["schema"])
    for test in msgspec.json.decode(group["tests"], type=list[dict[str, msgspec.Raw]]):
        name = f"{json.loads(bytes(group['description']))}: {json.loads(bytes(test['description']))}"
        yield Case(file, name, schema, plain.decode(test["data"]), json.loads(bytes(test["valid"])))


def outcome(case: Case) -> str:
    """Return ``passed``, ``failed`` or, where the schema is refused, the reason.

    The author's schema is compiled as it is, without closing objects: the suite is about the language.
    """
    schema = {"allOf": [case.schema]} if isinstance(case.schema, bool) else case.schema
    try:
        tree = read_schema(plain.encode(schema))
        Cost(tree)
    except SchemaRefused as refused:
        return f"{refused.pointer}: {refused.message}"
    allowed = compiled(open_schema(ClosedObjects(tree))).is_valid(for_validator(case.value, Measure()))
    return "passed" if allowed == case.valid else "failed"
