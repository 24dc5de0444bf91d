"""Planning: a notice becomes deliveries, by its routes and by what the directory says of its recipients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from runner.errors import DirectoryUnavailable
from runner.notify.channels import Channel
from runner.notify.directory import LONGEST_NAME, Contact, Directory
from runner.notify.notice import Notice
from runner.notify.routes import RECIPIENTS, Route, destinations
from runner.notify.texts import Texts
from runner.notify.unusable import Unusable
from runner.notify.wording import Wording

DIRECTORY: Final = "directory"
"""Channel and kind of look-ups in the directory."""

MAIL_ACCOUNT: Final = "mail"
"""The channel by which people get mail at addresses of their own."""

MOST_PEOPLE: Final = 1000
"""Recipients of one notice; a role with more holders is meant for a channel."""

NO_ADDRESS: Final = "NO_ADDRESS"
TOO_MANY: Final = "TOO_MANY_RECIPIENTS"

_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """One letter to one recipient, by one channel."""

    recipient: str
    """Stable and no secret: ``channel ops``, ``user ann mail``."""
    channel: str
    """What is up or down as a whole."""
    kind: str
    at_once: int
    attempt: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A recipient who cannot be reached by waiting: a dead letter."""

    recipient: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class People:
    """What the directory said of the recipients of a notice."""

    persons: Mapping[str, Contact | None] = field(default_factory=dict)
    """By user; None: nobody knows them."""
    unknown_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlets:
    """The ways out of this process."""

    channels: Mapping[str, Channel]
    """By the name that routes have for them."""
    mailbox: Callable[[str], Channel] | None
    """Makes the channel to one mailbox; None: nobody can be reached by mail."""
    personal: Callable[[str], Channel]
    """Makes the channel of an address in the directory. Raises Unusable."""


class Planner:
    """Makes the deliveries of notices."""

    def __init__(self, routes: Sequence[Route], outlets: Outlets, directory: Directory, texts: Texts) -> None:
        self._routes = tuple(routes)
        self._channels = outlets.channels
        self._mailbox = None if outlets.mailbox is None else lru_cache(_REMEMBERED)(outlets.mailbox)
        self._personal = lru_cache(_REMEMBERED)(outlets.personal)
        self._directory = directory
        self._texts = texts

    def plan(self, notice: Notice, only: str = "") -> NoticePlan:
        """Return the plan of a notice; ``only``: for this recipient and nobody else."""
        return NoticePlan(notice, destinations(notice, self._routes), self, only)

    def people(self, users: Sequence[str], roles: Sequence[str]) -> People | None:
        """Ask the directory; may block. None: they are too many. Raises DirectoryUnavailable."""
        found, unknown = list(users), []
        for role in roles:
            holders = self._directory.holders(role)
            if holders is None:
                unknown.append(role)
            found += holders or ()
        distinct = list(dict.fromkeys(found))
        if len(distinct) > MOST_PEOPLE:
            return None
        return People({user: self._directory.person(user) for user in distinct}, tuple(unknown))

    def to_channel(self, notice: Notice, name: str, route: Route) -> Planned:
        """Return the delivery to a channel of the configuration. PoisonError where the template fails."""
        channel = self._channels[name]
        return self._planned(
            f"channel {name}", f"channel {name}", channel, self._letter(notice, route, None, channel)
        )

    def to_person(
        self, notice: Notice, user: str, person: Contact | None, route: Route
    ) -> list[Planned | Unreachable]:
        """Return the deliveries to the addresses of somebody. PoisonError where the template fails."""
        whom = named("user", user)
        if person is None:
            return [Unreachable(whom, NO_ADDRESS, f"the directory does not know the user {user[:100]!r}")]
        found: list[Planned | Unreachable] = []
        if person.mail is not None:
            found.append(self._by_mail(notice, f"{whom} mail", person, route))
        for number, url in enumerate(person.urls):
            found.append(self._by_url(notice, f"{whom} urls[{number}]", (url, person.language), route))
        return found

    def _by_mail(
        self, notice: Notice, recipient: str, person: Contact, route: Route
    ) -> Planned | Unreachable:
        if self._mailbox is None or person.mail is None:
            why = f"nobody can be reached by mail: set notify.channels.{MAIL_ACCOUNT}"
            return Unreachable(recipient, NO_ADDRESS, why)
        try:
            channel = self._mailbox(person.mail)
        except Unusable as error:
            return Unreachable(recipient, NO_ADDRESS, f"the mail address of {recipient} {error.what}")
        letter = self._letter(notice, route, person.language, channel)
        return self._planned(recipient, f"channel {MAIL_ACCOUNT}", channel, letter)

    def _by_url(
        self, notice: Notice, recipient: str, address: tuple[str, str | None], route: Route
    ) -> Planned | Unreachable:
        url, language = address
        try:
            channel = self._personal(url)
        except Unusable as error:
            return Unreachable(recipient, NO_ADDRESS, f"{recipient} of the directory {error.what}")
        return self._planned(recipient, channel.name, channel, self._letter(notice, route, language, channel))

    def _letter(self, notice: Notice, route: Route, language: str | None, channel: Channel) -> Wording:
        chosen = route.language or language
        return self._texts.letter(notice, chosen, route.template, for_chat=channel.is_chat)

    @staticmethod
    def _planned(recipient: str, place: str, channel: Channel, letter: Wording) -> Planned:
        return Planned(recipient, place, channel.kind, channel.at_once, lambda: channel.send(letter))


class NoticePlan:
    """The deliveries of one notice: to channels at once, to people once the directory has answered."""

    def __init__(self, notice: Notice, where: Mapping[str, Route], planner: Planner, only: str) -> None:
        self.notice = notice
        self._where = where
        self._planner = planner
        self._only = only
        self._people: People | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no route fits, and nobody is named either."""
        return not self._where and not self._only

    @property
    def needs_directory(self) -> bool:
        return RECIPIENTS in self._where and not self._only.startswith("channel ")

    def to_channels(self) -> list[Planned | Unreachable]:
        """Return the deliveries to channels of the configuration. PoisonError where a template fails."""
        planned = [
            self._planner.to_channel(self.notice, name, route)
            for name, route in self._where.items()
            if name != RECIPIENTS and self._only in {"", f"channel {name}"}
        ]
        return list(planned) if planned or self.needs_directory or not self._only else [self._nowhere()]

    def look_up(self) -> str:
        """Ask the directory; return why it does not answer, empty if it does. May block."""
        notice, only = self.notice, self._only
        users = [] if notice.user is None else [notice.user]
        roles = list(notice.roles)
        if only.startswith("role "):
            users, roles = [], [role for role in roles if named("role", role) == only]
        elif only.startswith("user "):
            # Whoever held a role then is told, also if they do not hold it any more.
            users, roles = [unquote(only.split(" ")[1])], []
        try:
            self._people = self._planner.people(users, roles)
        except DirectoryUnavailable as error:
            return str(error)
        return ""

    def to_people(self) -> list[Planned | Unreachable]:
        """Return the deliveries to people, after ``look_up``. PoisonError where a template fails."""
        people, route = self._people, self._where[RECIPIENTS]
        if people is None:
            return [
                Unreachable(RECIPIENTS, TOO_MANY, f"more than {MOST_PEOPLE} people: send this to a channel")
            ]
        found: list[Planned | Unreachable] = [
            Unreachable(
                named("role", role), NO_ADDRESS, f"the directory does not know the role {role[:100]!r}"
            )
            for role in people.unknown_roles
        ]
        for user, person in people.persons.items():
            found += self._planner.to_person(self.notice, user, person, route)
        meant = [each for each in found if self._is_meant(each.recipient)]
        return meant if meant or not self._only else [self._nowhere()]

    def _is_meant(self, recipient: str) -> bool:
        return not self._only.startswith("user ") or f"{recipient} ".startswith(f"{self._only} ")

    def _nowhere(self) -> Unreachable:
        return Unreachable(self._only, NO_ADDRESS, f"no route leads to {self._only!r} any more")


def named(kind: str, name: str) -> str:
    """Return how a user or role is called as a recipient: one word behind the kind, whatever the name is."""
    return f"{kind} {quote(name[:LONGEST_NAME].encode('utf-8', 'replace'), safe='')}"
