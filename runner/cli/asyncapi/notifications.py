"""The topic of notifications: what people have to hear, as CloudEvents."""

from __future__ import annotations

from typing import Final

from runner.actions.render import CLOUD_EVENT
from runner.cli.asyncapi.building import TopicDescription, channel, message, of_file, operation
from runner.cli.asyncapi.headers import CONTENT_TYPE, headers
from runner.cli.topics_command import wanted_topics
from runner.config import Config

CHANNEL: Final = "notifications"
MESSAGE: Final = "notification"


def notifications(config: Config) -> TopicDescription:
    """Return channel, message and operation of the notifications."""
    told = message(
        "Notification",
        "A change of a task that its domain wants people to hear of (domains.<name>.notify).",
        key={"type": "string", "minLength": 1, "description": "The id of the task."},
        headers=headers((CONTENT_TYPE,)),
        payload=of_file("notification.schema.json"),
        content_type=CLOUD_EVENT[0][1].decode(),
    )
    return TopicDescription(
        channels={
            CHANNEL: channel(
                CHANNEL,
                "What people have to hear of their tasks, as CloudEvents 1.0.",
                (MESSAGE,),
                partitions="By the key, so that all about a task is in its order.",
                settings=wanted_topics(config).get(CHANNEL, {}),
                description=(
                    "The topic that topics.notifications names; without one nothing is sent. A notification "
                    "neither refuses a change nor holds it up: what the topic does not take is left out."
                ),
            )
        },
        messages={MESSAGE: told},
        operations={
            "notify": operation(
                "send",
                CHANNEL,
                "Tells what people have to hear, in the transaction of the change.",
                (MESSAGE,),
            )
        },
    )
