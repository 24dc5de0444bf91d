"""``runner dlq show``: one dead letter, whatever its bytes are, without harm to the terminal."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from runner.cli.dlq.letter import Letter, Place, parse_place, read_letter
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import plain, print_json, say, stdout
from runner.cli.streams import write_bytes
from runner.cli.times import moment
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.reader import TopicReader
from runner.kafka.topic_message import TopicMessage

LONGEST_VALUE: Final = 65_536
"""Bytes of a value that are shown; --raw and --json give all of it."""

_LABEL_WIDTH: Final = 12
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
    seen = _read(settings, _parse(place, settings))
    if raw:
        write_bytes(seen.value or b"")
    elif as_json:
        print_json(_described(seen))
    else:
        _show(seen)


def value_lines(value: bytes | None) -> Iterator[str]:
    """Give the value as lines that do nothing to a terminal."""
    if value is None:
        yield "(no value)"
        return
    shown = value[:LONGEST_VALUE]
    try:
        value.decode()
        text = _laid_out(value) if len(value) <= LONGEST_VALUE else shown.decode(errors="ignore")
    except UnicodeDecodeError:
        yield from _hex_lines(shown)
    else:
        yield from (plain(line.expandtabs(4)) for line in text.splitlines())
    if len(shown) < len(value):
        yield f"({len(value) - len(shown)} more bytes; --raw gives all)"


def _parse(text: str, config: Config) -> Place:
    topic = config.topics.dead_letters
    place = parse_place(text.removeprefix(f"{topic}/"))
    if place is None:
        raise typer.BadParameter(
            f'{plain(text, 100)} is no place in {topic}; write PARTITION@OFFSET as "runner dlq list" does'
        )
    return place


def _read(config: Config, place: Place) -> TopicMessage:
    topic = config.topics.dead_letters
    at = {(topic, place.partition): place.offset}
    with TopicReader(config, [topic], from_beginning=True, at=at) as reader:
        for seen in reader.rest():
            return seen
    raise FatalError(
        f'there is no message at {place} of {topic}; "runner dlq list" shows those there are '
        "(old ones go with the retention of the topic)"
    )


def _show(seen: TopicMessage) -> None:
    letter = read_letter(seen)
    console = stdout()
    for label, value in _lines(letter, seen):
        label_text = Text(f"{label:<{_LABEL_WIDTH}}", style="bold")
        console.print(label_text + Text(plain(value)), soft_wrap=True)
    console.print(Text("value", style="bold") + Text(f" ({letter.size} bytes)"), soft_wrap=True)
    for line in value_lines(seen.value):
        say(console, line)


def _lines(letter: Letter, seen: TopicMessage) -> Iterator[tuple[str, str]]:
    yield "place", f"{seen.topic}/{letter.place}"
    yield "buried", "-" if letter.time_ms is None else moment(letter.time_ms)
    yield "reason", letter.reason
    yield "message", letter.message or "-"
    yield "from", letter.came_from
    if letter.again:
        yield "replay of", letter.again
    yield "key", _text(seen.raw_key) or _hex(seen.raw_key)
    if seen.raw_headers is None:
        yield "headers", "cannot be read: the name of one is no text"
    for name, value in seen.raw_headers or ():
        shown = _text(value)
        yield "header", f"{name}: {_hex(value) if shown is None else shown}"


def _described(seen: TopicMessage) -> dict[str, Any]:
    letter = read_letter(seen)
    headers = None
    if seen.raw_headers is not None:
        headers = [{"name": name, **_content("value", value)} for name, value in seen.raw_headers]
    described = {**_content("key", seen.raw_key), **_content("value", seen.value), "headers": headers}
    left_out = {"key", "replayed"}
    return {k: v for k, v in letter.described(replayed=False).items() if k not in left_out} | described


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


def _laid_out(value: bytes) -> str:
    """Return JSON with a line for every value, other text as it stands; UnicodeDecodeError for bytes."""
    text = value.decode()
    try:
        return msgspec.json.format(value, indent=2).decode()
    except (msgspec.DecodeError, RecursionError):
        return text


def _hex_lines(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), _BYTES_A_LINE):
        part = value[start : start + _BYTES_A_LINE]
        text = "".join(chr(code) if 32 <= code < 127 else "." for code in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _BYTES_A_LINE}} {text}"
