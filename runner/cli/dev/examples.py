"""Examples: a few tasks of each kind, started as a saga engine starts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from time import time
from typing import Any, Final

from runner.actions.registry import DEFINE_TASK
from runner.cli.responses_table import FAIL
from runner.cli.sending import caller_of, event_of
from runner.cli.wiring.events import build_policy, build_rules
from runner.config import Config
from runner.config.yaml_file import read_yaml
from runner.envelope.plain import encode
from runner.exchange.event_lines import read_events
from runner.exchange.exchange import Sending, awaited_replies, send_events
from runner.kafka.clients import connect_producer

START_TASK: Final = "StartTask"
STEP: Final = "decide"
"""The step of each example's saga that is a task."""
REPLY_SECONDS: Final = 30.0

_MINUTE_MS: Final = 60_000
_Tree = Mapping[str, Any]


def start_examples(config: Config, domain: str) -> tuple[int, list[str]]:
    """Define the forms and start the tasks; return how many wait, and what was refused, a line each.

    FatalError where no replies come.
    """
    examples = read_yaml(files("runner.cli.dev").joinpath("examples.yaml").read_text("utf-8"))
    # A task is pinned to the form there is when it starts.
    undefined = _refused(config, definition_events(config, domain, examples["definitions"]))
    tasks = task_events(config, domain, examples["tasks"], int(time() * 1000))
    refused = _refused(config, tasks)
    return len(tasks) - len(refused), [*undefined, *refused]


def definition_events(config: Config, domain: str, definitions: _Tree) -> list[dict[str, Any]]:
    """Return a DefineTask of each form, as an admin sends it."""
    return [
        _event(config, DEFINE_TASK, domain, spec, parameters={"taskSpec": spec, **definition})
        for spec, definition in definitions.items()
    ]


def task_events(config: Config, domain: str, tasks: _Tree, now_ms: int) -> list[dict[str, Any]]:
    """Return a StartTask of each task: its saga has the same id, and one step."""
    return [_task_event(config, domain, task_id, task, now_ms) for task_id, task in tasks.items()]


def _task_event(config: Config, domain: str, task_id: str, task: _Tree, now_ms: int) -> dict[str, Any]:
    parameters = {**task["parameters"], "taskIdPath": "$.taskId"}
    if "dueInMinutes" in task:
        parameters["dueOn"] = now_ms + task["dueInMinutes"] * _MINUTE_MS
    payload = {"taskId": task_id, "data": task["data"]}
    event = _event(config, START_TASK, domain, task_id, parameters, payload)
    event["sagaMeta"] = [{"sagaId": task_id, "stepId": STEP, "startDT": now_ms}]
    event["eventMeta"] |= {"inputElement": "data", "outputElement": "answers"}
    return event


def _event(
    config: Config, action: str, domain: str, name: str, parameters: _Tree, payload: _Tree | None = None
) -> dict[str, Any]:
    roles = [each.admin_role for each in config.domains.values() if each.admin_role is not None]
    caller = caller_of(config, "examples", sorted({*roles, *config.domains[domain].start_roles}))
    event = event_of(config, action, name, caller, parameters, payload or {})
    event["eventMeta"]["domain"] = domain
    return event


def _refused(config: Config, events: Sequence[dict[str, Any]]) -> list[str]:
    """Send events, wait for their replies, and return what was refused, a line each."""
    lines, bad = read_events(config, build_rules(config), [encode(each) for each in events])
    producer, policy = connect_producer(config), build_policy(config)
    with awaited_replies(config, policy, producer, lines) as replies:
        send_events(producer, config.topics.requests, [Sending(each, None) for each in lines])
        refused = [
            f"{reply.key}: {reply.error().get('message')}"
            for reply in replies.each(REPLY_SECONDS)
            if reply.status == FAIL
        ]
    return [*map(str, bad), *refused]
