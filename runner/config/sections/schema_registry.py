"""Where the schemas of confluent-avro are."""

from pydantic import Field

from runner.config.sections.section import Section
from runner.config.values import RegistryFiles, RegistryProperties, RegistryUrl, Text


class SchemaRegistry(Section):
    """Where the schemas of topics with confluent-avro are; used for nothing else."""

    url: RegistryUrl | None = Field(
        default=None,
        description="Address of the registry, http or https; several, comma-separated, are tried in turn.",
    )
    url_file: Text | None = Field(default=None, description="File that holds the URL, instead of url.")
    timeout_ms: int = Field(
        default=2000,
        ge=10,
        le=10_000,
        description="How long a step may take before the registry counts as away, in milliseconds.",
    )
    register_schema: bool = Field(
        default=True,
        alias="register",
        description=(
            "Whether a worker registers schemas/envelope.avsc as <topic>-value; false: it must be there."
        ),
    )
    properties: RegistryProperties = Field(
        default={},
        description="Properties of confluent-kafka's SchemaRegistryClient: authentication, TLS, proxy.",
    )
    secret_files: RegistryFiles = Field(
        default={},
        description="Properties whose value is read from a file: property name to path.",
    )
