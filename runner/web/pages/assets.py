"""Static files: style, script and sign, each under an address that changes with what is in it."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

FOLDER: Final = "/static/"
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VERSION: Final = 12


@cache
def content(name: str) -> bytes | None:
    """Return a file; None where there is none of that name."""
    if name not in names():
        return None
    return files("runner.web.pages").joinpath("static", name).read_bytes()


@cache
def names() -> frozenset[str]:
    """Return the names of all files."""
    folder = files("runner.web.pages").joinpath("static")
    return frozenset(each.name for each in folder.iterdir() if kind(each.name))


def kind(name: str) -> str:
    """Return the media type of a file; empty where it is none that browsers get."""
    return next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), "")


def version(content: bytes) -> str:
    """Return what an address has in it of a file, so that browsers may keep it for ever."""
    return sha256(content).hexdigest()[:_VERSION]


@cache
def address(name: str) -> str:
    """Return where browsers find a file."""
    return f"{FOLDER}{name}?v={version(content(name) or b'')}"
