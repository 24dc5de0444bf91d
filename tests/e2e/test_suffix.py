"""Responses by the digits at the end of the request id, as some gateways look for them."""

from collections.abc import Callable
from typing import Final

from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

PARTITIONS: Final = 12
REQUESTS: Final = {"req-7": 7, "req-12": 0, "req-0025": 1, "a1b2c3": 3, "9" * 40: int("9" * 40) % PARTITIONS}


def test_a_response_goes_to_the_partition_its_request_id_names(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    site = make_site(partitions=PARTITIONS, settings={"RUNNER_RESPONSES__PARTITIONER": "suffix"})
    site.create_topics()
    fleet = fleets(site)
    fleet.start()
    with requester_at(site) as requester:
        for home, request_id in enumerate(REQUESTS):
            requester.put(start_event(request_id, {"taskId": f"task-{home}"}), home, request_id.encode())
        for request_id, partition in REQUESTS.items():
            assert requester.reply_to(request_id).partition == partition
        # The resumed event goes where the gateway of the *starting* request looks.
        requester.put(proceed_event("done-5", "task-0"), 0, b"done-5")
        assert requester.resume_of("req-7").partition == 7
        assert requester.reply_to("done-5").partition == 5
    assert fleet.stop() == [0]
