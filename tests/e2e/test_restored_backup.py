"""Redis is taken back to a backup (docs/operations.md, "Backup"): what is lost, and how it is not."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest
import redis

from tests.e2e.requester import Requester, error_code, proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

LATER_MS = 600_000
SOON_MS = 1000
NOT_FOUND = 10118


@pytest.fixture
def restored(site: Site, fleets: Callable[..., Fleet]) -> Iterator[Callable[[bool], tuple[Requester, Fleet]]]:
    """Make a backup between two halves of a story, play the story to its end, and restore the backup."""

    def restore(follow_the_log: bool) -> tuple[Requester, Fleet]:
        fleet, requester = fleets(site), closing.enter_context(requester_at(site))
        fleet.start().wait_for("homes", open=[0, 1, 2, 3])
        for request, timeout in (("answered", LATER_MS), ("due", SOON_MS)):
            requester.put(start_event(request, {"taskId": request}, taskIdPath="taskId", timeout=timeout))
            requester.reply_to(request)
        backup = dump(site)
        requester.put(proceed_event("answer", "answered"))
        requester.reply_to("answer")
        requester.put(start_event("later", {"taskId": "later"}, taskIdPath="taskId"), partition=1)
        requester.reply_to("later")
        requester.resume_of("due")
        assert fleet.stop() == [0]
        load(site, backup)
        if follow_the_log:
            site.forget_offsets()
        fleet.slots = [fleet.one()]
        fleet.slots[0].wait_for("homes", open=[0, 1, 2, 3])
        return requester, fleet

    with contextlib.ExitStack() as closing:
        yield restore


def dump(site: Site) -> dict[bytes, bytes]:
    """Every key of a site, as Redis writes it into a file."""
    with redis.Redis.from_url(site.redis_url) as client:
        return {key: client.dump(key) for key in client.scan_iter(f"{site.prefix}:*", count=1000)}


def load(site: Site, backup: Mapping[bytes, bytes]) -> None:
    """Take the site back to these keys and no others."""
    with redis.Redis.from_url(site.redis_url) as client:
        client.delete(*client.scan_iter(f"{site.prefix}:*", count=1000))
        for key, value in backup.items():
            client.restore(key, 0, value)


def acknowledged(requester: Requester, request_id: bytes) -> int:
    """How often a start was acknowledged, as far as was read."""
    return sum((answer.key, answer.status) == (request_id, "ACK") for answer in requester.answers)


def seen(requester: Requester, fleet: Fleet) -> Counter[tuple[bytes | None, str]]:
    """How often each answer is there once all is done."""
    assert fleet.stop() == [0]
    requester.read_to_the_end()
    return Counter((answer.key, answer.status) for answer in requester.answers)


def test_with_the_groups_offsets_deleted_the_log_is_followed_again_from_the_backup_on(
    restored: Callable[[bool], tuple[Requester, Fleet]],
) -> None:
    requester, fleet = restored(True)
    # Between two partitions there is no order: the start that is read again must have been.
    requester.wait_for("the second ACK", lambda _: acknowledged(requester, b"later") == 2)
    requester.put(proceed_event("again", "later"))
    requester.reply_to("again")

    assert seen(requester, fleet) == {
        (b"answered", "ACK"): 1,
        (b"due", "ACK"): 1,
        (b"answer", "SUCCESS"): 2,
        (b"answered", "PROCEEDED"): 2,
        (b"later", "ACK"): 2,
        (b"due", "TIMEOUT"): 2,
        (b"again", "SUCCESS"): 1,
        (b"later", "PROCEEDED"): 1,
    }


def test_left_alone_what_came_since_the_backup_is_lost(
    restored: Callable[[bool], tuple[Requester, Fleet]],
) -> None:
    requester, fleet = restored(False)
    requester.put(proceed_event("missed", "later"))
    assert error_code(requester.reply_to("missed")) == NOT_FOUND
    requester.put(proceed_event("twice", "answered"))
    assert requester.reply_to("twice").status == "SUCCESS"

    assert seen(requester, fleet)[b"answered", "PROCEEDED"] == 2
