"""``runner dlq show``: one dead letter, whatever its bytes are, without harm to the terminal."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import typer

from runner.cli.dlq.letters import LetterPlace, parse_place, read_letter
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import plain, print_json, say, show_fields, stdout
from runner.cli.streams import write_bytes
from runner.cli.times import moment
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.reader import read_topics
from runner.kafka.topic_message import TopicMessage

LONGEST_VALUE: Final = 65_536
"""Bytes of a value that are shown; --raw and --json give all of it."""

_BYTES_A_LINE: Final = 16


def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION@OFFSET", help="As the list gives it.")],
    config: ConfigFile = None,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the value, byte for byte: for a file or a pipe.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: where from, why, its key, headers and value.

    A value that is JSON is laid out, other text is shown line by line, and
    bytes as hex; nothing in it reaches the terminal as a command. With
    --json headers and value are text, or base64 where they are none.

    [bold]Examples[/bold]

      runner dlq show 3@17
      runner dlq show 3@17 --raw > letter.bin
    """
    settings = read_config(config)
    message = _read(settings, _parse(place, settings))
    if raw:
        write_bytes(message.value or b"")
    elif as_json:
        print_json(_described(message))
    else:
        show_fields(_fields(message))
        for line in value_lines(message.value):
            say(stdout(), line)


def value_lines(value: bytes | None) -> Iterator[str]:
    """Give the value as lines that do nothing to a terminal."""
    if value is None:
        yield "(no value)"
        return
    head = value[:LONGEST_VALUE]
    try:
        text = value.decode()
    except UnicodeDecodeError:
        yield from _hex_lines(head)
    else:
        text = _laid_out(value, text) if len(value) <= LONGEST_VALUE else head.decode(errors="ignore")
        yield from (plain(line.expandtabs(4)) for line in text.splitlines())
    if len(head) < len(value):
        yield f"({len(value) - len(head)} more bytes; --raw gives all)"


def _parse(text: str, config: Config) -> LetterPlace:
    topic = config.topics.dead_letters
    place = parse_place(text.removeprefix(f"{topic}/"))
    if place is None:
        raise typer.BadParameter(
            f'{plain(text, 100)} is no place in {topic}; write PARTITION@OFFSET as "runner dlq list" does'
        )
    return place


def _read(config: Config, place: LetterPlace) -> TopicMessage:
    topic = config.topics.dead_letters
    at = {(topic, place.partition): place.offset}
    with read_topics(config, [topic], from_beginning=True, at=at) as reader:
        for message in reader.rest():
            return message
    raise FatalError(
        f'there is no message at {place} of {topic}; "runner dlq list" shows those there are '
        "(old ones go with the retention of the topic)"
    )


def _fields(message: TopicMessage) -> Iterator[tuple[str, str]]:
    letter = read_letter(message)
    yield "place", f"{message.topic}/{letter.place}"
    yield "buried", "-" if letter.time_ms is None else moment(letter.time_ms)
    yield "reason", letter.reason
    yield "message", letter.message or "-"
    yield "from", letter.came_from
    if letter.again:
        yield "replay of", letter.again
    yield "key", _text(message.raw_key) or _hex(message.raw_key)
    if message.raw_headers is None:
        yield "headers", "cannot be read: the name of one is no text"
    for name, value in message.raw_headers or ():
        text = _text(value)
        yield "header", f"{name}: {_hex(value) if text is None else text}"
    yield "value", f"{letter.size} bytes:"


def _described(message: TopicMessage) -> dict[str, Any]:
    headers = None
    if message.raw_headers is not None:
        headers = [{"name": name, **_content("value", value)} for name, value in message.raw_headers]
    described = read_letter(message).described()
    del described["key"]
    content = {**_content("key", message.raw_key), **_content("value", message.value)}
    return described | content | {"headers": headers}


def _content(name: str, value: bytes | None) -> dict[str, str | None]:
    """Return bytes as text under a name, or in base64 under another."""
    if value is None:
        return {name: None}
    text = _text(value)
    return {f"{name}Base64": b64encode(value).decode()} if text is None else {name: text}


def _text(value: bytes | None) -> str | None:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        return None


def _hex(value: bytes | None) -> str:
    return "-" if not value else f"0x{value[:64].hex()}" + ("…" if len(value) > 64 else "")


def _laid_out(value: bytes, text: str) -> str:
    """Return JSON with a line for every value, other text as it stands."""
    try:
        return msgspec.json.format(value, indent=2).decode()
    except (msgspec.DecodeError, RecursionError):
        return text


def _hex_lines(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _BYTES_A_LINE):
        part = value[start : start + _BYTES_A_LINE]
        text = "".join(chr(code) if 32 <= code < 127 else "." for code in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _BYTES_A_LINE}} {text}"
