"""Another way in: an input topic on which people's commands are payloads, and the events made of them."""

import json
from dataclasses import replace
from typing import Any, Final

from tests.e2e.site import Site

NAME: Final = "desk"
ROLES: Final = ["director"]
USER: Final = "user-7"


def topic_of(site: Site) -> str:
    """Return the input topic of a site."""
    return f"desk-{site.name}"


def with_way_in(site: Site, **settings: Any) -> Site:
    """Return the site with workers that read its input topic, and make that topic; no other."""
    given = {
        "topic": topic_of(site),
        "action": "proceedTask",
        "domain": "default",
        "inputElement": "form",
        "outputElement": "task",
        "parameters": {"enrichPath": "decision"},
        "user": USER,
        "rolesHeader": "roles",
        "requestIdHeader": "request-id",
        **settings,
    }
    site.kafka.create_topics({topic_of(site): site.partitions})
    return replace(site, settings={**site.settings, "RUNNER_INPUTS": json.dumps({NAME: given})})


def command(task_id: str, request_id: str) -> dict[str, Any]:
    """Return the event that is made of a command; its payload is what is sent."""
    return {
        "requestMeta": {"id": request_id, "channel": NAME, "claims": {"sub": USER, "roles": ROLES}},
        "eventMeta": {
            "action": "ProceedTask",
            "domain": "default",
            "inputElement": "form",
            "outputElement": "task",
            "parameters": {"enrichPath": "decision"},
            "handler": "user-task",
        },
        "payload": {"form": {"taskId": task_id, "decision": {"by": request_id, "approved": True}}},
    }


def headers(request_id: str) -> dict[str, bytes]:
    """Return the headers that a command is sent with."""
    return {"request-id": request_id.encode(), "roles": ",".join(ROLES).encode()}
