"""Event ids say what was said, and nothing else is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.projection.sight import Viewer
from runner.web.event_id import LONGEST, EventId, digest, event_id, place_text, read_event_id, viewer_digest

ANNA: Final = Viewer("anna", frozenset({"clerk"}), frozenset({"orders"}))
_OFFSETS: Final = st.dictionaries(st.integers(0, 60), st.integers(0, 2**59), max_size=20)


@given(st.integers(0, 10**15), st.text(), _OFFSETS)
def test_an_id_is_read_as_it_was_written(build: int, topic: str, offsets: dict[int, int]) -> None:
    viewer = viewer_digest(ANNA)
    written = event_id(viewer, place_text(build, digest(topic), offsets))
    assert read_event_id(written) == EventId(viewer, build, digest(topic), offsets)
    assert written.isascii()
    assert written.isprintable()


@given(st.text() | st.from_regex(r"[0-9a-f]{12}-[0-9]+-[0-9a-f]{12}-[0-9a-f.]*", fullmatch=True))
@example("")
@example("\x00")
@example("0" * 12 + "-" + "9" * 5000 + "-" + "0" * 12 + "-")
@example("0" * 12 + "-1-" + "0" * 12 + "-" + "f" * 5000)
@example("0" * 12 + "-٣-" + "0" * 12 + "-1")
def test_any_text_is_read_or_not_and_never_an_error(text: str) -> None:
    found = read_event_id(text)
    if found is not None:
        assert all(0 <= offset < 2**60 for offset in found.offsets.values())


def test_a_text_that_is_too_long_is_no_id() -> None:
    start = event_id(viewer_digest(ANNA), "1-" + digest("t") + "-")
    assert read_event_id(start + "." * (LONGEST - len(start))) is not None
    assert read_event_id(start + "." * (LONGEST - len(start) + 1)) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(ANNA, user="bert"),
        replace(ANNA, user=None),
        replace(ANNA, roles=frozenset({"boss"})),
        replace(ANNA, roles=frozenset({"clerk", "boss"})),
        replace(ANNA, domains=frozenset({"claims"})),
        replace(ANNA, admin_of=frozenset({"orders"})),
        replace(ANNA, starter_in=frozenset({"orders"})),
    ],
)
def test_who_sees_something_else_has_another_digest(other: Viewer) -> None:
    assert viewer_digest(other) != viewer_digest(ANNA)
    assert viewer_digest(replace(ANNA, roles=frozenset(["clerk"]))) == viewer_digest(ANNA)
