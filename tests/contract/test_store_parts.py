"""A record grows by parts: written with a change, read by name, and gone with the record."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from runner.store.calls import Change, HomeCall, Verdict
from runner.tasks.parts import Life, encode_part
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import apply, closed, key_in, opened, started
from tests.contract.subjects import Subject

LIFE: Final = Life(revision=2, opened=1, source="1/0@5", history=1, comments=2)
WRITTEN: Final = {"life": encode_part(LIFE), "history/1": b"{}", "comment/1": b"[]", "comment/2": b"\xff"}


def commented(store: Subject, number: int = 0) -> Record:
    """Start a task, and write parts of it as a verb does."""
    before = started(store, opened(key_in(store, 0, number), Source(1, 0, number)))
    after = structs.replace(before, revision=2, life=LIFE)
    change = Change(before.key, before, after, parts=WRITTEN)
    assert apply(store, HomeCall(0, 0), change) is Verdict.APPLIED
    return after


def loaded(store: Subject, record: Record, *names: str) -> Record | None:
    return store.load(1, [(record.key, Source(1, 0, 900))], parts={record.key: names}).records[record.key]


def whole(store: Subject, record: Record) -> Record | None:
    [stored] = store.whole_records([record.key])
    return stored


class TestParts:
    def test_life_is_always_read_and_other_parts_by_their_names(self, store: Subject) -> None:
        record = commented(store)
        others = commented(store, 1)
        assert loaded(store, record) == record
        assert loaded(store, record, "comment/2", "comment/9") == structs.replace(
            record, parts={"comment/2": b"\xff"}
        )
        reads = [(each.key, Source(1, 0, 900)) for each in (others, record)]
        both = store.load(1, reads, parts={record.key: ["history/1"]}).records
        assert both == {record.key: structs.replace(record, parts={"history/1": b"{}"}), others.key: others}

    def test_a_whole_record_has_all_its_parts(self, store: Subject) -> None:
        record = commented(store)
        plain = started(store, opened(key_in(store, 1), Source(1, 0, 8)))
        parts = {name: part for name, part in WRITTEN.items() if name != "life"}
        assert store.whole_records([plain.key, record.key]) == [plain, structs.replace(record, parts=parts)]

    def test_parts_are_replaced_and_taken_away_one_by_one(self, store: Subject) -> None:
        record = commented(store)
        after = structs.replace(record, revision=3)
        change = Change(record.key, record, after, parts={"comment/1": b"new", "comment/2": None})
        assert apply(store, HomeCall(0, 0), change) is Verdict.APPLIED
        assert whole(store, after) == structs.replace(after, parts={"comment/1": b"new", "history/1": b"{}"})

    def test_a_refused_call_writes_no_part(self, store: Subject) -> None:
        record = commented(store)
        other = structs.replace(record, revision=7)
        change = Change(record.key, other, structs.replace(record, revision=8), parts={"comment/1": b"no"})
        assert apply(store, HomeCall(0, 0), change) is Verdict.CONFLICT
        assert loaded(store, record, "comment/1") == structs.replace(record, parts={"comment/1": b"[]"})

    def test_the_end_leaves_the_parts_and_removal_takes_them(self, store: Subject) -> None:
        record = commented(store)
        ended = closed(record, Source(1, 0, 9))
        assert apply(store, HomeCall(0, 0), Change(record.key, record, ended)) is Verdict.APPLIED
        assert loaded(store, ended, "comment/1") == structs.replace(ended, parts={"comment/1": b"[]"})
        assert apply(store, HomeCall(0, 0), Change(record.key, ended, None, remove=True)) is Verdict.APPLIED
        assert whole(store, record) is None
        started(store, opened(record.key, Source(1, 0, 10)))
        assert loaded(store, record, "comment/1", "history/1") == store.record(record.key)
