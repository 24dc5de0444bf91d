"""``runner notify`` from end to end: a real Kafka, a real SMTP server and a webhook."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from runner.embedded.subprocesses import free_port
from tests.e2e.notices import NotifySite, notice, wait_for
from tests.e2e.outlets import PostOffice, Webhook
from tests.e2e.site import session_ms
from tests.servers.kafka_server import KafkaServer
from tests.waiting import until

PATIENT = {"RUNNER_NOTIFY__RETRY__GIVEUPSECONDS": "600"}
IMPATIENT = {"RUNNER_NOTIFY__RETRY__GIVEUPSECONDS": "1"}


@pytest.fixture
def post() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as service:
        yield service


@pytest.fixture
def site(kafka: KafkaServer, tmp_path: Path, post: PostOffice, hook: Webhook) -> NotifySite:
    return NotifySite(kafka, tmp_path, session_ms(kafka), (post, hook))


def titles(numbers: range) -> Counter[str]:
    return Counter(f"New task: Task {number}" for number in numbers)


def test_everybody_is_told_once_in_their_language(site: NotifySite, post: PostOffice, hook: Webhook) -> None:
    site.send(*(notice(n, task=f"t-{n % 7}") for n in range(20)))
    with site.start() as process:
        site.wait_until_done()
        assert process.signalled(signal.SIGTERM).code == 0
    assert post.by_recipient() == {"ann@example.org": 20, "bob@example.org": 20}
    assert hook.subjects() == titles(range(20))
    assert {mail.subject.partition(":")[0] for mail in post.mails if mail.to == "ann@example.org"} == {
        "Neue Aufgabe"
    }
    # One who comes later begins where the first one has committed.
    site.send(notice(20))
    with site.start() as process:
        site.wait_until_done()
        process.signalled(signal.SIGTERM)
    assert hook.subjects() == titles(range(21))
    assert "s3cr3t" not in process.out + process.err


def test_it_is_ready_with_its_partitions_and_counts_what_it_does(site: NotifySite, hook: Webhook) -> None:
    port = free_port()
    with site.start(RUNNER_HTTP__PORT=str(port)) as process:
        process.wait_for('"partitions"')
        until(lambda: _page(port, "health/ready")[0] == 200, "to be ready")
        assert _page(port, "health/live")[0] == 200
        site.send(notice(1))
        site.wait_until_done()
        metrics = _page(port, "metrics")[1]
    assert 'runner_notify_deliveries_total{channel="json",result="sent"} 1.0' in metrics
    assert 'runner_notify_deliveries_total{channel="mailto",result="sent"} 2.0' in metrics
    assert 'runner_notify_messages_total{result="routed"} 1.0' in metrics
    assert "s3cr3t" not in metrics
    assert len(hook.posts) == 1


def _page(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        refused.close()
        return refused.code, ""


def test_what_is_told_of_a_task_comes_in_its_order(site: NotifySite, hook: Webhook) -> None:
    site.send(*(notice(n, task=f"t-{n % 3}") for n in range(60)))
    with site.start():
        site.wait_until_done()
    for task in range(3):
        numbers = [int(str(p["title"]).split()[-1]) for p in hook.posts]
        of_task = [number for number in numbers if number % 3 == task]
        assert of_task == sorted(of_task)


def test_the_same_notification_is_sent_once_however_often_it_is_written(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    with site.start():
        for _ in range(3):
            site.send(notice(1))
            site.wait_until_done()
    assert post.by_recipient() == {"ann@example.org": 1, "bob@example.org": 1}
    assert hook.subjects() == titles(range(1, 2))


def test_a_mail_server_that_is_away_holds_up_mail_alone_until_it_is_back(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    post.stop()
    with site.start(**PATIENT) as process:
        site.send(*(notice(n, task=f"t-{n}") for n in range(10)))
        wait_for(10, lambda: len(hook.posts))
        process.wait_for('"channel_down"')
        assert not post.mails
        assert site.left() > 0
        post.start()
        site.wait_until_done()
        process.wait_for('"channel_not_down"')
    assert post.by_recipient() == {"ann@example.org": 10, "bob@example.org": 10}
    assert hook.subjects() == titles(range(10))
    assert not site.dead_letters()


def test_a_mailbox_that_refuses_holds_up_nobody_and_becomes_a_dead_letter(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    post.refused.add("ann@example.org")
    with site.start(**IMPATIENT):
        site.send(*(notice(n, task=f"t-{n}") for n in range(4)))
        site.wait_until_done()
    assert post.by_recipient() == {"bob@example.org": 4}
    assert len(hook.posts) == 4
    headers = site.wait_for_dead(4)
    assert {each["dead-letter-reason"] for each in headers} == {"NOT_SENT"}
    assert {each["notify-recipient"] for each in headers} == {"user ann mail"}
    assert {each["notify-channel"] for each in headers} == {"mailto"}
    assert all("550" in each["dead-letter-message"] for each in headers)


def test_a_dead_letter_that_is_replayed_goes_to_whom_it_had_not_reached(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    hook.status = 503
    with site.start(**IMPATIENT) as process:
        site.send(notice(1))
        assert site.wait_for_dead(1)[0]["notify-recipient"] == "channel hook"
        site.wait_until_done()
        process.signalled(signal.SIGTERM)
    hook.status = 200
    assert "1 sent" in site.run("dlq", "replay", "--yes").err
    # The offset after a transaction is its mark: what is done is seen by what arrives, and by a good end.
    with site.start() as process:
        wait_for(1, lambda: len(hook.posts))
        assert process.signalled(signal.SIGTERM).code == 0
    assert hook.subjects() == titles(range(1, 2))
    assert post.by_recipient() == {"ann@example.org": 1, "bob@example.org": 1}


def test_a_process_that_is_killed_loses_nothing(site: NotifySite, post: PostOffice, hook: Webhook) -> None:
    site.send(*(notice(n, task=f"t-{n}") for n in range(200)))
    for killed_after in (20, 60, 120):
        with site.start() as process:
            wait_for(killed_after, lambda: len(hook.posts))
            process.child.kill()
    with site.start():
        site.wait_until_done()
    assert set(hook.subjects()) == set(titles(range(200)))
    assert {mail.to for mail in post.mails} == {"ann@example.org", "bob@example.org"}
    for whom in ("ann@example.org", "bob@example.org"):
        told = {mail.subject.partition(": ")[2] for mail in post.mails if mail.to == whom}
        assert told == {f"Task {n}" for n in range(200)}
    assert not site.dead_letters()


def test_a_kill_while_mail_waits_repeats_at_most_what_was_not_committed(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    post.stop()
    with site.start(**PATIENT) as process:
        site.send(*(notice(n) for n in range(5)))
        wait_for(5, lambda: len(hook.posts))
        process.child.kill()
    post.start()
    with site.start(**PATIENT):
        site.wait_until_done()
    # The offset stands before the first mail that waits: at least once, as docs/notifications.md says.
    assert set(hook.subjects()) == set(titles(range(5)))
    assert max(hook.subjects().values()) <= 2
    assert post.by_recipient() == {"ann@example.org": 5, "bob@example.org": 5}


def test_two_processes_share_the_work_and_take_over_from_each_other(
    site: NotifySite, post: PostOffice, hook: Webhook
) -> None:
    with site.start() as first, site.start() as second:
        for process in (first, second):
            until(lambda p=process: _assigned(p.err) in {1, 2}, "both to have partitions")  # type: ignore[misc]
        site.send(*(notice(n, task=f"t-{n}") for n in range(60)))
        wait_for(10, lambda: len(hook.posts))
        assert first.signalled(signal.SIGTERM).code == 0
        site.wait_until_done()
        assert hook.subjects() == titles(range(60))
        assert post.by_recipient() == {"ann@example.org": 60, "bob@example.org": 60}
        site.send(*(notice(n, task=f"t-{n}") for n in range(60, 80)))
        site.wait_until_done()
        assert second.signalled(signal.SIGTERM).code == 0
    assert hook.subjects() == titles(range(80))
    assert '"sent"' in first.err
    assert '"sent"' in second.err


def _assigned(log: str) -> int:
    """How many partitions a process has, by its log."""
    found = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return max((len(each["open"]) for each in found[-1:] if each["event"] == "partitions"), default=0)


def test_what_is_no_notification_is_a_dead_letter_and_the_next_one_is_sent(
    site: NotifySite, hook: Webhook
) -> None:
    bad: list[bytes | dict[str, object] | None] = [
        None,
        b"\xff\xfe",
        b"{",
        b"[1]",
        {"specversion": "0.3"},
        notice(1) | {"type": "saga.task.exploded"},
        notice(1) | {"data": {"task": "none"}},
    ]
    with site.start():
        site.send(*bad, notice(2))
        site.wait_until_done()
    assert hook.subjects() == titles(range(2, 3))
    letters = site.dead_letters()
    assert Counter(headers["dead-letter-reason"] for headers, _ in letters) == {
        "TOMBSTONE": 1,
        "NOT_JSON": 2,
        "NOT_A_CLOUD_EVENT": 2,
        "UNKNOWN_EVENT": 1,
        "NOT_A_NOTIFICATION": 1,
    }
    assert b"\xff\xfe" in [value for _, value in letters]


def test_hostile_names_reach_people_as_harmless_text(site: NotifySite, post: PostOffice) -> None:
    name = "<script>alert(1)</script>\r\nBcc: evil@example.org\r\n\r\n@everyone \u202egnp"
    long = notice(2, task="t-2", name="x" * 900_000)
    with site.start():
        site.send(notice(1, name=name, recipients={"user": "bob", "roles": None}), long)
        site.wait_until_done()
    mail = next(each for each in post.mails if "script" in each.subject)
    assert mail.to == "bob@example.org"
    assert mail.subject == "New task: <script>alert(1)</script> Bcc: evil@example.org @everyone gnp"
    assert mail.message["Bcc"] is None
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert "<script>" not in mail.body("html")
    assert "&lt;script&gt;" in mail.body("html")
    assert "<script>" in mail.body("plain")
    assert all(len(each.message.as_bytes()) < 20_000 for each in post.mails)


def test_who_cannot_be_found_is_a_dead_letter_until_the_directory_knows_them(
    site: NotifySite, post: PostOffice
) -> None:
    with site.start() as process:
        site.send(notice(1, "reminded", recipients={"user": "zoe", "roles": ["pilot", "clerk"]}))
        headers = site.wait_for_dead(2)
        assert {each["notify-recipient"] for each in headers} == {"user zoe", "role pilot"}
        assert {each["dead-letter-reason"] for each in headers} == {"NO_ADDRESS"}
        people = json.loads(site.people.read_text())
        people["users"]["zoe"] = {"mail": "zoe@example.org"}
        people["roles"]["pilot"] = ["bob"]
        site.people.write_text(json.dumps(people))
        assert "2 sent" in site.run("dlq", "replay", "--yes").err
        wait_for(3, lambda: len(post.mails))
        assert process.signalled(signal.SIGTERM).code == 0
    assert post.by_recipient() == {"cat@example.org": 1, "zoe@example.org": 1, "bob@example.org": 1}


def test_an_address_that_cannot_work_ends_it_at_once_and_names_the_way_out(site: NotifySite) -> None:
    for command in (("notify",), ("config", "check")):
        ended = site.run(*command, RUNNER_NOTIFY__CHANNELS__HOOK="nosuch://s3cr3t")
        assert ended.code == 3
        assert "notify.channels.hook is no address that Apprise understands" in ended.err
        assert "s3cr3t" not in ended.err + ended.out


def test_a_template_with_an_error_is_named_with_its_line(site: NotifySite, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "de"
    folder.mkdir(parents=True)
    (folder / "assigned.txt").write_text("Hallo\n{{ tsak.name }}\n")
    ended = site.run("notify", RUNNER_NOTIFY__TEMPLATES=str(folder.parent))
    assert ended.code == 3
    assert "de/assigned.txt line 2: 'tsak' is undefined" in ended.err


def test_a_topic_that_is_missing_ends_it_with_the_remedy(site: NotifySite) -> None:
    ended = site.run("notify", RUNNER_TOPICS__NOTIFICATIONS="no-such-topic")
    assert ended.code == 1
    assert "there is no topic no-such-topic; run `runner topics create`" in ended.err
