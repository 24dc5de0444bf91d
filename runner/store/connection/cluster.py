"""Redis Cluster: every command goes to the master of its slot, and all masters work at the same time.

A redirection is followed, for the command had no effect: MOVED and ASK to the node they name, TRYAGAIN
(the keys of a call are moving to another node) and CLUSTERDOWN after a pause, all within the timeout of
one call. A command whose answer is lost is never sent again here: the loop decides that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

import redis
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from runner.errors import StoreUnavailable
from runner.store.connection.command import Command, OnWait, idle
from runner.store.connection.exchange import FAILURES, Exchange, client_options, drop_all
from runner.store.connection.refusals import unavailable
from runner.store.connection.slots import Address, SlotMap

PAUSE_SECONDS: Final = 0.02
"""Pause between two attempts while slots move or a master is replaced."""

_ASKING: Final = ("ASKING",)
_ELSEWHERE: Final = (AskError, TryAgainError, ClusterDownError)


class _Target(NamedTuple):
    """Node that gets a command, and whether ASKING must precede the command."""

    node: Address
    asking: bool = False


class ClusterConnection:
    """The Connection Protocol over the nodes of a Cluster; for one thread."""

    def __init__(
        self, seeds: Sequence[Address], new_client: Callable[[Address], redis.Redis], timeout_seconds: float
    ) -> None:
        """``seeds``: nodes that are asked first for the other nodes."""
        self._seeds = list(seeds)
        self._new_client = new_client
        self._timeout_seconds = timeout_seconds
        self._clients: dict[Address, redis.Redis] = {}
        self._slots = SlotMap()
        self._outdated = True

    def run(self, commands: Iterable[Command], on_wait: OnWait = idle) -> list[Any]:
        """Send each command to the master of its slot, and follow redirections."""
        commands = list(commands)
        deadline = time.monotonic() + self._timeout_seconds
        answers: dict[int, Any] = {}
        left: dict[int, _Target | None] = dict.fromkeys(range(len(commands)))
        for pause in chain([0.0], repeat(PAUSE_SECONDS)):
            targets = {number: target or self._owner(commands[number].key) for number, target in left.items()}
            received = self._exchange(commands, targets, on_wait)
            on_wait = idle  # Once a call, however often commands are sent.
            answers |= received
            refusals = {n: answer for n, answer in received.items() if isinstance(answer, _ELSEWHERE)}
            if not refusals:
                break
            left = {number: self._redirected(refusal) for number, refusal in refusals.items()}
            self._wait(list(refusals.values()), pause, deadline)
        return [answers[number] for number in range(len(commands))]

    def run_on_masters(self, arguments: tuple[Any, ...]) -> list[Any]:
        self._refresh()
        masters = self._slots.masters
        answers = self._send({_Target(node): [arguments] for node in masters})
        return [answers[_Target(node)][0] for node in masters]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    # -- the node of a command ---------------------------------------------------------------------

    def _owner(self, key: str) -> _Target:
        if self._outdated:
            self._refresh()
        owner = self._slots.owner(key)
        if owner is None:
            self._outdated = True
            raise StoreUnavailable(f"Redis has no node for the slot of {key!r}; see CLUSTER INFO")
        return _Target(owner)

    def _redirected(self, refusal: Exception) -> _Target | None:
        """Return the node that a redirection names; None: look up the slot again."""
        match refusal:
            case MovedError():
                self._slots.move(refusal.slot_id, self._named(refusal))
            case AskError():
                return _Target(self._named(refusal), asking=True)
            case ClusterDownError():
                self._outdated = True
            case _:
                pass
        return None

    def _named(self, refusal: AskError) -> Address:
        # A node that does not know its own host leaves it out: then the host is the one of the seed.
        return Address(refusal.host or self._seeds[0].host, int(refusal.port))

    def _wait(self, refusals: Sequence[Exception], pause: float, deadline: float) -> None:
        """Sleep until the next attempt; StoreUnavailable once the timeout of the call has passed.

        The first attempt after a redirection to a node follows at once.
        """
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"Redis Cluster: a slot is moving or down: {refusals[0]}")
        time.sleep(pause if all(isinstance(refusal, AskError) for refusal in refusals) else PAUSE_SECONDS)

    # -- round trips -------------------------------------------------------------------------------

    def _exchange(
        self, commands: Sequence[Command], targets: Mapping[int, _Target], on_wait: OnWait
    ) -> dict[int, Any]:
        """Send commands, given by number; return the answers by number."""
        numbers: dict[_Target, list[int]] = {}
        for number, target in targets.items():
            numbers.setdefault(target, []).append(number)
        received = self._send(
            {target: [commands[number].arguments for number in mine] for target, mine in numbers.items()},
            on_wait,
        )
        return {
            number: answer
            for target, mine in numbers.items()
            for number, answer in zip(mine, received[target], strict=True)
        }

    def _send(
        self, calls: Mapping[_Target, Sequence[tuple[Any, ...]]], on_wait: OnWait = idle
    ) -> dict[_Target, list[Any]]:
        """Send to every node before reading the first answer."""
        under_way: dict[_Target, Exchange] = {}
        received: dict[_Target, list[Any]] = {}
        try:
            for target, commands in calls.items():
                under_way[target] = Exchange(self._client(target.node), _with_asking(target, commands))
            on_wait()
            for target in calls:
                answers = under_way.pop(target).answers()
                received[target] = answers[1::2] if target.asking else answers
        except FAILURES as error:
            drop_all(under_way.values())
            self._outdated = True
            raise unavailable(error) from error
        return received

    def _client(self, node: Address) -> redis.Redis:
        if node not in self._clients:
            self._clients[node] = self._new_client(node)
        return self._clients[node]

    # -- the slot map -----------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Read the slot map from the first node that answers."""
        failure: Exception | None = None
        for node in dict.fromkeys([*self._slots.masters, *self._seeds]):
            try:
                answer = Exchange(self._client(node), [("CLUSTER SLOTS",)]).answers()[0]
            except FAILURES as error:
                failure = error
                continue
            if isinstance(answer, Exception):
                failure = answer
                continue
            self._slots = SlotMap.parse(answer, node)
            self._outdated = False
            self._forget(set(self._slots.masters) | set(self._seeds))
            return
        raise unavailable(failure or ConnectionError("no node is known")) from failure

    def _forget(self, kept: Iterable[Address]) -> None:
        for node in self._clients.keys() - set(kept):
            self._clients.pop(node).close()


def _with_asking(target: _Target, commands: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if not target.asking:
        return list(commands)
    return [part for command in commands for part in (_ASKING, command)]


def connect_cluster(nodes: Sequence[Address], timeout_seconds: float, **options: Any) -> ClusterConnection:
    """Return a connection to the Cluster of these nodes; no command is sent yet."""
    client_settings = client_options(timeout_seconds) | options

    def new_client(node: Address) -> redis.Redis:
        return redis.Redis(host=node.host, port=node.port, **client_settings)

    return ClusterConnection(nodes, new_client, timeout_seconds)
