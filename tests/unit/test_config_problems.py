"""A wrong configuration is refused at once, whole, and in words that name the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config import Config, ConfigError, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.yaml"


def problems(file: Path, content: str) -> list[str]:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    return [str(problem).removeprefix(f"{file}: ") for problem in refused.value.problems]


def test_all_problems_are_told_at_once_with_file_key_and_remedy(file: Path) -> None:
    found = problems(
        file,
        """
        kafkka: {}
        handler: 5
        topics: {requests: same, responses: same, deadLetters: "b c"}
        task: {partitionWidth: 9}
        worker: {batchBytes: 2000, batchSize: many}
        """,
    )

    assert found == [
        "handler must be text; put it in quotes",
        (
            "topics.deadLetters is no legal topic name: 'b c'; "
            "use 1 to 249 of the letters a-z, A-Z, digits, dot, _ and -"
        ),
        "task.partitionWidth must be from 1 to 8, not 9; correct it, or remove it for the default 1",
        'worker.batchSize must be a whole number, not "many"; correct it, or remove it for the default 2000',
        "kafkka is not a setting; did you mean kafka?",
        "topics.responses is same, as is topics.requests; give each its own topic",
        "worker.batchBytes is less than limits.eventBytes (1000000); raise it to that",
    ]


@pytest.mark.parametrize(
    "tag", ["timestamp", "int", "float", "bool", "binary", "set", "omap", "pairs", "map"]
)
@pytest.mark.parametrize("value", ["", " x", " é", " [a]", " {a: b}", " 1:"])
def test_a_value_that_is_not_what_its_tag_says_is_a_problem(file: Path, tag: str, value: str) -> None:
    file.write_text(f"kafka: !!{tag}{value}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert all("kafka" in str(problem) or "is no YAML" in str(problem) for problem in refused.value.problems)
    assert not any("object" in str(problem) for problem in refused.value.problems)


def test_an_expression_without_end_is_a_problem_and_an_old_spelling_is_none(file: Path) -> None:
    (found,) = problems(file, f"caller: {{user: ['{'(' * 3000}']}}")
    assert "is no JMESPath expression" in found
    file.write_text("kafka: {brokers: 'a:1'}\ncaller: {user: ['a == `b`']}\n", "utf-8")
    load(file, {})


def test_the_error_has_a_label_an_exit_code_and_one_line_per_problem(file: Path) -> None:
    file.write_text("handler: 5\ndeployment: 6\n")

    with pytest.raises(ConfigError) as refused:
        load(file, {})

    assert (refused.value.label, refused.value.exit_code) == ("CONFIG", 3)
    assert str(refused.value).splitlines() == [
        f"{file}: handler must be text; put it in quotes",
        f"{file}: deployment must be text; put it in quotes",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("tasks: {}", "tasks is not a setting; did you mean task?"),
        (
            "task: {partition_width: 1}",
            "task.partition_width is not a setting; did you mean task.partitionWidth?",
        ),
        ("brokers: x", "brokers is not a setting; did you mean kafka.brokers?"),
        ("log: {colour: 1}", "log.colour is not a setting; remove it, or use one of format, level"),
        (
            "meta: {domain: {defualt: x}}",
            "meta.domain.defualt is not a setting; did you mean meta.domain.default?",
        ),
        (
            "domains: {a: {retention: 1}}",
            (
                "domains.a.retention is not a setting; "
                "remove it, or use one of onProceed, retentionSeconds, checkRoles, trustPayload, adminRole, "
                "completion, requireDefinition, requireOwner, startRoles, starterSees, "
                "timeoutRoles, notify"
            ),
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    file: Path, content: str, problem: str
) -> None:
    assert problems(file, content) == [problem]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("handler: ''", 'handler must not be empty; correct it, or remove it for the default "user-task"'),
        ("handler:", 'handler is empty, but must be text; write "" or remove it'),
        ("deployment: 20260101", "deployment must be text; put it in quotes"),
        (
            "delivery: twice",
            (
                'delivery must be exactly_once or at_least_once, not "twice"; '
                'correct it, or remove it for the default "exactly_once"'
            ),
        ),
        ("kafka:", 'kafka is empty, but must be a section of "key: value" lines; write {} or remove it'),
        ("kafka: x", 'kafka must be a section of "key: value" lines, not text; correct it or remove it'),
        (
            "kafka: {brokers: [a]}",
            'kafka.brokers must be text, not a list; correct it, or remove it for the default ""',
        ),
        (
            "timers: {enabled: 1}",
            "timers.enabled must be true or false, not 1; correct it, or remove it for the default true",
        ),
        (
            "timers: {leaseMs: true}",
            "timers.leaseMs must be a whole number, not true; correct it, or remove it for the default 10000",
        ),
        (
            "timers: {leaseMs: 1.5}",
            "timers.leaseMs must be a whole number, not 1.5; correct it, or remove it for the default 10000",
        ),
        (
            "http: {port: 65536}",
            "http.port must be from 0 to 65535, not 65536; correct it, or remove it for the default 8080",
        ),
        (
            "responses: {streams: a}",
            "responses.streams must be a list, not text; correct it, or remove it for the default []",
        ),
        ("responses: {streams: [a, 5]}", "responses.streams[1] must be text; put it in quotes"),
        (
            "responses: {proceededStatus: TIMEOUT}",
            (
                "responses.proceededStatus is TIMEOUT, which means something else to a saga engine; "
                "use PROCEEDED or SUCCESS"
            ),
        ),
        (
            "caller: {roles: ['a[']}",
            ("caller.roles[0] is no JMESPath expression at position 2: 'a['; correct the expression"),
        ),
        ("handler: ' '", "handler is blank; write something, or remove it"),
        (
            "inputs: {a: {action: TIMEOUT, roles: ['\u00a0']}}",
            "inputs.a.roles[0] is blank; write something, or remove it",
        ),
        ("caller: {user: []}", "caller.user must not be empty; list at least one expression"),
        (
            "redis: {prefix: 'a{b'}",
            (
                "redis.prefix cannot be part of a Redis key: 'a{b'; "
                "use a name without spaces, braces or control signs"
            ),
        ),
        *(
            (
                f"redis: {{url: 'redis://h:6379{path}'}}",
                "redis.url names no database after the port; write its number there, like redis://127.0.0.1:6379/0",
            )
            for path in ("/prod", "/0/1", "/-1", "/prod?db=1")
        ),
        *(
            (
                f"redis: {{url: '{url}'}}",
                (
                    "redis.url has options that are not read from there; use the settings beside it; "
                    "only db=0, the number of the database, may follow a question mark"
                ),
            )
            for url in ("redis://h/0?timeout=2", "rediss://h?db=abc", "unix:///r.sock?socket_timeout=x")
        ),
        (
            "redis: {topology: cluster, nodes: ['one:7000', two]}",
            "redis.nodes[1] is no address: 'two'; write it like 10.0.0.1:6379",
        ),
        ("domains: {1: {}}", "domains[1] must be text; put it in quotes"),
        ("1: {}", "[1] must be text; put it in quotes"),
        (
            "domains: {a: {onProceed: keep}}",
            'domains.a.onProceed must be update or delete, not "keep"; correct it or remove it',
        ),
        (
            "meta: {domain: orders}",
            ('meta.domain must be a section of "key: value" lines, not text; correct it or remove it'),
        ),
        (
            "kafka: {properties: {a: [1]}}",
            (
                "kafka.properties.a must be text, a number, true or false; "
                "properties have no other kind of value"
            ),
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_remedy(file: Path, content: str, problem: str) -> None:
    assert problems(file, content) == [problem]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "topics: {deadLetters: responses}",
            "topics.deadLetters is responses, as is topics.responses; give each its own topic",
        ),
        (
            "responses: {streams: [a, requests]}",
            (
                "responses.streams lists requests, which is topics.requests; "
                "remove it from the list: a response there would be taken for something else"
            ),
        ),
        (
            "responses: {streams: [replies]}",
            (
                "responses.streams lists replies, which is topics.replies; "
                "remove it from the list, since it is always allowed; or name another, or null, there"
            ),
        ),
        (
            "topics: {replies: responses}",
            "topics.replies is responses, as is topics.responses; give each its own topic",
        ),
        (
            "topics: {tasks: requests}",
            "topics.tasks is requests, as is topics.requests; give each its own topic",
        ),
        (
            "{topics: {tasks: a}, responses: {streams: [a]}}",
            (
                "responses.streams lists a, which is topics.tasks; "
                "remove it from the list: a response there would be taken for something else"
            ),
        ),
        (
            "topics: {notifications: tasks}",
            "topics.notifications is tasks, as is topics.tasks; give each its own topic",
        ),
        (
            "domains: {orders: {notify: [reminded, created]}}",
            (
                "domains.orders.notify names reminded, but topics.notifications is null; "
                "name that topic as well, or remove it: nobody would be told"
            ),
        ),
        (
            "{topics: {tasks: a}, redis: {startEmpty: true}}",
            (
                "redis.startEmpty is true, while topics.tasks is set; "
                "remove it: the tasks that Redis has lost are restored from that topic"
            ),
        ),
        (
            "kafka: {producer: {max.in.flight: 6}}",
            (
                "kafka.producer.max.in.flight is more than 5, where the broker no longer keeps the order; "
                "set it to 5 or less"
            ),
        ),
        (
            "kafka: {properties: {max.in.flight.requests.per.connection: '6'}}",
            (
                "kafka.properties.max.in.flight.requests.per.connection is more than 5, "
                "where the broker no longer keeps the order; set it to 5 or less"
            ),
        ),
        (
            "kafka: {producer: {message.max.bytes: 2000}}",
            (
                "kafka.producer.message.max.bytes is less than limits.eventBytes (1000000); "
                "lower limits.eventBytes as well, or remove it"
            ),
        ),
        (
            "kafka: {consumer: {receive.message.max.bytes: 1001023}}",
            (
                "kafka.consumer.receive.message.max.bytes is less than limits.eventBytes (1000000) with "
                "the 1024 bytes that come with it; lower limits.eventBytes as well, or remove it"
            ),
        ),
        (
            "redis: {nodes: ['one:7000']}",
            (
                "redis.nodes is set, while redis.topology is standalone; "
                "set redis.topology to sentinel or cluster, or name the server in redis.url"
            ),
        ),
        (
            "redis: {topology: cluster}",
            "redis.nodes is empty, while redis.topology is cluster; list host:port of some of them",
        ),
        (
            "redis: {topology: cluster, nodes: ['one:7000'], url: 'redis://one:7000/0'}",
            "redis.url is set, while redis.topology is cluster; remove it, and list redis.nodes",
        ),
        (
            "redis: {topology: sentinel, nodes: ['one:26379']}",
            (
                "redis.sentinel.master is not set, while redis.topology is sentinel; "
                "set it to the name in the Sentinels' configuration"
            ),
        ),
        (
            "redis: {sentinel: {master: tasks}}",
            (
                "redis.sentinel.master is set, while redis.topology is standalone; "
                "remove it, or set redis.topology to sentinel"
            ),
        ),
        (
            "redis: {tls: {caFile: ca.pem}}",
            "redis.tls.caFile is set, while TLS is off; set redis.tls.enabled to true",
        ),
        (
            "redis: {tls: {enabled: true, certFile: mine.pem}}",
            "redis.tls.keyFile is not set, while redis.tls.certFile is; set both or none",
        ),
        (
            "redis: {url: 'unix:///run/redis.sock', tls: {enabled: true}}",
            "redis.tls.enabled is true, while redis.url is a socket; remove it",
        ),
        (
            "domains: {a: {trustPayload: true, checkRoles: false}}",
            "domains.a.trustPayload has no effect while checkRoles is false; set one of them the other way",
        ),
        (
            "meta: {parameters: {timeout: {default: 1, override: 2}}}",
            "meta.parameters.timeout.default is never used, for override always wins; keep one of them",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(file: Path, content: str, problem: str) -> None:
    assert problems(file, content) == [problem]


def test_a_broken_setting_contradicts_nothing(file: Path) -> None:
    found = problems(file, "topics: {requests: 'a b', responses: requests, deadLetters: dead-letters}")

    assert len(found) == 1
    assert found[0].startswith("topics.requests is no legal topic name")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [\nb", "is no YAML at line 2, column 2: expected ',' or ']', but got '<stream end>'"),
        (b"handler: \xff", "is not UTF-8 (byte 9)"),
        (b"handler: a\nhandler: b\n", "is no YAML at line 2, column 1: the key handler is given twice"),
        (b"handler: \0", "is no YAML: unacceptable character #x0000: special characters are not allowed"),
        (b"handler: !!python/name:os.system x", "is no YAML at line 1, column 10: could not determine"),
        (
            b"handler: 2026-13-45",
            "is no YAML at line 1, column 10: YAML 1.1 and 1.2 read 2026-13-45",
        ),
        (b"[" * 5000, "is no YAML: maximum recursion depth exceeded"),
        (b"just text", 'holds no settings, but should be lines of "key: value"'),
        (b"[a, b]", 'holds no settings, but should be lines of "key: value"'),
        (b"a: 1\n---\nb: 2", "is no YAML at line 2, column 1: but found another document"),
        (b"{[1]: 2}", "is no YAML at line 1, column 2: found unhashable key"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_in_one_line(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        load(file, {"RUNNER_NO__SUCH": "x"})

    [told] = str(refused.value).splitlines()
    assert told.startswith(f"{file}: {problem}")
    assert "; " in told


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nowhere\.yaml: does not exist; correct the path or make the file"
    ):
        load(tmp_path / "nowhere.yaml", {})


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": is a directory; name a file in it"):
        load(tmp_path, {})


def test_a_path_that_cannot_be_opened_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*; correct the path or its permissions"):
        load(Path("a\0b"), {})


def test_a_recursive_file_is_refused(file: Path) -> None:
    assert problems(file, "kafka: &a {brokers: *a}") == [
        'kafka.brokers must be text, not a section; correct it, or remove it for the default ""'
    ]


def test_a_worker_needs_brokers(file: Path) -> None:
    file.write_text("kafka: {brokers: ' '}")

    with pytest.raises(ConfigError) as without_file:
        Config().require_brokers()
    with pytest.raises(ConfigError) as with_file:
        load(file, {}).require_brokers()

    remedy = 'kafka.brokers is empty; set it or run "runner dev"'
    assert str(without_file.value) == f"configuration: {remedy}"
    assert str(with_file.value) == f"{file}: {remedy}"
    load(None, {"RUNNER_KAFKA__BROKERS": "a:1"}).require_brokers()
