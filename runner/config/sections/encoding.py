"""How the values of a topic are written."""

from typing import Literal

from pydantic import Field

from runner.config.sections.section import Section
from runner.config.values import Frozen, Topic

EncodingName = Literal["json", "avro", "confluent-avro"]


class Encoding(Section):
    """How values are written: JSON, Avro by itself, or Avro with a schema registry."""

    default: EncodingName = Field(
        default="json",
        description=(
            "Encoding of every topic that is not named below: json; avro, single-object encoding, which "
            "needs no registry; or confluent-avro, the wire format of Confluent, which needs schemaRegistry."
        ),
    )
    topics: Frozen[Topic, EncodingName] = Field(
        default={},
        json_schema_extra={"additionalProperties": {"enum": ["json", "avro", "confluent-avro"]}},
        description="Encoding of single topics, by their names. Dead letters keep the bytes they came with.",
    )

    def of(self, topic: str) -> EncodingName:
        """Return the encoding of a topic."""
        return self.topics.get(topic, self.default)
