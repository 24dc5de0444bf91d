"""What holds for tasks, for all of them and by domain."""

from typing import Final, Literal

from pydantic import Field

from runner.config.sections.section import Section

_HUNDRED_YEARS_SECONDS: Final = 3_153_600_000

OnProceed = Literal["update", "delete"]


class Domain(Section):
    """What holds for the tasks of one domain; null falls back to ``task``."""

    on_proceed: OnProceed | None = Field(
        default=None, description="What task.onProceed is for this domain; null: what it is for all."
    )
    retention_seconds: int | None = Field(
        default=None,
        ge=0,
        le=_HUNDRED_YEARS_SECONDS,
        description="What task.retentionSeconds is for this domain, in seconds; null: what it is for all.",
    )
    check_roles: bool = Field(
        default=True,
        description="Whether ProceedTask needs the task's user or one of its roles (else FAIL 14).",
    )
    trust_payload: bool = Field(
        default=False,
        description=(
            "Whether payload.user names the caller, as a whole, where requestMeta names neither user nor "
            "roles. Anyone can write the payload: only behind a gateway that checks it."
        ),
    )


class Task(Section):
    """What holds for tasks of every domain that does not say otherwise."""

    partition_width: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Digits of the partition at the end of a generated task id, padded with zeros.",
    )
    on_proceed: OnProceed = Field(
        default="update",
        description=(
            "What becomes of the record of a finished task: update keeps it for the retention, "
            "delete only as long as redelivery needs it."
        ),
    )
    retention_seconds: int = Field(
        default=604_800,
        ge=0,
        le=_HUNDRED_YEARS_SECONDS,
        description="How long the record of a finished task is kept, in seconds.",
    )
