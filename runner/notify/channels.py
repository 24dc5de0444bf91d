"""Channels: ways to reach people, each an address that Apprise understands (mail, Slack, a webhook).

An address is a secret: what is logged or kept has names and kinds only, and the reason of a failure is
cleared of everything that Apprise itself counts as secret.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins import url_to_dict

from runner.notify.unusable import Unusable
from runner.notify.wording import Wording

SEND_SECONDS: Final = 60.0
"""Longest attempt; one that is given up may still arrive."""

MAIL_KINDS: Final = frozenset({"mailto", "mailtos"})
_EXACT_KINDS: Final = MAIL_KINDS | {"json", "jsons", "xml", "xmls", "form", "forms"}
"""Kinds that show what people wrote as it is; all others are chats, which read commands in it."""

_MAILS_AT_ONCE: Final = 4
_SHORTEST_SECRET: Final = 4
_LONGEST_REASON: Final = 300
_HIDDEN: Final = "******"
_SOCKET: Final = "Socket Exception: "
_CAUSE: Final = re.compile(r"\[Errno -?\d+\] [A-Za-z ]+|[a-z]+ timed out|CERTIFICATE_VERIFY_FAILED")
_TELLING: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})

_ASSET: Final = AppriseAsset(
    async_mode=False, storage_mode="memory", secure_logging=True, app_id="saga-task-runner"
)


@dataclass(frozen=True, slots=True)
class Channel:
    """One way out. ``send`` may block, and may be called from several threads."""

    name: str
    kind: str
    """The scheme of its address: mailtos, slack, json."""
    send: Callable[[Wording], str]
    """Returns why a letter was not sent; empty: it was."""
    at_once: int = 1
    """How many letters it takes at the same time."""

    @property
    def is_chat(self) -> bool:
        return self.kind not in _EXACT_KINDS


def silence_apprise() -> None:
    """Keep what Apprise logs out of ours: the reasons of failures are logged here, without secrets."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    # Why a mail server refuses is said at this level only; whoever sends picks it out.
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def open_channel(name: str, url: str, setting: str) -> Channel:
    """Return the channel of an address; Unusable, naming ``setting``, where Apprise does not know it."""
    return _opened(name, _parsed(url, setting), setting)


def mail_to(base: str, setting: str) -> Callable[[str], Channel]:
    """Return what makes a channel to one mailbox by way of the account at ``base``. Raises Unusable."""
    parts = _parsed(base, setting)
    if parts["schema"] not in MAIL_KINDS:
        raise Unusable(setting, f"is a {parts['schema']}:// address", "use mailto:// or mailtos://")
    _opened("mail", _to("nobody@example.org", parts), setting)
    return lambda mailbox: _opened("mail", _to(mailbox, parts), setting)


def same_service(url: str) -> str:
    """Return what addresses of the same service have in common, without any secret."""
    kind, _, rest = url.partition("://")
    place = re.split(r"[/?]", rest.rpartition("@")[2], maxsplit=1)[0]
    return f"{kind.lower()}:{blake2b(place.lower().encode('utf-8', 'replace'), digest_size=6).hexdigest()}"


def kind_of(url: str) -> str:
    """Return the scheme of an address."""
    return url.partition("://")[0].lower()


def _to(mailbox: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an account's address with one recipient, who alone gets the letter."""
    return {**parts, "targets": [mailbox], "cc": None, "bcc": None}


def _parsed(url: str, setting: str) -> dict[str, Any]:
    parts = url_to_dict(url, secure_logging=True)  # type: ignore[no-untyped-call]
    if parts is None:
        raise _not_understood(setting)
    return dict(parts)


def _opened(name: str, parts: dict[str, Any], setting: str) -> Channel:
    kind = str(parts["schema"])
    service = Apprise.instantiate(dict(parts), asset=_ASSET)
    if service is None:
        raise _not_understood(setting)
    secrets = _secrets(service)
    if kind not in MAIL_KINDS:
        return Channel(name, kind, lambda letter: _send(service, letter, secrets, as_html=False))
    # Whom it is for stands beside the reason already; an address is nobody else's business.
    secrets |= {str(target) for target in parts.get("targets") or ()}
    # Made anew for each letter, so that several threads may send.
    parts = {**parts, "headers": {**parts.get("headers", {}), "Auto-Submitted": "auto-generated"}}

    def send(letter: Wording) -> str:
        return _send(Apprise.instantiate(dict(parts), asset=_ASSET), letter, secrets, as_html=True)

    return Channel(name, kind, send, _MAILS_AT_ONCE)


def _send(service: Any, letter: Wording, secrets: frozenset[str], *, as_html: bool) -> str:
    """Send a letter; return why not, in one line without secrets."""
    sender = Apprise(asset=_ASSET)
    sender.add(service)
    is_html = as_html and letter.html is not None
    body = letter.html if is_html and letter.html else letter.text
    result = sender.notify(
        body=body or letter.subject or "-",
        title=letter.subject,
        body_format=NotifyFormat.HTML if is_html else NotifyFormat.TEXT,
        timeout=SEND_SECONDS,
        log_level=logging.DEBUG,
    )
    if result:
        return ""
    return _without(secrets, _reason(result, as_mail=as_html))[:_LONGEST_REASON]


def _reason(result: Any, *, as_mail: bool) -> str:
    said: list[str] = []
    for entry in result.logs():
        text = " ".join(str(entry.message).split())
        if entry.level in _TELLING:
            said.append(text)
        elif text.startswith(_SOCKET):
            # What HTTP clients say has the whole path in it, which may be a secret: only the cause is kept.
            said += [text.removeprefix(_SOCKET)] if as_mail else _CAUSE.findall(text)
    return "; ".join(dict.fromkeys(said)) or f"not sent ({result.status.name.lower()})"


def _secrets(service: Any) -> frozenset[str]:
    """Return the parts of an address that Apprise itself hides."""
    shown = _pieces(service.url(privacy=True))
    return frozenset(piece for piece in _pieces(service.url()) - shown if len(piece) >= _SHORTEST_SECRET)


def _pieces(url: str) -> set[str]:
    found = set(re.split(r"[:/?&=@,#]+", url))
    return found | {unquote(piece) for piece in found}


def _without(secrets: frozenset[str], text: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _not_understood(setting: str) -> Unusable:
    # The address itself is not repeated: it holds a secret.
    return Unusable(
        setting, "is no address that Apprise understands", "see the list of services in its documentation"
    )
