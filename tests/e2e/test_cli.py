"""The command line against a real Kafka and Redis: what is typed, what is printed, how it ends."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import ConfigResource, ResourceType

from runner.cli.topics_command import LARGEST_DEAD_LETTER_BYTES
from runner.config import Config
from tests.e2e.site import Site
from tests.e2e.terminal import Running, Terminal
from tests.e2e.typed import failed, lines, proceed, rows, start
from tests.servers.kafka_server import KafkaServer
from tests.waiting import until

RECORD_SCHEMA = Path(__file__).parents[2] / "schemas" / "record.schema.json"
NOWHERE = "127.0.0.1:1"
WAIT_SECONDS = 60


@pytest.fixture
def terminal(site: Site) -> Terminal:
    """A terminal at a site whose topics are there; no worker runs."""
    return Terminal(site.folder, site.environment())


@pytest.fixture
def bare_terminal(make_site: Callable[..., Site]) -> tuple[Terminal, Site]:
    """A terminal at a site without topics."""
    site = make_site()
    return Terminal(site.folder, site.environment()), site


@pytest.fixture
def worker(terminal: Terminal) -> Iterator[Running]:
    """A worker that owns every home of the site."""
    with terminal.start("worker") as running:
        running.wait_for('"open": [0, 1, 2, 3]')
        yield running


def test_a_task_from_start_to_end(terminal: Terminal, worker: Running, site: Site) -> None:
    started = terminal.run(
        "send", "--wait", "-", stdin=lines(start("t-1", taskRoles="manager", timeout="600000"))
    )
    assert started.code == 0, started.err
    sent, reply = rows(started)[1], rows(started)[3]
    assert sent[:3] == ["1", "start-t-1", "StartTask"]
    assert " ".join(sent[5:]) == "its key's partition"
    assert reply[2:] == ["start-t-1", "reply", "ACK", "t-1"]
    home = sent[3]

    shown = dict(line.split(maxsplit=1) for line in terminal.run("task", "show", "t-1").out.splitlines())
    assert (shown["state"], shown["home"], shown["roles"]) == ("UNASSIGNED", f"partition {home}", "manager")
    assert ", in 9 min " in shown["deadline"]

    refused = terminal.run("send", "--wait", "-", stdin=lines(proceed("t-1", "p-1", "clerk")))
    failed(refused, 1, "1 of the replies say FAIL")
    assert rows(refused)[3][2:] == ["p-1", "reply", "FAIL", "14", "t-1"]
    assert " ".join(rows(refused)[4]).endswith(
        "may not finish this task; it waits for one of the roles manager"
    )

    accepted = terminal.run("send", "--wait", "-", stdin=lines(proceed("t-1", "p-2")))
    assert accepted.code == 0, accepted.err
    assert rows(accepted)[1][3] == home
    assert " ".join(rows(accepted)[1][5:]) == "the home of its task"

    record = json.loads(terminal.run("task", "show", "t-1", "--json").out)
    assert (record["id"], record["domain"], record["state"]["status"]) == ("t-1", "default", "PROCEEDED")
    jsonschema.validate(record, json.loads(RECORD_SCHEMA.read_text()))

    seen = terminal.run("tail", "--from-beginning", "--max", "4", "--json").out.splitlines()
    told = [json.loads(line) for line in seen]
    assert sorted((each["key"], each["kind"], each["status"]) for each in told) == [
        ("p-1", "reply", "FAIL"),
        ("p-2", "reply", "SUCCESS"),
        ("start-t-1", "reply", "ACK"),
        ("start-t-1", "resume", "PROCEEDED"),
    ]
    assert {each["topic"] for each in told} == {site.responses}
    assert all(each["event"]["result"]["status"] == each["status"] for each in told)

    assert worker.signalled(signal.SIGTERM).code == 0


def test_topics_are_created_and_left_as_they_are(bare_terminal: tuple[Terminal, Site]) -> None:
    terminal, site = bare_terminal

    created = terminal.run("topics", "create", "--partitions", "3", "--replication", "1")
    assert created.code == 0, created.err
    assert created.out.splitlines() == [
        f"{name} created with 3 partitions" for name in (site.requests, site.responses, site.dead_letters)
    ]
    assert max_message_bytes(site.kafka, site.dead_letters) == LARGEST_DEAD_LETTER_BYTES

    again = terminal.run("topics", "create", "--partitions", "5")
    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines() == [
        f"{name} exists with 3 partitions; left as it is"
        for name in (site.requests, site.responses, site.dead_letters)
    ]


def test_topics_of_response_streams_and_inputs_are_created_as_well(make_site: Callable[..., Site]) -> None:
    site = make_site()
    streams, inputs = (
        [f"stream-{site.name}"],
        {f"input-{site.name}": {"action": "TimeoutTask", "domain": "default"}},
    )
    settings = {"RUNNER_RESPONSES__STREAMS": json.dumps(streams), "RUNNER_INPUTS": json.dumps(inputs)}
    terminal = Terminal(site.folder, {**site.environment(), **settings})

    created = terminal.run("topics", "create", "--partitions", "2", "--json")

    assert created.code == 0, created.err
    names = (site.requests, site.responses, site.dead_letters, *streams, *inputs)
    assert [json.loads(line) for line in created.out.splitlines()] == [
        {"topic": name, "partitions": 2, "created": True} for name in names
    ]


def test_dead_letters_that_cannot_take_everything_are_pointed_out(terminal: Terminal, site: Site) -> None:
    noted = terminal.run("topics", "create")

    assert noted.code == 0
    assert f"note: max.message.bytes of {site.dead_letters}" in noted.err


def test_a_topic_the_broker_refuses_is_named(bare_terminal: tuple[Terminal, Site]) -> None:
    terminal, site = bare_terminal

    failed(
        terminal.run("topics", "create", "--replication", "99"), 1, f"topic {site.requests} cannot be created"
    )


def max_message_bytes(kafka: KafkaServer, topic: str) -> int:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = kafka.admin()
    until(lambda: topic in admin.list_topics(timeout=30).topics, f"topic {topic}")
    found = admin.describe_configs([resource])[resource].result(30)
    return int(found["max.message.bytes"].value)


def test_many_events_are_sent_in_their_order(terminal: Terminal, site: Site) -> None:
    events = [start(f"t-{number}") for number in range(2000)]
    file = site.folder / "events.jsonl"
    file.write_text(lines(*events))

    sent = terminal.run("send", str(file))

    assert sent.code == 0, sent.err
    assert "2000 of 2000 events sent in" in sent.err
    assert [row[:2] for row in rows(sent)[1:]] == [[str(n + 1), f"start-t-{n}"] for n in range(2000)]
    assert sum(site.ends(site.requests).values()) == 2000


def test_programs_are_told_of_every_event_and_the_sum(terminal: Terminal, site: Site) -> None:
    told = terminal.run("send", "--json", "-", stdin=lines(start("t-1"), start("t-2")))
    first, second, summary = (json.loads(line) for line in told.out.splitlines())
    assert (first["type"], first["line"], first["key"], first["home"]) == ("event", 1, "start-t-1", None)
    assert {second["offset"], second["partition"]} <= {0, 1, 2, 3}
    assert {name: summary[name] for name in ("type", "events", "sent", "refused")} == {
        "type": "summary",
        "events": 2,
        "sent": 2,
        "refused": 0,
    }

    dry = terminal.run("send", "--dry-run", "--json", "-", stdin=lines(start("t-3")))
    assert [json.loads(line)["offset"] for line in dry.out.splitlines()] == [None]
    assert sum(site.ends(site.requests).values()) == 2


def test_nothing_is_sent_where_one_line_is_no_event(terminal: Terminal, site: Site) -> None:
    refused = terminal.run("send", "-", stdin=lines(start("t-1")) + "nonsense\n" + lines(start("t-2")))

    failed(refused, 1, "standard input has lines that are no events; nothing was sent", "line 2: ")
    assert refused.out == ""
    assert sum(site.ends(site.requests).values()) == 0


def test_an_event_too_large_for_the_topic_is_named(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.create_topics({"max.message.bytes": "2000"})
    large = start("t-2") | {"payload": {"taskId": "t-2", "text": "x" * 3000}}

    sent = Terminal(site.folder, site.environment()).run("send", "-", stdin=lines(start("t-1"), large))

    failed(sent, 1, "1 of 2 events were refused by Kafka, the others were sent")
    first, second = sent.out.splitlines()[1:]
    assert first.endswith("its key's partition")
    assert second.split()[:4] == ["2", "start-t-2", "StartTask", "-"]
    assert "size" in second
    assert sum(site.ends(site.requests).values()) == 1


def test_without_redis_events_go_by_their_key(terminal: Terminal) -> None:
    sent = terminal.run(
        "send", "-", stdin=lines(proceed("t-1", "p-1")), RUNNER_REDIS__URL=f"redis://{NOWHERE}/0"
    )

    assert sent.code == 0, sent.err
    assert "Redis does not answer" in sent.err
    assert "by their key" in sent.err
    assert sent.out.endswith("its key's partition\n")


def test_without_a_worker_no_reply_comes(terminal: Terminal) -> None:
    waited = terminal.run("send", "--wait", "--timeout", "1", "-", stdin=lines(start("t-1")))

    failed(waited, 1, "1 replies did not come within 1 s (for start-t-1); is a worker running?")
    assert waited.out.splitlines()[1].endswith("its key's partition")


def test_tail_shows_only_what_is_committed(terminal: Terminal, site: Site) -> None:
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap, "transactional.id": site.name})
    producer.init_transactions(30)
    for key, end in (("taken-back", producer.abort_transaction), ("stays", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(site.responses, b"{}", key, headers=[("event-status", b"ACK")])
        producer.flush(30)
        end(30)

    seen = terminal.run("tail", "--from-beginning", "--until-idle", "2", "--json")

    assert seen.code == 0, seen.err
    assert [json.loads(line)["key"] for line in seen.out.splitlines()] == ["stays"]


def test_tail_begins_with_what_comes_next(terminal: Terminal, site: Site) -> None:
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    producer.produce(site.responses, b"{}", "before")
    producer.flush(30)

    with terminal.start("tail", "--max", "2") as tail:
        tail.wait_for("task id")
        producer.produce(site.responses, b"{}", "after", headers=[("event-kind", b"reply")])
        producer.produce(site.responses, None, "evil\n\x1b[31m", headers=[("event-status", b"ACK")])
        producer.flush(30)
        ended = tail.finished()

    assert ended.code == 0
    assert "before" not in ended.out
    shown = sorted(ended.out.splitlines()[1:], key=lambda row: "evil" in row)
    assert [row.split()[2:] for row in shown] == [["after", "reply"], [r"evil\n\x1b[31m", "ACK"]]


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_ends_tail_without_a_word(terminal: Terminal) -> None:
    with terminal.start("tail") as tail:
        tail.wait_for("task id")
        ended = tail.signalled(signal.SIGINT)

    assert (ended.code, ended.err) == (130, "")


def test_a_reader_that_goes_away_ends_tail(terminal: Terminal, site: Site) -> None:
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    for number in range(5000):
        producer.produce(site.responses, b"{}", f"key-{number}")
    producer.flush(30)

    piped = terminal.shell("set +o pipefail; runner tail --from-beginning --json | head -n 1")

    assert (piped.code, piped.err) == (0, "")
    assert len(piped.out.splitlines()) == 1


def test_a_broker_that_is_not_there_is_named_with_the_reason(terminal: Terminal, site: Site) -> None:
    events = site.folder / "events.jsonl"
    events.write_text(lines(start("t-1")))
    commands = (["tail"], ["send", str(events)], ["topics", "create"], ["worker"])
    with ExitStack() as started:
        nowhere = {"RUNNER_KAFKA__BROKERS": NOWHERE, "RUNNER_WORKER__STARTSECONDS": "0"}
        running = [started.enter_context(terminal.start(*command, **nowhere)) for command in commands]
        *ended, worker = [each.finished(WAIT_SECONDS) for each in running]

    for command in ended:
        failed(command, 1, f"Kafka at {NOWHERE} does not answer (", "Connection refused")
        assert len(command.err.splitlines()) == 1
    failed(worker, 1, f"Kafka at {NOWHERE} does not answer (", "Connection refused")


def test_a_topic_that_is_not_there_is_named_with_the_remedy(bare_terminal: tuple[Terminal, Site]) -> None:
    terminal, site = bare_terminal

    for command in (["tail"], ["send", "-"]):
        ended = terminal.run(*command, stdin=lines(start("t-1")))
        failed(ended, 1, "there is no topic", site.responses, 'run "runner topics create"')
    assert site.responses not in site.kafka.admin().list_topics(timeout=30).topics


def test_a_task_that_is_not_there_is_named(terminal: Terminal, site: Site) -> None:
    failed(terminal.run("task", "show", "t-1"), 1, f"no tasks at all under redis.prefix {site.prefix}")
    with terminal.start("worker") as worker:
        worker.wait_for('"started"')
        failed(terminal.run("task", "show", "t-1"), 1, "there is no task t-1 in domain default")
        worker.signalled(signal.SIGTERM)
    down = terminal.run("task", "show", "t-1", RUNNER_REDIS__URL=f"redis://{NOWHERE}/0")
    failed(down, 1, "Redis does not answer", "check redis.url")


def test_one_id_in_two_domains_needs_the_domain(make_site: Callable[..., Site]) -> None:
    site = make_site(settings={"RUNNER_DOMAINS": json.dumps({"default": {}, "orders": {}})})
    site.create_topics()
    terminal = Terminal(site.folder, site.environment())
    other = start("t-1")
    other["eventMeta"]["domain"] = "orders"
    with terminal.start("worker"):
        assert terminal.run("send", "--wait", "-", stdin=lines(start("t-1"), other)).code == 0

    failed(terminal.run("task", "show", "t-1"), 1, "t-1 in default and orders; name one with --domain")
    shown = terminal.run("task", "show", "t-1", "--domain", "orders", "--json")
    assert json.loads(shown.out)["domain"] == "orders"


def test_a_worker_ends_with_the_code_of_what_is_wrong(terminal: Terminal, worker: Running) -> None:
    del worker

    configuration = terminal.run("worker", RUNNER_KAFKA__BROKERS="", RUNNER_WORKER__BATCHSIZE="many")
    failed(configuration, 3, "worker.batchSize must be a whole number")

    elsewhere = terminal.run("worker", RUNNER_KAFKA__GROUP="another-group")
    failed(elsewhere, 4)
    told = json.loads(elsewhere.err.splitlines()[-1])
    assert (told["event"], told["label"], told["exit_code"]) == ("exiting", "STORE_MISMATCH", 4)

    for_people = terminal.run("worker", RUNNER_KAFKA__GROUP="another-group", RUNNER_LOG__FORMAT="console")
    failed(for_people, 4)
    assert for_people.err.splitlines()[-1].startswith("error: the Redis key space belongs to group ")


def test_config_check_reads_the_file_it_is_given_or_finds(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {})
    (tmp_path / "config").mkdir()
    for name in ("config/runner.yaml", "named.yaml", "typed.yaml"):
        (tmp_path / name).write_text(f"handler: {name}\n")

    def handler(*arguments: str, **environment: str) -> Any:
        checked = terminal.run("config", "check", *arguments, **environment)
        assert checked.code == 0, checked.err
        return yaml.safe_load(checked.out)["handler"]

    assert handler(RUNNER_CONFIG="") == "config/runner.yaml"
    assert handler(RUNNER_CONFIG="named.yaml") == "named.yaml"
    assert handler("--config", "typed.yaml", RUNNER_CONFIG="named.yaml") == "typed.yaml"
    assert handler("-c", "typed.yaml", RUNNER_HANDLER="variable") == "variable"
    (tmp_path / "config" / "runner.yaml").unlink()
    assert handler(RUNNER_CONFIG="") == Config().handler


def test_config_check_tells_every_problem_at_once(tmp_path: Path) -> None:
    checked = Terminal(tmp_path, {}).run(
        "config", "check", RUNNER_LOG__LEVEL="loud", RUNNER_HTTP__PORT="70000"
    )

    failed(checked, 3, "log.level must be", "http.port must be from 0 to 65535, not 70000")
    assert len(checked.err.splitlines()) == 2


def test_the_console_script_is_the_same_program(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("runner")
    assert script.exists(), "the package is not installed beside its interpreter"

    shown = Terminal(tmp_path, {}).shell(f"{script} --help")

    assert shown.code == 0
    assert shown.out == Terminal(tmp_path, {}).run("--help").out
