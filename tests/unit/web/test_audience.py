"""The audience finds exactly those who see a task."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from runner.projection.sight import Sight, Viewer, sees
from runner.web.audience import Audience

_DOMAINS: Final = st.sampled_from(("a", "b", "c"))
_USERS: Final = st.none() | st.sampled_from(("anna", "bert"))
_ROLES: Final = st.sampled_from(("clerk", "boss", "*"))

VIEWERS: Final = st.builds(
    Viewer,
    _USERS,
    st.frozensets(_ROLES),
    st.frozensets(_DOMAINS),
    st.frozensets(_DOMAINS),
    st.frozensets(_DOMAINS),
)
SIGHTS: Final = st.builds(
    Sight,
    _DOMAINS,
    owner=_USERS,
    user=_USERS,
    roles=st.lists(_ROLES, max_size=2).map(tuple),
    took_part=st.lists(st.sampled_from(("anna", "bert")), max_size=2).map(tuple),
    starter=_USERS,
)


@given(st.lists(VIEWERS, max_size=6), st.sets(st.integers(0, 5)), st.lists(SIGHTS, max_size=6))
def test_it_answers_as_sees_does_for_each(viewers: list[Viewer], gone: set[int], sights: list[Sight]) -> None:
    audience = Audience[int]()
    for number, viewer in enumerate(viewers):
        audience.join(number, viewer)
    for number in gone & set(range(len(viewers))):
        audience.leave(number, viewers[number])
    for sight in sights:
        there = {number for number, viewer in enumerate(viewers) if sees(viewer, sight)}
        assert audience.seers(sight) == there - gone


@given(st.lists(VIEWERS, max_size=4))
def test_nothing_is_kept_of_who_left(viewers: list[Viewer]) -> None:
    audience = Audience[int]()
    for number, viewer in enumerate(viewers):
        audience.join(number, viewer)
    for number, viewer in enumerate(viewers):
        audience.leave(number, viewer)
        audience.leave(number, viewer)
    indexes = (audience._reach, audience._admins, audience._everywhere, audience._within)
    assert [len(index) for index in indexes] == [0, 0, 0, 0]


@given(st.lists(SIGHTS, min_size=1, max_size=4), VIEWERS)
def test_what_it_found_can_be_kept(sights: list[Sight], viewer: Viewer) -> None:
    """The sets are the caller's own: a later look does not change them."""
    audience = Audience[int]()
    audience.join(0, viewer)
    found = [audience.seers(sight) for sight in sights]
    before = [set(each) for each in found]
    audience.leave(0, viewer)
    assert found == before
