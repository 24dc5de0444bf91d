"""Where the records are kept."""

from typing import Final

from pydantic import Field, SecretStr

from runner.config.sections.section import Section
from runner.config.values import KeyPart, RedisUrl, Secret, Text

DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"


class Redis(Section):
    """Where the records are kept."""

    url: RedisUrl = Field(
        default=SecretStr(DEFAULT_REDIS_URL),
        json_schema_extra={"default": DEFAULT_REDIS_URL},
        description="redis://host:port/database, rediss:// for TLS, or unix:///path.",
    )
    url_file: Text | None = Field(default=None, description="File that holds the URL, instead of url.")
    username: Text | None = Field(default=None, description="User name, unless the URL has it.")
    password: Secret | None = Field(
        default=None, description="Password, unless the URL has it; better in the environment or a file."
    )
    password_file: Text | None = Field(
        default=None, description="File that holds the password, instead of password."
    )
    prefix: KeyPart = Field(
        default="runner", description="First part of every key; one consumer group, one prefix."
    )
    start_empty: bool = Field(
        default=False,
        description=(
            "Begin with no tasks although the group has read before: only after a loss that is accepted."
        ),
    )
    shards: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Parts the tasks are spread over. Fixed once the first record is written.",
    )
    timeout_ms: int = Field(
        default=2000,
        ge=10,
        le=60_000,
        description="How long one call may take, in milliseconds, before Redis counts as not answering.",
    )
