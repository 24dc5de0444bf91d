"""What is kept of the changelog: the last of each task, and no more than fits."""

from random import Random
from typing import Final

from runner.changelog.snapshot import ChangelogRecord, ChangelogSnapshot

HOMES: Final = (1, 2)


def value(number: int, key: int) -> bytes:
    return f"{number} of {key}".encode().ljust(100, b".")


def some_changelog(tasks: int) -> tuple[list[ChangelogRecord], dict[bytes, bytes]]:
    """A changelog of so many tasks, and what is to be found in it."""
    rng = Random(5)
    told: list[ChangelogRecord] = []
    last: dict[bytes, bytes] = {}
    for number in range(tasks * 4):
        task = rng.randrange(tasks)
        key, home = str(task).encode(), rng.choice((1, 2, 3, None))
        message = ChangelogRecord(key, None if home is None else value(number, task), home)
        told.append(message)
        last.pop(key, None)
        if message.value is not None and home in HOMES:
            last[key] = message.value
    return told, last


def read(kept: ChangelogSnapshot, changelog: list[ChangelogRecord]) -> tuple[dict[bytes, bytes], int, int]:
    """Return all that is told, how often the changelog was read for it, and the most that was kept."""
    found: dict[bytes, bytes] = {}
    reads = most = 0
    while True:
        reads += 1
        for first in range(0, len(changelog), 10):
            kept.take(changelog[first : first + 10])
            most = max(most, len(kept.values))
        assert not found.keys() & kept.values.keys()
        found |= kept.values
        if not kept.next_part():
            return found, reads, most


def test_the_last_message_of_each_task_of_these_homes_is_told() -> None:
    changelog, last = some_changelog(200)
    assert read(ChangelogSnapshot(HOMES), changelog)[:2] == (last, 1)


def test_what_does_not_fit_is_told_by_reading_again() -> None:
    changelog, last = some_changelog(800)
    found, reads, most = read(ChangelogSnapshot(HOMES, limit_bytes=20_000), changelog)
    assert found == last
    assert 1 < reads <= 16
    assert most < len(last) / 2


def test_one_task_too_large_by_itself_is_told_all_the_same() -> None:
    large = [ChangelogRecord(b"a", b"x" * 50_000, 1), ChangelogRecord(b"b", b"y", 1)]
    assert read(ChangelogSnapshot(HOMES, limit_bytes=10_000), large)[0] == {b"a": b"x" * 50_000, b"b": b"y"}


def test_a_key_that_no_runner_has_written_is_of_no_part_and_does_no_harm() -> None:
    kept = ChangelogSnapshot(HOMES)
    kept.take([ChangelogRecord(b"orders%a\xff:1", b"x", None), ChangelogRecord(b"orders:1", b"y", 1)])
    assert (kept.values, kept.parts) == ({b"orders:1": b"y"}, {})
