"""The rights that docs/operations.md says a user of Redis needs, as the page has them."""

import re
from pathlib import Path
from typing import Final

from tests.servers.redis_server import RedisServer

PAGE: Final = Path(__file__).parents[2] / "docs" / "operations.md"
PASSWORD: Final = "of-the-runner"
USER: Final = "saga-tasks"
_LINE: Final = re.compile(r"^```text acl\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| ((?:`[a-z\\|]+`(?:, )?)+) \|", re.MULTILINE)


def documented_line(prefix: str) -> list[str]:
    """Return the page's ACL SETUSER, for a prefix and with our password."""
    [line] = _LINE.findall(_section())
    replaced = {">PASSWORD": f">{PASSWORD}", "~runner:*": f"~{prefix}:*"}
    return [replaced.get(word, word) for word in line.split()]


def needed_commands() -> set[str]:
    """Return the commands of the page's first table."""
    return _tables()[0]


def further_commands() -> set[str]:
    """Return the commands of the page's second table, which some need."""
    return _tables()[1]


def line_commands(line: list[str]) -> set[str]:
    """Return the commands that an ACL SETUSER allows."""
    return {word[1:] for word in line if word.startswith("+")}


def allow(server: RedisServer, prefix: str, *more: str, without: str = "") -> None:
    """Make the documented user on a server, allowed ``more``, and not allowed one of the commands."""
    words = [word for word in documented_line(prefix) if word != f"+{without}"]
    with server.client() as client:
        client.execute_command("ACL", "DELUSER", USER)
        client.execute_command(*words, *(f"+{command}" for command in more))


def _section() -> str:
    _, _, behind = PAGE.read_text(encoding="utf-8").partition("\n## Redis\n")
    return behind.partition("\n## ")[0]


def _tables() -> list[set[str]]:
    """Return the commands of each table whose first column has them."""
    blocks = _section().split("\n\n")
    rows = [list(_ROW.findall(block)) for block in blocks if block.startswith("| command |")]
    return [
        {word.replace("\\", "") for row in table for word in re.findall(r"`(.*?)`", row)} for table in rows
    ]
