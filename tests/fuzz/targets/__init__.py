"""What is fuzzed, by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import batches, config, decide, decode, inputs, patterns, schemas, stored

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        decode.TARGET,
        decide.TARGET,
        batches.TARGET,
        inputs.TARGET,
        patterns.TARGET,
        stored.TARGET,
        config.TARGET,
        schemas.TARGET,
    )
}
