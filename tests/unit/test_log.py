"""Every event is one line with its fields, whoever logs it, and no secret is in it."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runner import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_fields(stream: io.StringIO) -> None:
    log.configure("json", "info", stream)

    log.get("worker").info("batch committed", events=3, partitions=[1, 2], text="two\nlines")

    [line] = lines(stream)
    assert list(line)[:4] == ["time", "level", "logger", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "worker",
        "event": "batch committed",
        "events": 3,
        "partitions": [1, 2],
        "text": "two\nlines",
    }


def test_bound_fields_are_on_every_event(stream: io.StringIO) -> None:
    log.configure("json", "info", stream)
    logger = log.get("worker").bind(task="t-1")

    logger.info("one")
    logger.warning("two", task="t-2")

    assert [(line["event"], line["task"]) for line in lines(stream)] == [("one", "t-1"), ("two", "t-2")]


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    log.configure("json", "warning", stream)
    logger = log.get("worker")

    for write in (logger.debug, logger.info, logger.warning, logger.error):
        write("event")
    logging.getLogger("library").info("event")

    assert [line["level"] for line in lines(stream)] == ["warning", "error"]


def test_what_libraries_log_comes_out_the_same_way(stream: io.StringIO) -> None:
    log.configure("json", "info", stream)

    logging.getLogger("library").warning("lost %s of %d", "one", 2, extra={"broker": "b"})

    [line] = lines(stream)
    assert re.fullmatch(r"\d{4}-.*Z", line.pop("time"))
    assert line == {"level": "warning", "logger": "library", "event": "lost one of 2", "broker": "b"}


def test_an_exception_is_part_of_its_line(stream: io.StringIO) -> None:
    log.configure("json", "info", stream)

    try:
        int("redis://:hunter2@host")
    except ValueError:
        log.get("worker").exception("failed")
        logging.getLogger("library").exception("failed too")

    for line in lines(stream):
        assert (
            "ValueError: invalid literal for int() with base 10: 'redis://:******@host'" in line["exception"]
        )
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_logged(stream: io.StringIO, form: log.Format) -> None:
    log.configure(form, "debug", stream)

    log.get("worker").info(
        "connected to redis://u:hunter2@h",
        password="hunter2",
        url="redis://:hunter2@h",
        properties={"sasl.password": "hunter2", "list": [{"client_secret": "hunter2"}]},
    )
    logging.getLogger("library").info("connecting to %s", "rediss://u:hunter2@h")

    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("******") == 6


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
    ids=["auto", "auto on a terminal", "json on a terminal", "console in a file"],
)
def test_people_get_lines_and_machines_get_json(form: log.Format, stream: io.StringIO, is_json: bool) -> None:
    log.configure(form, "info", stream)

    log.get("worker").info("batch committed", events=3)

    [line] = stream.getvalue().splitlines()
    assert line.startswith("{") is is_json
    assert "batch committed" in line


def test_only_a_terminal_gets_colours(stream: io.StringIO) -> None:
    log.configure("console", "info", stream)
    log.get("worker").info("plain")
    terminal = Terminal()
    log.configure("console", "info", terminal)
    log.get("worker").info("coloured")

    assert "\033[" not in stream.getvalue()
    assert "\033[" in terminal.getvalue()


def test_configuring_again_replaces_the_earlier_one(stream: io.StringIO) -> None:
    logger = log.get("worker")
    log.configure("json", "error", io.StringIO())
    logger.error("before")

    log.configure("json", "info", stream)
    logger.info("after")

    assert [line["event"] for line in lines(stream)] == ["after"]


def test_what_is_no_json_is_logged_all_the_same(stream: io.StringIO) -> None:
    log.configure("json", "info", stream)

    log.get("worker").info("odd", value=b"\xff", broken="\udcff", kind=ValueError("x"), keys={1: (2,)})

    [line] = lines(stream)
    assert line["value"] == repr(b"\xff")
    assert line["keys"] == {"1": [2]}
