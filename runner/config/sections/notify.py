"""Sections about notifications: routes, channels, texts, the directory of people, and retries."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, Strict

from runner.config.sections.section import BrokenRule, Section
from runner.config.values import (
    ChannelFiles,
    ChannelUrls,
    Destination,
    EventNames,
    LinkUrl,
    RoleUrl,
    Secret,
    TemplateName,
    Text,
    Texts,
    UserUrl,
    Zone,
    not_empty,
)

RECIPIENTS = "recipients"


class NotifyRoute(Section):
    """Where notifications go that fit all conditions; a condition that is left out fits every one."""

    to: Annotated[
        tuple[Destination, ...],
        Strict(strict=False),
        AfterValidator(not_empty),
        Field(json_schema_extra={"minItems": 1}),
    ]
    """Where they go: names of notify.channels, addresses that Apprise understands, or recipients, the people
    it is for, at the addresses that the directory has of them.
    """
    domain: Texts = ()
    """Domains of the task; none: any."""
    event: EventNames = ()
    """What happened: created, assigned and so on; none: any."""
    user: Texts = ()
    """Users it is for; none: any, and those for nobody by name."""
    role: Texts = ()
    """Roles of which it is for at least one; none: any."""
    language: Text | None = None
    """Language of the text; null: the recipient's, else notify.language."""
    template: TemplateName | None = None
    """Name of the templates; null: that of the event, else any."""

    def names(self) -> tuple[str, ...]:
        """Return those of ``to`` that are names, not addresses."""
        return tuple(each for each in self.to if isinstance(each, str))


class NotifyDirectory(Section):
    """Where a user is reached, and who holds a role: a file, or a service that is asked over HTTP."""

    file: Text | None = None
    """File (YAML, or JSON as *.json) with users and roles; read again when it changes."""
    user_url: UserUrl | None = None
    """URL that tells of a user, with {user} in it; instead of a file."""
    role_url: RoleUrl | None = None
    """URL that tells who holds a role, with {role} in it; null: no roles."""
    token: Secret | None = None
    """Bearer token for these URLs; better in the environment or a file."""
    token_file: Text | None = None
    """File that holds the token, instead of token."""
    timeout_ms: int = Field(default=3000, ge=10, le=60_000)
    """How long an answer may take, in milliseconds."""
    cache_seconds: int = Field(default=60, ge=0, le=86_400)
    """How long an answer is remembered, in seconds; 0: not at all."""
    cache_entries: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most answers remembered."""
    kinds: Texts = ()
    """Kinds of addresses a user may have besides mail (slack, msteams and so on); none: any. To be set where
    people edit their own entry: they choose where this process connects to.
    """

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if self.file is not None and (self.user_url or self.role_url):
            other = "userUrl" if self.user_url else "roleUrl"
            yield BrokenRule(("file",), (other,), f"is set, and {other} as well", "keep one of them")
        if self.role_url is not None and self.user_url is None and self.file is None:
            what = "tells who holds a role, but not where they are reached"
            yield BrokenRule(("roleUrl",), ("userUrl",), what, "set userUrl as well")
        if self.token is not None and self.user_url is None:
            yield BrokenRule(("token",), ("userUrl",), "is set, but no URL to send it to", "remove it")


class NotifyRetry(Section):
    """How a channel that fails is tried again."""

    first_ms: int = Field(default=1000, ge=10, le=3_600_000)
    """First pause, in milliseconds; each following one is twice as long, by chance up to half less."""
    longest_ms: int = Field(default=60_000, ge=10, le=3_600_000)
    """Longest pause, in milliseconds."""
    give_up_seconds: int = Field(default=3600, ge=0, le=604_800)
    """When a notification that cannot be sent goes to the dead letters, in seconds."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if self.longest_ms < self.first_ms:
            yield BrokenRule(("longestMs",), ("firstMs",), "is less than firstMs", "raise it to that")


class Notify(Section):
    """What ``runner notify`` does with topics.notifications; no worker looks at it."""

    routes: Annotated[tuple[NotifyRoute, ...], Strict(strict=False)] = ()
    """Which notifications go where. Every route that fits counts; who is named by several gets one, by the
    first.
    """
    channels: ChannelUrls = Field(default={})
    """Addresses that Apprise understands, by names of your own, which routes use; the one called mail (mailto
    or mailtos) carries the mail to people's own addresses.
    """
    channel_files: ChannelFiles = Field(default={})
    """Channels whose address is read from a file: name to path."""
    language: Text = "en"
    """Language of the texts where nobody says otherwise."""
    zone: Zone = "UTC"
    """Time zone in which texts show moments, like Europe/Berlin."""
    link: LinkUrl | None = None
    """URL of a task for people; null: none is shown. {domain} stands for the domain, {key} for the id as the
    inbox has it in its addresses, {id} for the id itself, escaped for a page of your own.
    """
    templates: Text | None = None
    """Folder with templates of your own, looked through first; null: none."""
    directory: NotifyDirectory = Field(default_factory=NotifyDirectory)
    """Where a user is reached, and who holds a role."""
    retry: NotifyRetry = Field(default_factory=NotifyRetry)
    """How a channel that fails is tried again."""
    senders: int = Field(default=16, ge=1, le=200)
    """Most notifications that are being sent at the same time."""
    memory: int = Field(default=100_000, ge=0, le=10_000_000)
    """How many sent notifications are remembered, so that none is sent twice to the same recipient."""
    waiting: int = Field(default=10_000, ge=10, le=1_000_000)
    """Most messages that are read and not finished. When there are as many, those that wait for a channel
    that fails go to the dead letters first.
    """

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if RECIPIENTS in self.channels:
            what = "is called recipients, which means the people of a notification"
            yield BrokenRule(("channels", RECIPIENTS), ("routes",), what, "call it something else")
        for number, route in enumerate(self.routes):
            for name in route.names():
                if name == RECIPIENTS and self.directory.file is None and self.directory.user_url is None:
                    what = "leads to recipients, but nobody knows where they are reached"
                    remedy = "set notify.directory.file or userUrl"
                    yield BrokenRule((f"routes[{number}]",), ("directory",), what, remedy)
                elif name != RECIPIENTS and name not in self.channels:
                    what = f"leads to {name}, which is not under notify.channels"
                    yield BrokenRule(
                        (f"routes[{number}]",), ("channels",), what, "name it there, or correct it"
                    )

    def addresses(self) -> dict[str, SecretStr]:
        """Return the address of every channel by its name; one in a route is called by its place."""
        found = dict(self.channels)
        for number, route in enumerate(self.routes):
            for place, each in enumerate(route.to):
                if isinstance(each, SecretStr):
                    found[f"routes[{number}].to[{place}]"] = each
        return found
