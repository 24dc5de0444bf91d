"""Event ids: where a stream is, as text that its client hands back in ``Last-Event-ID``.

An id says whose stream it was, of which build and topic, and the offset of every partition of the changelog:
``viewer-build-topic-offsets``. It keeps no secret and is believed in nothing: an id that somebody made up
tells its maker less, never more, since what a stream tells is decided by who listens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from runner.projection.sight import Viewer

LONGEST: Final = 32_768
"""Longer texts are no ids: some 2,000 partitions have place in it."""

_DIGEST_BYTES: Final = 6
_ID: Final = re.compile(
    r"([0-9a-f]{12})-([0-9]{1,18})-([0-9a-f]{12})-((?:[0-9a-f]{1,15})?(?:\.(?:[0-9a-f]{1,15})?)*)"
)


@dataclass(frozen=True, slots=True)
class EventId:
    """Where a stream is."""

    viewer: str
    """``viewer_digest`` of whoever listened."""
    build: int
    topic: str
    """``digest`` of the topic's id."""
    offsets: Mapping[int, int]
    """What comes next in each partition that is known."""


def event_id(viewer: str, place: str) -> str:
    """Return the id of a viewer's stream at a place."""
    return f"{viewer}-{place}"


def place_text(build: int, topic: str, offsets: Mapping[int, int]) -> str:
    """Return a place as ids have it: the same for all viewers, so that it is written once."""
    listed = range(max(offsets, default=-1) + 1)
    return f"{build}-{topic}-" + ".".join(
        f"{offsets[shard]:x}" if shard in offsets else "" for shard in listed
    )


def read_event_id(text: str) -> EventId | None:
    """Return what an id says; None for anything that ``event_id`` does not make."""
    found = _ID.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    viewer, build, topic, offsets = found.groups()
    listed = enumerate(offsets.split("."))
    return EventId(viewer, int(build), topic, {shard: int(each, 16) for shard, each in listed if each})


def digest(text: str) -> str:
    """Return a short stand-in for a text, as ids have it."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def viewer_digest(viewer: Viewer) -> str:
    """Return a short stand-in for all that says what a viewer sees: who sees something else has another."""
    sets = (viewer.roles, viewer.domains, viewer.admin_of, viewer.starter_in)
    return digest(repr((viewer.user, *(sorted(each) for each in sets))))
