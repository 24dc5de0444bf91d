"""Whose membership it is: only what a broker compares with its group is one."""

from __future__ import annotations

import struct

import pytest

from runner.errors import FatalError
from runner.kafka.group_metadata import is_member


def metadata(generation: int, member: bytes) -> bytes:
    return b"CGMDv2:" + struct.pack("=i", generation) + b"group\0" + member + b"\0\1"


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (metadata(1, b"member-1"), True),
        (metadata(70_000, b"m"), True),
        (metadata(-1, b""), False),
        (metadata(-1, b"member-1"), False),
        (metadata(0, b"member-1"), False),
        (metadata(3, b""), False),
        (None, False),
    ],
)
def test_only_a_generation_and_a_name_make_a_member(found: bytes | None, known: bool) -> None:
    assert is_member(found) is known


@pytest.mark.parametrize("found", [b"", b"CGMDv1:" + bytes(20), b"CGMDv2:\0"])
def test_another_layout_ends_the_process(found: bytes) -> None:
    with pytest.raises(FatalError, match="librdkafka"):
        is_member(found)
