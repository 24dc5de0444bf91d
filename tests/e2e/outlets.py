"""Where notifications arrive: a real SMTP server and a webhook, which may go away and come back."""

import threading
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import loads
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from runner.embedded.subprocesses import HOST, free_port

REFUSED = "550 no such mailbox"
TAKEN = "250 taken"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it arrived."""

    to: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str) -> str:
        """The body that is plain or html."""
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content())


class PostOffice:
    """An SMTP server, on the same port however often it is started."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[Mail] = []
        self.refused: set[str] = set()
        """Mailboxes that there are none of."""
        self._controller: Controller | None = None

    @property
    def address(self) -> str:
        """The account, as Apprise is told it."""
        return f"mailto://{HOST}:{self.port}?from=tasks@example.org&mode=insecure"

    def by_recipient(self) -> Counter[str]:
        return Counter(mail.to for mail in self.mails)

    def start(self) -> None:
        self._controller = Controller(self, hostname=HOST, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Go away; nothing if it has."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - the library's names
        """Keep a mail, once for each of its recipients."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        if self.refused.intersection(envelope.rcpt_tos):
            return REFUSED
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails += [Mail(to, message) for to in envelope.rcpt_tos]
        return TAKEN

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Webhook:
    """A service of HTTP, on the same port however often it is started."""

    def __init__(self) -> None:
        self.port = free_port()
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self._server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        """The address, as Apprise is told it; its path is a secret."""
        return f"json://hook:s3cr3t-password@{HOST}:{self.port}/hooks"

    def subjects(self) -> Counter[str]:
        return Counter(str(post["title"]) for post in self.posts)

    def start(self) -> None:
        self._server = ThreadingHTTPServer((HOST, self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def stop(self) -> None:
        """Go away; nothing if it has."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _handler(hook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status == 200:
                hook.posts.append(loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Log nothing."""

    return Handler
