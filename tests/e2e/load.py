"""The load: a saga engine and its users, who speak only the topics, by a seeded plan.

Knows what it sent, keeps a bounded number of messages unanswered, and reacts to what it reads: a
proceed aimed at the deadline that an ACK told, a further round of a saga whose task has ended.
"""

import heapq
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, Self

from confluent_kafka import KafkaError, Message, Producer

from tests.e2e import way_in
from tests.e2e.answers import Answer, Reader
from tests.e2e.mix import Mix, Task
from tests.e2e.people import (
    ADMIN,
    DIRECTOR,
    EVERYBODY,
    FAR_MS,
    VERSIONS_BETWEEN,
    Deed,
    Forms,
    People,
    proceeding_event,
)
from tests.e2e.sent import Sent
from tests.e2e.site import Site
from tests.waiting import WAIT_SECONDS

STEP: Final = "step-2"
RACE_MS: Final = 60
"""How far from a deadline a command is aimed, either side."""


class Load:
    """Sends and reads until every task of the plan has ended and every message is answered."""

    def __init__(
        self,
        site: Site,
        seed: int,
        tasks: int,
        mix: Mix | None = None,
        window: int = 600,
        input_topic: str | None = None,
    ) -> None:
        """``input_topic``: commands go there as payloads, instead of as events."""
        self._input_topic = input_topic
        self._site = site
        self._random = Random(seed)
        self._mix = mix or Mix()
        self._lived = self._mix.lived if input_topic is None else 0.0
        self._people = People(self._random)
        self._forms = Forms(self._random, f"{seed:x}")
        self._window = window
        self._name = f"{seed:x}"
        self._homes = site.partitions
        self._planned: Iterator[int] = iter(range(tasks))
        self._tasks: dict[str, Task] = {}
        self._of_request: dict[str, Task] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._reader = Reader(site, site.responses)
        self._producer = Producer(
            {
                "bootstrap.servers": site.kafka.bootstrap,
                "log_level": 2,
                "enable.idempotence": True,
                "linger.ms": 2,
            }
        )
        self._unanswered: Counter[str] = Counter()
        self._outstanding = 0
        self._exhausted = False
        self._defined = False
        self._endless: set[str] = set()
        """Request ids of acknowledged tasks whose end has not been seen."""
        self.sent: list[Sent] = []
        self.answered = 0
        """Replies and resumed events seen so far."""
        self.per_second: float | None = None
        """New tasks a second at most; None: as many as are answered."""
        self.begun = 0
        """Tasks begun so far."""
        self._began_at = time.monotonic()
        self.holding = False
        """While true nothing is sent; what is due meanwhile is sent afterwards."""

    def run(
        self,
        meanwhile: Callable[[], object] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Go on until all is answered, or until ``stop``, calling ``meanwhile`` all the time.

        TimeoutError where neither comes, and no answer either for WAIT_SECONDS.
        """
        last = time.monotonic()
        while not self.done and not stop():
            self._send()
            answers = self._reader.read(0.02)
            for answer in answers:
                self._react(answer)
            if answers:
                last = time.monotonic()
            elif time.monotonic() - last > WAIT_SECONDS:
                raise TimeoutError(f"nothing was answered for {WAIT_SECONDS} s: {self.missing()}")
            meanwhile()

    @property
    def done(self) -> bool:
        """Whether everything planned was sent, answered, and has ended."""
        return self._exhausted and not self._later and not self._outstanding and not self._endless

    @property
    def idle(self) -> bool:
        """Whether everything sent so far was answered; tasks may still be open."""
        return not self._outstanding

    def finish(self) -> None:
        """Begin no more tasks."""
        self._exhausted = True

    def widen(self, homes: int) -> None:
        """Send to so many partitions from now on, whether or not a worker has noticed them."""
        self._producer.list_topics(self._site.requests, WAIT_SECONDS)
        self._homes = homes

    def enough(self) -> None:
        """Begin no more tasks; those that were begun go on to their end."""
        self._planned = iter(())

    def missing(self) -> str:
        """Say what is still waited for."""
        ids = [request_id for request_id, count in self._unanswered.items() if count > 0]
        endless = sorted(self._endless)
        return (
            f"{len(ids)} unanswered {ids[:10]}, {len(endless)} without an end {endless[:10]}, "
            f"{len(self._later)} still to send"
        )

    def close(self) -> None:
        """Close the clients."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- sending -------------------------------------------------------------------------------------

    def _send(self) -> None:
        if self.holding:
            return
        if self._lived and not self._defined:
            self._defined = True
            for spec in self._forms.names():
                self._define(spec)
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        while not self._exhausted and self._outstanding < self._window and self._is_time():
            number = next(self._planned, None)
            if number is None:
                self._exhausted = True
            else:
                self._begin(self._task(number))
                self.begun += 1
        self._producer.flush(WAIT_SECONDS)

    def _is_time(self) -> bool:
        if self.per_second is None:
            return True
        return self.begun < (time.monotonic() - self._began_at) * self.per_second

    def _task(self, number: int) -> Task:
        chance, mix = self._random.random, self._mix
        kind = chance()
        named = chance() < mix.named
        lived = chance() < self._lived
        intruded = named and not lived and chance() < mix.intruded
        return Task(
            number,
            home=self._random.randrange(self._homes),
            named=named,
            waiting=kind < mix.waiting,
            racing=mix.waiting <= kind < mix.waiting + mix.racing,
            once=intruded,
            rounds=2 if named and not intruded and chance() < mix.again else 1,
            lived=lived,
            has_form=lived and chance() < mix.formed,
            far=lived and chance() < mix.far,
        )

    def _begin(self, task: Task) -> None:
        """Send a StartTask, its repeats, and the commands that wait for nothing."""
        round_of = len(task.acknowledged)
        task.start = self._starting_event(task, f"{self._name}-s-{task.number}-{round_of}")
        self._put(task, task.start, task.home)
        if self._random.random() < self._mix.repeated:
            # A generated id is made from the partition: elsewhere it would be another task.
            self._put(task, task.start, self._elsewhere(task) if task.named else task.home)
        if task.once:
            other = self._starting_event(task, f"{self._name}-i-{task.number}")
            self._put(task, other, task.home)
        if not task.waiting and not task.racing and not task.lived:
            self._command(task)
        if task.has_form and self._random.random() < 1 / VERSIONS_BETWEEN / self._mix.formed:
            self._define(self._random.choice(self._forms.names()))

    def _define(self, spec: str) -> None:
        """Send a DefineTask to any partition, sometimes twice."""
        event = self._forms.defining(spec, f"{self._name}-d-{len(self.sent)}")
        for _ in range(1 if self._random.random() < 0.8 else 2):
            self._put(None, event, self._random.randrange(self._homes))

    def _starting_event(self, task: Task, request_id: str) -> dict[str, Any]:
        low, high = self._mix.short_ms if task.waiting or task.racing else self._mix.safety_ms
        span = self._random.randint(low, high)
        parameters: dict[str, Any] = {"timeout": str(span), "taskRoles": "manager, director"}
        if self._random.random() < 0.3:
            parameters = {"timeoutOn": str(_now_ms() + span), "taskUser": "user-7"}
        about: dict[str, Any] = {"channel": "e2e", "unknown": {"kept": True}}
        if task.lived:
            parameters = {"timeout": str(FAR_MS if task.far else span), **self._people.start_parameters()}
        if task.has_form:
            parameters |= self._forms.start_parameters()
            about["seen"] = self._forms.seen.get(parameters["taskSpec"], -1)
        name = f"{self._name}-t-{task.number}"
        task.task_id = name if task.named else f"{request_id}:{STEP}{task.home}"
        payload = {"amount": task.number, "odd": {"näme": ["x", None, {"deep": 1.5}]}}
        return {
            "requestMeta": {"id": request_id, **about},
            "sagaMeta": [{"sagaId": "outer", "stepId": 1}, {"sagaId": f"saga-{name}", "stepId": STEP}],
            "eventMeta": {
                "requestTime": _now_ms(),
                "handler": "user-task",
                "action": "StartTask",
                "domain": "default",
                "outputElement": "approval",
                "parameters": parameters,
            },
            "payload": {**payload, "taskId": name} if task.named else payload,
        }

    def _command(self, task: Task) -> None:
        """Send one or two commands to a task, to its home or elsewhere, some of them twice."""
        for _ in range(self._random.choice((1, 1, 2))):
            request_id = f"{self._name}-p-{len(self.sent)}"
            if self._input_topic is not None:
                event = way_in.command(task.task_id, request_id)
            elif task.lived:
                event = self._answered(task, request_id)
            else:
                event = proceeding_event(task.task_id, request_id)
            self._send_about(task, event)

    def _answered(self, task: Task, request_id: str) -> dict[str, Any]:
        """Return the command of somebody who may have the task, with answers that may not fit its form."""
        person = EVERYBODY[task.owner] if task.owner and self._random.random() < 0.8 else DIRECTOR
        answers = self._people.answers(request_id, has_form=task.has_form)
        event = proceeding_event(task.task_id, request_id, person, answers)
        if task.has_form:
            event["eventMeta"]["parameters"]["outcome"] = self._people.outcome()
        return event

    def _live(self, task: Task, left_ms: int) -> None:
        """Plan what people do to a task until it ends."""
        within = 0.6 * min(left_ms, self._mix.safety_ms[1]) / 1000
        for deed in self._people.day(has_form=task.has_form):
            self._at(self._random.uniform(0, within), lambda deed=deed: self._do(task, deed))  # type: ignore[misc]
        if task.far:
            self._at(within, lambda: self._do(task, self._people.moved_near()))
        elif not task.waiting and not task.racing:
            self._at(within, lambda: self._command(task))

    def _do(self, task: Task, deed: Deed) -> None:
        self._send_about(task, deed.event(task.task_id, f"{self._name}-v-{len(self.sent)}"))

    def _send_about(self, task: Task, event: dict[str, Any]) -> None:
        """Send an event about a task, some of them twice, to its home or elsewhere."""
        copies = 1 if task.once or self._random.random() < 0.8 else 2
        for _ in range(copies):
            astray = self._random.random() < self._mix.astray
            self._put(task, event, self._elsewhere(task) if astray else task.home)

    def _elsewhere(self, task: Task) -> int:
        step = self._random.randrange(1, self._homes) if self._homes > 1 else 0
        return (task.home + step) % self._homes

    def _put(self, task: Task | None, event: dict[str, Any], partition: int) -> None:
        """Send one message about a task; None: about a definition."""
        message = Sent(partition, event, "" if task is None else task.task_id, _now_ms())
        self.sent.append(message)
        self._unanswered[message.request_id] += 1
        self._outstanding += 1
        if task is not None:
            self._of_request[message.request_id] = task
            task.unreachable += 1
        as_payload = self._input_topic if message.action == "ProceedTask" else None
        self._producer.produce(
            as_payload or self._site.requests,
            json.dumps(event["payload"]).encode() if as_payload else self._site.written.write(event),
            message.request_id.encode(),
            partition,
            on_delivery=_require_delivered,
            headers=list(way_in.headers(message.request_id).items()) if as_payload else [],
        )

    # -- reacting ------------------------------------------------------------------------------------

    def _react(self, answer: Answer) -> None:
        event = answer.event
        request_id = str(event["requestMeta"]["id"])
        task = self._of_request.get(request_id)
        self.answered += 1
        if answer.kind == "resume":
            if task is not None:
                self._resumed(task, request_id)
        elif request_id in self._unanswered:
            self._replied(task, request_id, event)
        if task is not None:
            self._go_round(task)

    def _resumed(self, task: Task, request_id: str) -> None:
        task.ends += 1
        self._endless.discard(request_id)
        if task.lived and self._random.random() < 0.5:
            self._do(task, Deed("CommentTask", ADMIN, {"text": "after the end"}))
        if task.lived:
            self._do(task, Deed("GetTask", ADMIN))

    def _replied(self, task: Task | None, request_id: str, event: dict[str, Any]) -> None:
        self._unanswered[request_id] -= 1
        is_expected = self._unanswered[request_id] >= 0
        self._outstanding -= is_expected
        result = event["result"]
        if task is None:
            told = result.get("definition")
            if told is not None:
                self._forms.seen[told["taskSpec"]] = max(
                    told["version"], self._forms.seen.get(told["taskSpec"], -1)
                )
            return
        task.unreachable -= is_expected
        if result["status"] == "SUCCESS" and "version" in result.get("task", {}):
            self._go_on(task, event)
        if result["status"] != "ACK" or request_id in task.acknowledged:
            return
        task.acknowledged.add(request_id)
        self._endless.add(request_id)
        self._acknowledged(task, result["task"]["timeout"])

    def _acknowledged(self, task: Task, deadline_ms: int | None) -> None:
        if deadline_ms is None:
            return
        left_ms = max(0, deadline_ms - _now_ms())
        if task.lived:
            self._live(task, left_ms)
        if task.racing and not task.far:
            aim_ms = left_ms + self._random.randint(-RACE_MS, RACE_MS)
            self._at(max(0.0, aim_ms / 1000), lambda: self._command(task))

    def _go_on(self, task: Task, event: dict[str, Any]) -> None:
        """Do what comes of the reply to a verb."""
        result, person = event["result"], event["requestMeta"]["claims"]["sub"]
        task.owner = result["task"]["owner"]
        more = [self._people.after_version(result["task"]["version"])]
        if "comment" in result and "commentId" not in event["eventMeta"]["parameters"]:
            more.append(self._people.after_comment(result["comment"]["id"], person))
        for deed in more:
            if deed is not None:
                self._do(task, deed)

    def _go_round(self, task: Task) -> None:
        """Start the next round once the last one has ended and nothing of it is under way."""
        ended = task.ends >= len(task.acknowledged) > 0
        if ended and not task.unreachable and len(task.acknowledged) < task.rounds:
            self._begin(task)

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), act))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _require_delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise AssertionError(f"the load could not send to {message.topic()}: {error}")
