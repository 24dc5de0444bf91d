"""Group metadata: whether it proves a membership, which a zombie lacks.

librdkafka returns group metadata as bytes: ``CGMDv2:``, the generation (or member epoch, KIP-848) as a native
32-bit number, then group, member and, where there is one, instance, each closed by a zero byte.
A broker takes the offsets of a transaction unchecked where generation and member are empty: this is
meant for consumers without a group, and is also what a consumer returns that has lost its session.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any, Final

from runner.errors import FatalError

_MAGIC: Final = b"CGMDv2:"
_GENERATION: Final = Struct("=i")


def is_member(metadata: bytes | None) -> bool:
    """Whether a broker checks this group metadata, and refuses it once it is outdated.

    FatalError where the client returns it in another form.
    """
    if metadata is None:
        return False
    begin, end = len(_MAGIC), len(_MAGIC) + _GENERATION.size
    if not metadata.startswith(_MAGIC) or len(metadata) < end:
        raise FatalError(
            f"this version of librdkafka gives group metadata in another form: {metadata[:16]!r}"
        )
    (generation,) = _GENERATION.unpack(metadata[begin:end])
    _, _, rest = metadata[end:].partition(b"\0")
    member, _, _ = rest.partition(b"\0")
    return generation > 0 and bool(member)


def is_incremental(consumer_properties: Mapping[str, Any]) -> bool:
    """Whether a rebalance names the partitions that change; otherwise it revokes and assigns all."""
    strategy = consumer_properties.get("partition.assignment.strategy")
    return strategy == "cooperative-sticky" or consumer_properties.get("group.protocol") == "consumer"
