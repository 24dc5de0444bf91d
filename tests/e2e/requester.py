"""Requester: sends single messages to a site, and waits for what comes of each."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from tests.e2e.answers import Answer, Reader
from tests.e2e.site import Site
from tests.e2e.values import JSON
from tests.waiting import WAIT_SECONDS

LARGEST_BYTES: Final = 32 * 1_048_576


class Requester:
    """Keeps every answer it has read, of ``responses`` unless another topic is named."""

    def __init__(self, site: Site, topic: str | None = None) -> None:
        self._site = site
        self._topic = topic or site.responses
        self._reader = Reader(site, self._topic)
        self._producer = Producer(
            {"bootstrap.servers": site.kafka.bootstrap, "message.max.bytes": LARGEST_BYTES, "linger.ms": 0}
        )
        self.answers: list[Answer] = []

    def put(
        self,
        value: bytes | dict[str, Any] | None,
        partition: int = 0,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] = (),
        topic: str | None = None,
    ) -> int:
        """Send one message, to ``requests`` unless another topic is named, and return its offset."""
        offsets: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            offsets.append(message.offset() or 0)

        values = JSON if topic else self._site.written
        encoded = values.write(value) if isinstance(value, dict) else value
        self._producer.produce(
            topic or self._site.requests,
            encoded,
            key,
            partition,
            on_delivery=delivered,
            headers=list(headers.items() if isinstance(headers, Mapping) else headers),
        )
        self._producer.flush(WAIT_SECONDS)
        return offsets[0]

    def reply_to(self, request_id: str) -> Answer:
        """Return the reply to a request."""
        return self.wait_for(f"a reply to {request_id}", lambda a: _is(a, "reply", request_id))

    def resume_of(self, request_id: str) -> Answer:
        """Return the resumed event of a StartTask."""
        return self.wait_for(f"the end of {request_id}", lambda a: _is(a, "resume", request_id))

    def wait_for(self, what: str, is_it: Callable[[Answer], bool], seconds: float = WAIT_SECONDS) -> Answer:
        """Return the first answer of that kind, read already or to come."""
        deadline = time.monotonic() + seconds
        while (found := next(filter(is_it, self.answers), None)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not seen within {seconds} s; {len(self.answers)} answers")
            self.answers += self._reader.read(0.05)
        return found

    def read_to_the_end(self) -> None:
        """Read all that is committed now; call it when nobody writes any more."""
        ends = self._site.ends(self._topic)
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._reader.has_reached(ends):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the end of {self._topic} was not reached")
            self.answers += self._reader.read(0.05)

    def close(self) -> None:
        self._reader.close()


@contextlib.contextmanager
def requester_at(site: Site, topic: str | None = None) -> Iterator[Requester]:
    """A requester for the length of a block."""
    with contextlib.closing(Requester(site, topic)) as requester:
        yield requester


def start_event(request_id: str, payload: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """Return a StartTask; ``responseStream`` among the parameters goes where it belongs."""
    return _event(request_id, "StartTask", payload or {"amount": 1}, parameters)


def proceed_event(request_id: str, task_id: str, decision: Any = True, **parameters: Any) -> dict[str, Any]:
    """Return a ProceedTask that enriches the task with a decision."""
    payload = {"taskId": task_id, "decision": decision}
    return _event(request_id, "ProceedTask", payload, {"enrichPath": "decision", **parameters})


def error_code(answer: Answer) -> int:
    """Return the numbered code of a FAIL."""
    assert answer.status == "FAIL", answer.event["result"]
    return int(answer.event["result"]["error"]["code"])


def _event(
    request_id: str, action: str, payload: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    meta = {"action": action, "domain": "default", "requestTime": time.time_ns()}
    if stream := parameters.pop("responseStream", None):
        meta["responseStream"] = stream
    return {
        "requestMeta": {"id": request_id},
        "sagaMeta": [{"sagaId": f"saga-{request_id}", "stepId": "step"}],
        "eventMeta": {**meta, "outputElement": "approval", "parameters": parameters},
        "payload": payload,
    }


def _is(answer: Answer, kind: str, request_id: str) -> bool:
    return answer.kind == kind and answer.key == request_id.encode()
