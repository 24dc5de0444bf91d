"""A way to a server on which answers can get lost: what was asked has happened, and nobody hears of it."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final, Self

from runner.embedded.subprocesses import HOST

CHUNK_BYTES: Final = 65_536


class LostAnswers:
    """Listens at ``port`` for the length of a ``with`` block and passes everything on, both ways.

    While ``losing`` is set, answers are swallowed; ``lost`` is set once the server has answered.
    """

    def __init__(self, server_port: int) -> None:
        self.losing = threading.Event()
        self.lost = threading.Event()
        self._server_port = server_port
        self._listener = socket.create_server((HOST, 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self._threads[0].join()
        for connection in self._open:
            _end(connection)
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """The port to connect to instead of the server's."""
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._server_port))
                self._open += [client, server]
                self._start(self._ask, client, server)
                self._start(self._answer, server, client)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                server.sendall(data)
            # The server sees the end of the connection only after it has answered.
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if self.losing.is_set():
                    self.lost.set()
                else:
                    client.sendall(data)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _end(connection: socket.socket) -> None:
    """Close a socket, and wake whoever waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
