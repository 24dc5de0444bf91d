"""``runner dlq``: what a real worker buried is listed, shown and sent back, each letter once."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from confluent_kafka import Producer

from runner.cli.dlq.letters import REPLAY_OF, REPLAYED
from runner.cli.dlq.replay_command import connect_replayer, replay_of
from runner.config import load
from runner.errors import FatalError
from runner.kafka.reader import read_topics
from tests.e2e.site import Site
from tests.e2e.terminal import Finished, Terminal
from tests.e2e.typed import failed, rows
from tests.waiting import until

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")

EVIL: Final = b'{"a": "\xc2\x9b31mred\x1b[2J"'  # no JSON, and it would clear the screen
NO_TEXT: Final = b"\xff\x00\x1b]0;title\x07"
NO_ENVELOPE: Final = b"[1, 2, 3]"
AGAIN: Final = ("dlq", "replay", "--yes", "--json")


@pytest.fixture(scope="module")
def buried(terminal_and_site: tuple[Terminal, Site]) -> tuple[Terminal, Site]:
    """A terminal and its site, with three dead letters of three reasons."""
    terminal, site = terminal_and_site
    sent = ((EVIL, 0), (NO_TEXT, 1), (NO_ENVELOPE, 2))
    bury(site, [Odd(value, partition, f"k-{partition}".encode()) for value, partition in sent])
    return terminal, site


class Odd:
    """A message that no worker can handle."""

    def __init__(self, value: bytes | None, partition: int, key: bytes | None = None) -> None:
        self.value, self.partition, self.key = value, partition, key
        self.headers: list[tuple[str, bytes]] = [("mine", b"\xfe\x00"), ("mine", b"two")]


def bury(site: Site, odds: list[Odd]) -> None:
    """Send these and wait until they are among the dead letters."""
    before = sum(site.ends(site.dead_letters).values())
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    for odd in odds:
        producer.produce(site.requests, odd.value, odd.key, odd.partition, headers=list(odd.headers))
    assert producer.flush(30) == 0
    wanted = before + len(odds)
    until(lambda: sum(site.ends(site.dead_letters).values()) >= wanted, "dead letters")


def objects(finished: Finished) -> list[dict[str, Any]]:
    assert finished.code == 0, finished.err
    return [json.loads(line) for line in finished.out.splitlines()]


def all_of(site: Site, topic: str) -> list[Any]:
    """Everything that is committed in a topic."""
    config = load(None, site.environment())
    with read_topics(config, [topic], from_beginning=True) as reader:
        return list(reader.rest())


def test_dead_letters_are_listed_with_where_from_and_why(buried: tuple[Terminal, Site]) -> None:
    terminal, site = buried

    listed = objects(terminal.run("dlq", "list", "--json"))
    told = {each["reason"]: each for each in listed if each["key"].startswith("k-")}
    assert set(told) == {"NOT_JSON", "NOT_UTF8", "NOT_AN_ENVELOPE"}
    assert told["NOT_UTF8"]["source"]["topic"] == site.requests
    assert (told["NOT_UTF8"]["source"]["partition"], told["NOT_UTF8"]["bytes"]) == (1, len(NO_TEXT))
    assert told["NOT_UTF8"]["place"] == f"{told['NOT_UTF8']['partition']}@{told['NOT_UTF8']['offset']}"

    # Other tests bury letters here as well.
    reasons = Counter(each["reason"] for each in listed)
    chosen = terminal.run("dlq", "list", "--reason", "not_json", "--reason", "NOT_UTF8", "--since", "1h")
    assert {row[4] for row in rows(chosen)[1:]} == {"NOT_JSON", "NOT_UTF8"}
    assert f"{reasons['NOT_JSON'] + reasons['NOT_UTF8']} dead letters: " in chosen.err
    assert f"{reasons['NOT_JSON']} NOT_JSON" in chosen.err
    newest = terminal.run("dlq", "list", "--limit", "1")
    assert len(rows(newest)) == 2
    assert "the newest 1 are shown" in newest.err
    assert all(f"{count} {reason}" in newest.err for reason, count in reasons.items())


def test_times_choose_what_was_buried_then(buried: tuple[Terminal, Site]) -> None:
    terminal, _ = buried
    before = terminal.run("dlq", "list", "--until", "1h")
    assert (before.code, before.out) == (0, "")
    assert "no such dead letter" in before.err
    assert objects(terminal.run("dlq", "list", "--since", "2099-01-01", "--json")) == []
    wrong = terminal.run("dlq", "list", "--since", "soon")
    assert wrong.code == 2
    assert "is no time" in wrong.err


def test_a_dead_letter_is_shown_without_harm_to_the_terminal(buried: tuple[Terminal, Site]) -> None:
    terminal, site = buried
    places = {each["reason"]: each["place"] for each in objects(terminal.run("dlq", "list", "--json"))}

    evil = terminal.run("dlq", "show", places["NOT_JSON"])
    assert evil.code == 0, evil.err
    assert r"\x1b[2J" in evil.out
    assert r"\x9b31m" in evil.out
    assert not {"\x1b", "\x9b", "\x07"} & set(evil.out)
    assert "mine: 0xfe00" in evil.out
    odd = terminal.run("dlq", "show", f"{site.dead_letters}/{places['NOT_UTF8']}")
    assert "ff 00 1b 5d 30" in odd.out
    assert terminal.run("dlq", "show", places["NOT_AN_ENVELOPE"]).out.endswith("[\n  1,\n  2,\n  3\n]\n")

    [described] = objects(terminal.run("dlq", "show", places["NOT_UTF8"], "--json"))
    assert described["valueBase64"] == "/wAbXTA7dGl0bGUH"
    assert described["headers"][:2] == [
        {"name": "mine", "valueBase64": "/gA="},
        {"name": "mine", "value": "two"},
    ]
    terminal.shell(f"runner dlq show {places['NOT_UTF8']} --raw > letter.bin")
    assert (terminal.folder / "letter.bin").read_bytes() == NO_TEXT


def test_a_place_where_nothing_stands_is_said(buried: tuple[Terminal, Site]) -> None:
    terminal, site = buried
    failed(terminal.run("dlq", "show", "0@999999"), 1, f"no message at 0@999999 of {site.dead_letters}")
    failed(terminal.run("dlq", "show", "77@0"), 1, "there is no message at 77@0")
    wrong = terminal.run("dlq", "show", "elsewhere/0@1")
    assert wrong.code == 2
    assert "is no place" in wrong.err


@pytest.fixture
def broken(make_site: Callable[..., Site]) -> tuple[Terminal, Site]:
    """A site whose worker takes only small events: what was buried is fine for one that takes more."""
    site = make_site()
    site.create_topics()
    terminal = Terminal(site.folder, site.environment())
    with terminal.start(
        "worker", RUNNER_LIMITS__EVENTBYTES="1024", RUNNER_LIMITS__POISONINAROW="0"
    ) as worker:
        worker.wait_for('"open": [0, 1, 2, 3]')
        bury(site, [Odd(event(number), number % 4, f"r-{number}".encode()) for number in range(6)])
        bury(site, [Odd(b"nonsense", 1)])
    return terminal, site


def event(number: int) -> bytes:
    return json.dumps(
        {
            "requestMeta": {"id": f"r-{number}"},
            "eventMeta": {"action": "StartTask", "domain": "default"},
            "payload": {"taskId": f"t-{number}", "text": "x" * 2000},
        }
    ).encode()


def test_replayed_letters_are_the_originals_and_go_once(broken: tuple[Terminal, Site]) -> None:
    terminal, site = broken
    before = all_of(site, site.requests)

    dry = terminal.run("dlq", "replay", "--reason", "TOO_LARGE")
    assert dry.code == 0, dry.err
    assert [row[-3:] for row in rows(dry)[1:]] == [["would", "be", "sent"]] * 6
    assert "6 would be sent; repeat the command with --yes" in dry.err
    assert len(all_of(site, site.requests)) == len(before)

    some = objects(terminal.run(*AGAIN, "--reason", "TOO_LARGE", "--limit", "4"))
    assert [each["outcome"] for each in some] == ["sent"] * 4
    rest = terminal.run(*AGAIN, "--reason", "TOO_LARGE")
    assert len(objects(rest)) == 2
    assert "2 sent, 4 replayed before" in rest.err
    assert objects(terminal.run(*AGAIN, "--reason", "TOO_LARGE")) == []

    replayed = [seen for seen in all_of(site, site.requests) if REPLAYED in seen.headers]
    originals = {seen.key: seen for seen in before if seen.key}
    assert sorted(seen.key for seen in replayed) == [f"r-{n}" for n in range(6)]
    for seen in replayed:
        original = originals[seen.key]
        assert (seen.partition, seen.raw_key, seen.value) == (
            original.partition,
            original.raw_key,
            original.value,
        )
        assert seen.raw_headers[:-1] == original.raw_headers
        assert seen.headers[REPLAYED].startswith(f"{site.dead_letters}/")
    listed = objects(terminal.run("dlq", "list", "--json"))
    assert [each["reason"] for each in listed if not each["replayed"]] == ["NOT_JSON"]

    with terminal.start("worker"):
        until(lambda: sum(site.ends(site.responses).values()) >= 6, "replies")
    statuses = [seen.status for seen in all_of(site, site.responses)]
    assert statuses == ["ACK"] * 6

    once_more = objects(terminal.run(*AGAIN, "--reason", "NOT_JSON", "--again"))
    assert len(once_more) == 1


@pytest.fixture
def by_hand(site: Site) -> tuple[Terminal, Site]:
    """A site without a worker, and seven dead letters as a worker would leave them."""
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    for number in range(7):
        headers: list[Any] = [
            ("dead-letter-topic", site.requests.encode()),
            ("dead-letter-partition", b"%d" % (number % 4)),
            ("dead-letter-offset", b"%d" % number),
            ("dead-letter-reason", b"NOT_JSON"),
        ]
        producer.produce(site.dead_letters, b"odd", f"r-{number}", number % 4, headers=headers)
    assert producer.flush(30) == 0
    return Terminal(site.folder, site.environment()), site


def test_a_replay_that_another_overtakes_ends_and_nothing_goes_twice(by_hand: tuple[Terminal, Site]) -> None:
    """The second one begins when the first has read what was replayed, and not sent yet."""
    terminal, site = by_hand
    config = load(None, site.environment())
    send = connect_replayer(config)
    [letter, *_] = all_of(site, site.dead_letters)
    assert len(objects(terminal.run(*AGAIN))) == 7

    with pytest.raises(FatalError, match="another replay of these dead letters was started"):
        send([replay_of(letter, 4)])
    sent = [seen.headers[REPLAYED] for seen in all_of(site, site.requests) if REPLAYED in seen.headers]
    assert len(sent) == len(set(sent)) == 7


def test_a_letter_its_topic_refuses_stays_and_the_others_go(by_hand: tuple[Terminal, Site]) -> None:
    terminal, site = by_hand
    site.set_limit(site.requests, 4000)
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    headers: list[Any] = [("dead-letter-topic", site.requests.encode()), ("dead-letter-reason", b"TOO_LARGE")]
    producer.produce(site.dead_letters, b"x" * 9000, "large", 0, headers=headers)
    producer.produce(site.dead_letters, b"x", "foreign", 0, headers=[("dead-letter-topic", b"elsewhere")])
    producer.flush(30)

    ended = terminal.run(*AGAIN, "--reason", "NOT_JSON", "--reason", "TOO_LARGE", "--reason", "-")

    failed(
        ended,
        1,
        "dead letters could not be sent; they stay",
        "1 from elsewhere, which this runner does not read",
    )
    outcomes = {each["key"]: each["outcome"] for each in map(json.loads, ended.out.splitlines())}
    assert "too large" in outcomes.pop("large").lower()
    assert set(outcomes.values()) == {"sent"}
    assert len(outcomes) == 7


def test_without_transactions_letters_go_back_as_well(by_hand: tuple[Terminal, Site]) -> None:
    terminal, site = by_hand
    sent = terminal.run(*AGAIN, RUNNER_DELIVERY="at_least_once")
    assert len(objects(sent)) == 7
    assert objects(terminal.run(*AGAIN)) == []
    notes = [seen for seen in all_of(site, site.dead_letters) if REPLAY_OF in seen.headers]
    assert len(notes) == 7
