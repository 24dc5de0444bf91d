"""The loop: what is committed when, what becomes a dead letter, and what a rebalance leaves to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from runner.clock import ManualTicker
from runner.errors import DirectoryUnavailable, LogUnavailable
from runner.kafka.message import Message
from runner.kafka.offsets import EARLIEST
from runner.notify.channels import Channel
from runner.notify.directory import Contact
from runner.notify.dispatcher import Dispatcher, RetrySettings
from runner.notify.notice import Notice
from runner.notify.notifier import RECIPIENT, DeadLetter, Notifier, NotifierSettings
from runner.notify.planning import MOST_PEOPLE, Outlets, Planner
from runner.notify.routes import RECIPIENTS, Route
from runner.notify.senders import Attempt, Senders
from runner.notify.texts import Texts, TextSettings
from runner.notify.unusable import Unusable
from runner.notify.wording import Wording
from tests.unit.notify.builders import cloud_event, message


class World:
    """A notifier, and all that it talks to, in this thread."""

    def __init__(
        self, *to: str, settings: NotifierSettings | None = None, give_up_seconds: float = 10
    ) -> None:
        self.now = ManualTicker()
        self.sent: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.people: dict[str, Contact] = {"bob": Contact("bob@example.org", "de"), "ann": Contact("a@b.org")}
        self.roles: dict[str, tuple[str, ...]] = {"manager": ("ann", "bob")}
        self.is_directory_up = True
        self.log_up = True
        self.letters: list[DeadLetter] = []
        self.refused: set[str] = set()
        """Reasons of dead letters that their topic does not take."""
        self.offsets: dict[int, int] = {}
        self.waiting: list[Message] = []
        self.paused: set[int] = set()
        self.results: Counter[str] = Counter()
        self.down: Mapping[str, str] = {}
        channels = {name: self.channel(name) for name in (*to, "mail") if name != RECIPIENTS}
        outlets = Outlets(channels, lambda mailbox: self.channel(mailbox, "mailto"), self.personal)
        texts = Texts(TextSettings(), [], [])
        planner = Planner([Route(to or ("ops",))], outlets, self, texts)
        dispatcher = Dispatcher(RetrySettings(1, 4, give_up_seconds), lambda: 1.0)
        self.senders = Senders(dispatcher, 0, self.now)
        self.notifier = Notifier(
            self, planner, self.senders, settings or NotifierSettings(drain_seconds=0), self, self.now
        )
        self.notifier.log = self

    def channel(self, name: str, kind: str = "json") -> Channel:
        def send(wording: Wording) -> str:
            if name in self.broken:
                return f"{name} is away"
            self.sent.append((name, wording.subject))
            return ""

        return Channel(name, kind, send)

    def personal(self, url: str) -> Channel:
        if url.startswith("no"):
            raise Unusable("directory", "is no address that Apprise understands", "correct it")
        return self.channel(url, url.partition(":")[0])

    def rounds(self, count: int = 6) -> None:
        """Let the loop come round so often, and everything be tried that is due."""
        left = [count]

        def should_stop() -> bool:
            while self.senders.attempt_due():
                pass
            left[0] -= 1
            return left[0] < 0

        self.notifier.run_rounds(should_stop)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now.advance(1)
            self.rounds(2)

    def receive(self, *values: Any, headers: Any = ()) -> None:
        """Let messages come on partition 0, one offset after the other."""
        begin = self._end
        self._end += len(values)
        self.waiting += [
            message(value, begin + number, headers=headers) for number, value in enumerate(values)
        ]
        self.rounds()

    _end = 0

    # -- the log
    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        del timeout_seconds
        if self.paused:
            return []
        found, self.waiting = self.waiting[:max_messages], self.waiting[max_messages:]
        return found

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        return {number: 0 if at == EARLIEST else at for number, at in positions.items()}

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        return {number: self.offsets.get(number) for number in partitions}

    def pause(self, partitions: Collection[int]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self.paused.difference_update(partitions)

    # -- the directory
    def person(self, user: str) -> Contact | None:
        if not self.is_directory_up:
            raise DirectoryUnavailable("away")
        return self.people.get(user)

    def holders(self, role: str) -> tuple[str, ...] | None:
        if not self.is_directory_up:
            raise DirectoryUnavailable("away")
        return self.roles.get(role)

    # -- what is written
    def bury(self, letters: Collection[DeadLetter]) -> None:
        if not self.log_up:
            raise LogUnavailable("away")
        if any(letter.reason in self.refused for letter in letters):
            raise LogUnavailable("too large", refused=True)
        self.letters += letters

    def commit(self, offsets: Mapping[int, int]) -> None:
        if not self.log_up:
            raise LogUnavailable("away")
        self.offsets |= offsets

    # -- the observer
    def tick(self) -> None: ...

    def partitions(self, assigned: Collection[int], *, paused: bool) -> None: ...

    def read(self, result: str) -> None:
        self.results[result] += 1

    def attempted(self, notice: Notice, recipient: str, attempt: Attempt) -> None: ...

    def buried(self, letter: DeadLetter) -> None: ...

    def log_down(self, why: str | None) -> None: ...

    def state(self, waiting: int, down: Mapping[str, str]) -> None:
        del waiting
        self.down = down

    def told(self) -> list[str]:
        return [name for name, _ in self.sent]

    def reasons(self) -> list[tuple[str, str]]:
        return [(letter.reason, letter.recipient) for letter in self.letters]


def world(*to: str, **more: Any) -> World:
    made = World(*to, **more)
    made.notifier.assigned([0])
    made.rounds(1)
    return made


def test_what_was_sent_is_committed() -> None:
    at = world("ops")
    at.receive(cloud_event(number=1), cloud_event(number=2))
    assert at.told() == ["ops", "ops"]
    assert at.offsets == {0: 2}


def test_people_get_it_once_however_many_of_their_roles_are_meant() -> None:
    at = world(RECIPIENTS, "ops")
    at.receive(cloud_event())
    assert sorted(at.told()) == ["a@b.org", "bob@example.org", "ops"]
    assert ("bob@example.org", "Neue Aufgabe: Order 7") in at.sent


def test_nothing_is_committed_before_all_before_it_is_done() -> None:
    at = world("ops", "chat")
    at.broken.add("chat")
    at.receive(cloud_event(number=1))
    at.broken.clear()
    at.receive(cloud_event(number=2) | {"subject": "t-2"})
    assert at.offsets == {}
    at.pass_time(2)
    assert at.offsets == {0: 2}
    assert Counter(at.told()) == {"ops": 2, "chat": 2}


def test_what_one_recipient_hears_of_a_task_keeps_its_order_and_other_tasks_do_not_wait() -> None:
    at = world("chat")
    at.broken.add("chat")
    at.receive(cloud_event(number=1, task={"name": "first"}))
    at.broken.clear()
    at.receive(
        cloud_event(number=2, task={"name": "second"}),
        cloud_event(number=3, task={"name": "another"}) | {"subject": "t-2"},
    )
    assert [subject for _, subject in at.sent] == ["New task: another"]
    at.pass_time(2)
    assert [subject for _, subject in at.sent][1:] == ["New task: first", "New task: second"]


def test_what_fails_for_too_long_is_a_dead_letter_with_recipient_and_reason_and_is_committed_then() -> None:
    at = world("ops", "chat")
    at.broken.add("chat")
    at.receive(cloud_event())
    at.log_up = False
    at.pass_time(15)
    assert at.offsets == {}
    at.log_up = True
    at.pass_time(2)
    assert at.reasons() == [("NOT_SENT", "channel chat")]
    assert at.letters[0].text.endswith("attempts: chat is away")
    assert at.offsets == {0: 1}


def test_a_message_that_is_none_is_a_dead_letter_and_holds_up_nothing() -> None:
    at = world("ops")
    at.receive(b"{", cloud_event(), None)
    assert [reason for reason, _ in at.reasons()] == ["NOT_JSON", "TOMBSTONE"]
    assert at.told() == ["ops"]
    assert at.offsets == {0: 3}


def test_a_dead_letter_that_the_topic_does_not_take_holds_up_no_other() -> None:
    at = world("ops")
    at.refused.add("TOMBSTONE")
    at.receive(b"{", None, b"[]")
    at.pass_time(5)
    assert sorted(reason for reason, _ in at.reasons()) == ["NOT_A_CLOUD_EVENT", "NOT_JSON"]
    assert at.offsets == {0: 1}
    at.refused.clear()
    at.pass_time(2)
    assert len(at.letters) == 3
    assert at.offsets == {0: 3}


def test_where_no_route_leads_nothing_is_sent_and_it_is_done() -> None:
    at = world("ops")
    at.notifier._planner._routes = ()
    at.receive(cloud_event())
    assert at.told() == []
    assert at.offsets == {0: 1}
    assert at.results == {"unrouted": 1}


def test_the_same_notification_is_sent_once_within_the_memory() -> None:
    at = world("ops", settings=NotifierSettings(memory=2, drain_seconds=0))
    at.receive(cloud_event(number=1), cloud_event(number=1))
    at.receive(cloud_event(number=1))
    assert at.told() == ["ops"]
    at.receive(cloud_event(number=2), cloud_event(number=3))
    at.receive(cloud_event(number=1))
    assert at.told() == ["ops"] * 4
    assert at.offsets == {0: 6}


def test_a_directory_that_is_away_is_asked_again_and_channels_go_on_meanwhile() -> None:
    at = world(RECIPIENTS, "ops")
    at.is_directory_up = False
    at.receive(cloud_event())
    assert at.told() == ["ops"]
    at.is_directory_up = True
    at.pass_time(3)
    assert sorted(at.told()) == ["a@b.org", "bob@example.org", "ops"]
    at.is_directory_up = False
    at.receive(cloud_event(number=2))
    at.pass_time(15)
    assert at.reasons() == [("DIRECTORY_DOWN", RECIPIENTS)]
    assert at.offsets == {0: 2}


def test_who_is_unknown_or_cannot_be_reached_is_a_dead_letter_the_others_are_told() -> None:
    at = world(RECIPIENTS)
    at.people["ann"] = Contact(urls=("nosuch://x", "slack://a"))
    at.people["bob"] = Contact()
    at.receive(cloud_event(recipients={"user": "zoe\r\n", "roles": ["pilot", "manager"]}))
    assert sorted(at.reasons()) == [
        ("NO_ADDRESS", "role pilot"),
        ("NO_ADDRESS", "user ann urls[0]"),
        ("NO_ADDRESS", "user zoe%0D%0A"),
    ]
    assert at.told() == ["slack://a"]
    assert at.offsets == {0: 1}


def test_a_role_of_thousands_is_refused_whole() -> None:
    at = world(RECIPIENTS)
    at.roles["manager"] = tuple(str(number) for number in range(MOST_PEOPLE + 1))
    at.receive(cloud_event())
    assert at.reasons() == [("TOO_MANY_RECIPIENTS", RECIPIENTS)]
    assert at.told() == []


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("channel ops", ["ops"]),
        ("user bob", ["bob@example.org"]),
        ("user bob mail", ["bob@example.org"]),
        ("role manager", ["a@b.org", "bob@example.org"]),
        (RECIPIENTS, ["a@b.org", "bob@example.org"]),
    ],
)
def test_a_dead_letter_that_comes_back_is_for_its_recipient_alone(only: str, told: list[str]) -> None:
    at = world(RECIPIENTS, "ops")
    at.receive(cloud_event(), headers=((RECIPIENT, only.encode()),))
    assert sorted(at.told()) == told
    assert at.offsets == {0: 1}


@pytest.mark.parametrize("only", ["channel gone", "user bob urls[3]", "role pilot", "nonsense"])
def test_one_whose_recipient_is_gone_is_a_dead_letter_again(only: str) -> None:
    at = world("ops") if only == "nonsense" else world(RECIPIENTS, "ops")
    at.receive(cloud_event(), headers=((RECIPIENT, only.encode()),))
    assert at.reasons() == [("NO_ADDRESS", only)]
    assert at.told() == []
    assert at.offsets == {0: 1}


def test_a_partition_that_is_taken_away_is_committed_as_far_as_it_is_done() -> None:
    at = world("ops", "chat")
    at.receive(cloud_event(number=1))
    at.broken.add("chat")
    at.receive(cloud_event(number=2))
    at.notifier.revoked([0])
    assert at.offsets == {0: 1}
    at.broken.clear()
    at.pass_time(20)
    assert Counter(at.told()) == {"ops": 2, "chat": 1}
    assert at.letters == []
    # It comes back: what is remembered as sent is not sent again.
    at.notifier.assigned([0])
    at._end = 1
    at.receive(cloud_event(number=2))
    assert Counter(at.told()) == {"ops": 2, "chat": 2}
    assert at.offsets == {0: 2}


def test_messages_of_a_partition_that_is_not_ours_are_left_alone() -> None:
    at = world("ops")
    at.waiting = [message(cloud_event(), 0, partition=7)]
    at.rounds()
    assert at.told() == []
    assert at.offsets == {}


def test_while_too_much_waits_nothing_is_read_and_what_is_stuck_makes_room() -> None:
    at = world("chat", settings=NotifierSettings(most_waiting=10, drain_seconds=0), give_up_seconds=10_000)
    at.broken.add("chat")
    for number in range(30):
        at.receive(cloud_event(number=number) | {"subject": f"t-{number}"})
    at.rounds(20)
    assert {reason for reason, _ in at.reasons()} == {"NO_ROOM"}
    assert len(at.letters) >= 20
    at.broken.clear()
    at.pass_time(10)
    assert len(at.letters) + len(at.sent) == 30
    assert at.offsets == {0: 30}
    assert not at.paused


def test_large_messages_count_by_their_bytes() -> None:
    settings = NotifierSettings(most_waiting_bytes=3000, drain_seconds=0)
    at = world("chat", settings=settings, give_up_seconds=10_000)
    at.broken.add("chat")
    at.receive(cloud_event(task={"name": "x" * 4000}), cloud_event(number=2))
    at.rounds(10)
    assert ("NO_ROOM", "channel chat") in at.reasons()


def test_kafka_that_is_away_is_waited_for() -> None:
    at = world("ops")
    at.log_up = False
    at.receive(cloud_event(), b"{")
    at.pass_time(3)
    assert (at.offsets, at.letters) == ({}, [])
    at.log_up = True
    at.pass_time(2)
    assert at.offsets == {0: 2}
    assert len(at.letters) == 1
    assert at.told() == ["ops"]
