"""What the assignment holds, hands out, drops and puts back."""

from __future__ import annotations

from runner.kafka.message import Message
from runner.worker.assignment import Assignment


def messages(home: int, *offsets: int, size: int = 10) -> list[Message]:
    return [Message(home, offset, None, b"x" * size) for offset in offsets]


def opened(**positions: int) -> Assignment:
    """An assignment with open homes: ``p0=5`` is home 0 at offset 5."""
    assignment = Assignment()
    at = {int(name[1:]): offset for name, offset in positions.items()}
    assignment.assigned(at)
    assignment.opened(at)
    return assignment


def taken(assignment: Assignment, max_messages: int = 100, max_bytes: int = 10_000) -> list[tuple[int, int]]:
    return [(m.partition, m.offset) for m in assignment.take(max_messages, max_bytes).messages]


def test_an_assigned_home_waits_to_be_opened_and_holds_nothing_until_then() -> None:
    assignment = Assignment()
    assignment.assigned([0, 1])
    assignment.add(messages(0, 0, 1))
    assert assignment.pending == {0, 1}
    assert assignment.backlog_count == 0
    assignment.opened({0: 7})
    assert assignment.pending == {1}
    assert assignment.positions == {0: 7}


def test_messages_are_handed_out_in_the_order_they_were_read_with_the_bases_of_their_homes() -> None:
    assignment = opened(p0=5, p1=0, p2=9)
    assignment.add([*messages(0, 5, 6), *messages(1, 0), *messages(0, 7)])
    batch = assignment.take(100, 10_000)
    assert [(m.partition, m.offset) for m in batch.messages] == [(0, 5), (0, 6), (1, 0), (0, 7)]
    assert batch.base_offsets == {0: 5, 1: 0}


def test_the_base_is_what_is_committed_not_what_was_read() -> None:
    assignment = opened(p0=5)
    assignment.add(messages(0, 5, 6, 7))
    taken(assignment, 2)
    assert assignment.take(9, 999).base_offsets == {0: 5}
    assignment.advance({0: 7})
    assignment.add(messages(0, 8))
    assert assignment.take(9, 999).base_offsets == {0: 7}


def test_a_batch_is_bound_by_number() -> None:
    assignment = opened(p0=0)
    assignment.add(messages(0, 0, 1, 2))
    assert taken(assignment, max_messages=2) == [(0, 0), (0, 1)]
    assert taken(assignment, max_messages=2) == [(0, 2)]
    assert taken(assignment) == []


def test_a_batch_is_bound_by_bytes_but_a_large_message_still_goes_alone() -> None:
    assignment = opened(p0=0)
    assignment.add([*messages(0, 0, 1, 2, size=40), *messages(0, 3, size=500), *messages(0, 4, size=1)])
    assert taken(assignment, max_bytes=100) == [(0, 0), (0, 1)]
    assert taken(assignment, max_bytes=100) == [(0, 2)]
    assert taken(assignment, max_bytes=100) == [(0, 3)]
    assert taken(assignment, max_bytes=100) == [(0, 4)]


def test_a_tombstone_weighs_nothing() -> None:
    assignment = opened(p0=0)
    assignment.add([Message(0, 0, None, None), Message(0, 1, None, None)])
    assert taken(assignment, max_bytes=0) == [(0, 0), (0, 1)]


def test_gaps_in_the_offsets_are_normal() -> None:
    assignment = opened(p0=0)
    assignment.add(messages(0, 0, 2, 17))
    assert taken(assignment) == [(0, 0), (0, 2), (0, 17)]


def test_what_was_held_of_a_revoked_home_is_dropped_and_the_rest_stays_in_order() -> None:
    assignment = opened(p0=0, p1=0)
    assignment.add([*messages(0, 0), *messages(1, 0), *messages(0, 1), *messages(1, 1)])
    assignment.paused[0] = "why"
    assignment.revoked([0])
    assert assignment.positions == {1: 0}
    assert assignment.paused == {}
    assert taken(assignment) == [(1, 0), (1, 1)]


def test_a_message_of_a_revoked_home_that_was_still_in_flight_is_dropped() -> None:
    assignment = opened(p0=0)
    assignment.revoked([0])
    assignment.add(messages(0, 0, 1))
    assert assignment.backlog_count == 0


def test_a_home_revoked_before_it_was_opened_is_not_pending_any_more() -> None:
    assignment = Assignment()
    assignment.assigned([3])
    assignment.revoked([3])
    assert assignment.pending == set()


def test_a_home_that_comes_back_begins_where_it_is_opened_anew() -> None:
    assignment = opened(p0=0)
    assignment.add(messages(0, 0, 1, 2))
    assignment.revoked([0])
    assignment.assigned([0])
    assignment.opened({0: 2})
    assignment.add(messages(0, 1, 2, 3))
    assert taken(assignment) == [(0, 2), (0, 3)]


def test_rewinding_forgets_what_was_read_and_says_where_to_read_on() -> None:
    assignment = opened(p0=5, p1=0)
    assignment.add([*messages(0, 5, 6), *messages(1, 0)])
    taken(assignment, 1)
    assert assignment.rewound({0, 3}) == {0: 5}
    assert taken(assignment) == [(1, 0)]
    assignment.add(messages(0, 5, 6))
    assert taken(assignment) == [(0, 5), (0, 6)]


def test_duplicates_after_rewinding_are_dropped() -> None:
    assignment = opened(p0=5)
    assignment.add(messages(0, 5, 6))
    assignment.rewound({0})
    assignment.add(messages(0, 3, 4, 5, 5, 6, 5, 6, 7))
    assert taken(assignment) == [(0, 5), (0, 6), (0, 7)]


def test_messages_of_a_blocked_home_are_dropped_and_come_again_after_it() -> None:
    assignment = opened(p0=0)
    assignment.paused[0] = "why"
    assignment.add(messages(0, 0, 1))
    assert assignment.backlog_count == 0
    del assignment.paused[0]
    assignment.add(messages(0, 0, 1))
    assert taken(assignment) == [(0, 0), (0, 1)]


def test_what_is_put_back_comes_first_and_in_its_order() -> None:
    assignment = opened(p0=0, p1=0)
    assignment.add([*messages(0, 0, 1), *messages(1, 0), *messages(0, 2)])
    batch = assignment.take(3, 999)
    assignment.put_back(batch.messages[1:])
    assert assignment.backlog_count == 3
    assert taken(assignment) == [(0, 1), (1, 0), (0, 2)]


def test_a_commit_moves_only_homes_that_are_still_open() -> None:
    assignment = opened(p0=0, p1=0)
    assignment.revoked([1])
    assignment.advance({0: 4, 1: 8})
    assert assignment.positions == {0: 4}


def test_the_bytes_that_are_held_follow_what_comes_goes_and_is_put_back() -> None:
    assignment = opened(p0=0, p1=0)
    assignment.add([*messages(0, 0, 1, size=10), *messages(1, 0, size=100)])
    assert assignment._backlog_bytes == 120
    batch = assignment.take(1, 1_000)
    assert assignment._backlog_bytes == 110
    assignment.put_back(batch.messages)
    assert assignment._backlog_bytes == 120
    assignment.revoked([1])
    assert assignment._backlog_bytes == 20
    assignment.rewound([0])
    assert assignment._backlog_bytes == 0


def test_what_waits_is_looked_at_in_the_order_it_is_taken_and_stays() -> None:
    assignment = opened(p0=0)
    assignment.add(messages(0, 0, 1, 2))
    assert [message.offset for message in assignment.waiting(2, 1_000)] == [0, 1]
    assert assignment.backlog_count == 3
    assert len(assignment.waiting(3, 25)) == len(taken(assignment, 3, 25)) == 2


def test_two_batches_are_read_and_none_beyond_the_bytes_of_one() -> None:
    assignment = opened(p0=0)
    assert assignment.wanted(3, 100) == 6
    assignment.add(messages(0, 0, 1, size=20))
    assert assignment.wanted(3, 100) == 4
    assert not assignment.is_batch_waiting(3, 100)
    assignment.add(messages(0, *range(2, 9), size=20))
    assert assignment.wanted(3, 1000) == 0, "not less than none"
    assert assignment.wanted(9, 100) == 0
    assert assignment.is_batch_waiting(3, 1000)
    assert assignment.is_batch_waiting(20, 100)
