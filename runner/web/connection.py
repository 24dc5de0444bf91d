"""Connections of the HTTP server, with a way to drop one."""

from __future__ import annotations

from typing import Any, cast

from runner.web.event_response import ABORT
from runner.web.limits import HeaderBounds


class Connection(HeaderBounds):
    """A connection whose requests may drop it (``ABORT``): ASGI itself can only close it, which waits."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)["extensions"] = {ABORT: {"abort": self.transport.abort}}
