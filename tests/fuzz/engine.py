"""One target under atheris: ``python -m tests.fuzz.engine TARGET [arguments of libFuzzer]``.

A process of its own for each target: the fuzzer ends it however it likes. Only the code of the runner
and the pure Python that it parses with is instrumented, not the targets.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from typing import Final

import atheris

INSTRUMENTED: Final = ["runner", "jmespath", "jsonpath_ng", "yaml"]
PATIENCE: Final = 8.0
"""Instrumented code takes several times as long, and the fuzzer shares the machine."""


def main() -> None:
    """Fuzz; never returns."""
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - what it imports is to be instrumented
    target = TARGETS[name]
    # The fuzzer starts itself anew by a shell where it merges: this is how.
    program = f"{shlex.quote(sys.executable)} -m tests.fuzz.engine {name}"
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        words.write("".join(f'"{_escaped(word)}"\n' for word in target.words.split()))
        words.flush()
        atheris.Setup([program, f"-dict={words.name}", *arguments], lambda data: target.run(data, PATIENCE))
        atheris.Fuzz()


def _escaped(word: str) -> str:
    plain = set(range(0x20, 0x7F)) - set(b'"\\')
    return "".join(chr(code) if code in plain else f"\\x{code:02x}" for code in word.encode())


if __name__ == "__main__":
    main()
