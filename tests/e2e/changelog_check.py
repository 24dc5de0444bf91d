"""Compares the changelog with the records in Redis, knowing only what is documented of both."""

import json
from collections.abc import Sequence
from typing import Any

import redis

from tests.e2e.answers import Answer, read_all
from tests.e2e.site import Site


def changelog_of(site: Site) -> list[Answer]:
    """Return all messages of the changelog; none where a site has none."""
    return [] if site.tasks is None else read_all(site, site.tasks)


def changelog_findings(site: Site, urls: Sequence[str] = ()) -> list[str]:
    """Return what the changelog says otherwise than Redis; call it once nothing happens any more.

    ``urls``: the masters, where they are others than the site's one.
    """
    assert site.tasks is not None
    told: dict[str, Any] = {}
    for message in read_all(site, site.tasks):
        key = (message.key or b"").decode()
        told.pop(key, None)
        if message.value is not None:
            told[key] = message.event
    stored: dict[str, Any] = {}
    for url in urls or [site.redis_url]:
        stored |= _records(site, url)
    assert stored, "there is nothing to compare"
    missing = [f"{key} is in Redis and not in the changelog" for key in stored.keys() - told.keys()]
    extra = [f"{key} is in the changelog and not in Redis" for key in told.keys() - stored.keys()]
    other = [
        f"{key} is {told[key]} in the changelog and {stored[key]} in Redis"
        for key in stored.keys() & told.keys()
        if {name: told[key][name] for name in stored[key]} != stored[key]
    ]
    return [*missing, *extra, *other]


def _records(site: Site, url: str) -> dict[str, Any]:
    """Return the parts of the records by their keys in the changelog."""
    found = {}
    with redis.Redis.from_url(url) as client:
        for name in client.scan_iter(f"{site.prefix}:*:task:*", count=1000):
            space, _, task_id = name.decode().removeprefix(f"{site.prefix}:").partition(":task:")
            domain = space.rpartition(":")[0]
            parts = {field.decode(): value for field, value in client.hgetall(name).items()}
            del parts["version"]
            main = {part: json.loads(parts.pop(part)) for part in ("state", "start")}
            found[f"{domain}:{task_id}"] = main
            for part, value in parts.items():
                found[f"{domain}%{part}:{task_id}"] = {"part": part, "value": json.loads(value)}
    return found
