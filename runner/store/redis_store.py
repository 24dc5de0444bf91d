"""Redis store: the Store Protocol over Redis or Valkey (7.0 and later), one script call per shard and batch.

The Connection knows to which server a command goes (one server, a Cluster). Reads go through ``load.lua``,
``due.lua`` and ``list.lua``, every change through ``apply.lua``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from redis.exceptions import NoScriptError

from runner.actions.decision import Outcome, decode_outcome
from runner.errors import StoreLost, StoreMismatch
from runner.store.answers import moment_of, pairs_of, record_of
from runner.store.arguments import apply_arguments, by_shard
from runner.store.calls import (
    FILLING,
    NO_READS,
    NONE,
    Completeness,
    Due,
    DueEntries,
    Index,
    IndexCursor,
    IndexKind,
    KeySpace,
    Loaded,
    Opened,
    Ownership,
    ShardCall,
    Verdict,
)
from runner.store.connection.command import Command, Connection, OnWait, idle
from runner.store.connection.refusals import unavailable
from runner.store.keys import LAYOUT, Keys
from runner.store.script import BOUND, Script, identity
from runner.store.server_checks import REHEARSALS, check_eviction, check_version
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source

_CORE: Final = ("version", "state", "start", "life")
"""Fields of a task hash that are always read; a plain task has no life."""

_LOST: Final = -1
"""What ``load.lua`` answers instead of the time where something is lacking."""


class RedisStore:
    """The Store Protocol over a connection to Redis; for one thread.

    A method takes one round trip, with one script call per shard, unless it says otherwise.
    """

    def __init__(self, connection: Connection, prefix: str = "runner", shards: int = 16) -> None:
        """Keep a connection; no command is sent before the first call."""
        self._connection = connection
        self._keys = Keys(prefix, shards)
        self._server: str | None = None
        self._ownership: Ownership | None = None
        self._inherited = 0
        self._load = Script("load")
        self._apply = Script("apply")
        self._due = Script("due")
        self._pending_tokens = Script("pending_tokens")
        self._verified = Script("verified")
        self._open = Script("open")
        self._add_homes = Script("add_homes")
        self._changelog = Script("changelog")
        self._list = Script("rank", "list")

    @property
    def shards(self) -> int:
        return self._keys.shards

    def shard(self, task_id: str) -> int:
        return self._keys.shard(task_id)

    def ping(self) -> None:
        """Return if every shard answers, accepts writes, and permits every command of the scripts.

        PING is not enough: a full server and a replica answer it, and a missing permission shows only later,
        in the middle of a script.
        """
        keys = self._everywhere()
        for rehearsal in REHEARSALS:
            self._run([Command((name, key, *rest), key) for key in keys for name, *rest in rehearsal])
        self._run([Command(("TIME",), key) for key in keys])

    def exists(self) -> bool:
        return bool(self._send_one("EXISTS", self._keys.owner))

    def open(self, ownership: Ownership) -> Opened:
        """Compare, or write, the owner of the key space, and check version and settings of the server."""
        check_version(self._connection)
        self.ping()
        check_eviction(self._connection)
        fixed = {
            "layout": LAYOUT,
            "shards": self.shards,
            "cluster": ownership.cluster_id,
            "topic": ownership.topic,
            "group": ownership.group,
            "changelog": ownership.changelog or NONE,
        }
        arguments: list[Any] = [ownership.topic_id, ownership.partitions, ownership.incarnation]
        arguments += [part for pair in fixed.items() for part in pair]
        keys = [self._keys.owner, self._keys.committed]
        answer = self._call(self._open, [(keys, arguments)])[0]
        if answer[0] == b"MISMATCH":
            _, name, stored, value = (part.decode() for part in answer)
            raise _mismatch(name, stored, value)
        self._ownership, self._inherited = replace(ownership, incarnation=answer[1]), answer[3]
        return Opened(answer[1], created=bool(answer[2]))

    def homes(self) -> int:
        return int(self._send_one("HGET", self._keys.owner, "partitions") or 0)

    def add_homes(self, incarnation: int, homes: int) -> None:
        self._call(self._add_homes, [([self._keys.owner, self._keys.committed], [incarnation, homes])])

    def change_changelog(self, before: str, after: str) -> str:
        """Replace the changelog setting ``before`` by ``after``; return the setting after the call.

        ``before`` empty: replace any setting that names no topic to restore from.
        """
        return str(self._call(self._changelog, [([self._keys.owner], [before, after])])[0].decode())

    def go_without_changelog(self) -> None:
        """End any filling of the changelog: tasks now change without changelog messages.

        Raises StoreMismatch if a filling has been completed.
        """
        own = NONE if self._ownership is None else self._ownership.changelog or NONE
        changelog = self.change_changelog("", own)
        if changelog not in {"", own}:
            raise StoreMismatch(
                f"the tasks under this redis.prefix have got a changelog (topic id {changelog}) since this "
                "worker started; start it again"
            )

    def bind_server(self) -> bool:
        """Bind the scripts that read and change tasks to the servers that answer now.

        The identity of the servers is part of the text of the scripts. A server that takes over does not
        know these scripts, so no task is read or written there before the server is verified.
        """
        if self._ownership is not None and not self.exists():
            self.open(self._ownership)
        server = identity(self._connection)
        if server == self._server:
            return False
        bound = {name: Script(name, server=server) for name in BOUND}
        for script in bound.values():
            for answer in self._connection.run_on_masters(("SCRIPT LOAD", script.text)):
                if isinstance(answer, Exception):
                    raise unavailable(answer) from answer
        self._load, self._apply, self._pending_tokens, self._verified = (bound[name] for name in BOUND)
        self._server = server
        return True

    def shards_behind(self, incarnation: int, base_offsets: Mapping[int, int]) -> list[tuple[int, int]]:
        places = [(shard, home) for home in base_offsets for shard in range(self.shards)]
        names = [self._keys.home(*place) for place in places]
        commands = [
            Command(("HMGET", name, "incarnation", "applied_offset", "restore_lease"), name) for name in names
        ]
        answers = zip(places, self._run(commands), strict=True)
        return [
            place
            for place, fields in answers
            if _applied_offset(fields, incarnation, -1 if place[1] < self._inherited else 0)
            < base_offsets[place[1]]
        ]

    def pending_tokens(self, homes: Collection[int], shard_token: str) -> dict[int, str]:
        calls = [([self._keys.verified(shard)], [shard_token, *homes]) for shard in range(self.shards)]
        answers = self._call(self._pending_tokens, calls)
        return {shard: token.decode() for shard, token in enumerate(answers) if token is not None}

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        calls = [
            ([self._keys.verified(shard)], [shard_token, of, *homes])
            for shard, shard_token in shard_tokens.items()
        ]
        self._call(self._verified, calls)

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        indexes = [Index(kind, domain, shard, home) for kind in IndexKind for domain in domains]
        ranges = self.entries(dict.fromkeys(indexes, IndexCursor()), None, limit)
        return [(index, member) for index in indexes for member, _ in ranges[index]][:limit]

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        if not reads:
            seconds, micros = self._run([Command(("TIME",), self._keys.committed)])[0]
            return Loaded(int(seconds) * 1000 + int(micros) // 1000, {}, {})
        shards = by_shard(reads, self._keys, parts)
        answers = self._call(
            self._load, (read.arguments(incarnation, completeness) for read in shards), on_wait
        )
        for answer in answers:
            if answer[0] == _LOST:
                raise StoreLost(f"Redis lacks something, or has not been verified: see {answer[1].decode()}")
        records: dict[TaskKey, Record | None] = {}
        kept: dict[Source, Outcome] = {}
        shard_tokens: dict[int, str] = {}
        for read, (_, outcomes, tasks, shard_token) in zip(shards, answers, strict=True):
            if shard_token is not None:
                shard_tokens[read.shard] = shard_token.decode()
            for source, outcome in zip(read.sources, outcomes, strict=True):
                if outcome is not None:
                    kept[source] = decode_outcome(outcome)
            for (key, names), fields in zip(read.tasks.items(), tasks, strict=True):
                records[key] = record_of(key, fields, names)
        return Loaded(max(answer[0] for answer in answers), records, kept, shard_tokens)

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        if not calls:
            return []
        answers = self._call(self._apply, (apply_arguments(call, self._keys) for call in calls), on_wait)
        return [Verdict(answer.decode()) for answer in answers]

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        shards: dict[int, list[Index]] = defaultdict(list)
        for index in indexes:
            shards[index.shard].append(index)
        calls = [([self._keys.index(i) for i in group], [limit]) for group in shards.values()]
        answers = self._call(self._due, calls)
        due: dict[Index, DueEntries] = {}
        for group, answer in zip(shards.values(), answers, strict=True):
            for index, (entries, after) in zip(group, answer[1:], strict=True):
                due[index] = DueEntries(pairs_of(entries), moment_of(after))
        return Due(max((answer[0] for answer in answers), default=0), due)

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        pairs = [part for domain in domains for part in (to_ms, domain)]
        if pairs:
            self._send_one("ZADD", self._keys.timeouts, "GT", *pairs)

    def last_timeout(self, domain: str) -> int | None:
        return moment_of(self._send_one("ZSCORE", self._keys.timeouts, domain))

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        pairs = [part for p, offset in offsets.items() for part in (offset, f"{incarnation}/{p}")]
        if pairs:
            self._send_one("ZADD", self._keys.committed, "GT", *pairs)

    def committed(self, incarnation: int) -> dict[int, int]:
        answer = self._send_one("ZRANGE", self._keys.committed, 0, -1, "WITHSCORES")
        offsets = {}
        for member, offset in pairs_of(answer):
            noted_incarnation, _, partition = member.partition("/")
            if int(noted_incarnation) == incarnation:
                offsets[int(partition)] = offset
        return offsets

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        homes = [(shard, partition) for partition in partitions for shard in range(self.shards)]
        names = [self._keys.home(*home) for home in homes]
        commands = [Command(("HMGET", name, "incarnation", "fence"), name) for name in names]
        fences: dict[int, int] = {}
        for (_, partition), (stored, fence) in zip(homes, self._run(commands), strict=True):
            if stored is not None and int(stored) == incarnation:
                fences[partition] = max(int(fence), fences.get(partition, int(fence)))
        return fences

    def record(self, key: TaskKey) -> Record | None:
        """Return one record as stored; for the command line."""
        return self.records_of([key])[0]

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        answers = self._task_fields((key, _CORE) for key in keys)
        return [record_of(key, fields) for key, fields in zip(keys, answers, strict=True)]

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return records with all their parts, in two round trips; in one where no record has any."""
        records = self.records_of(keys)
        named = [
            (at, record.part_names) for at, record in enumerate(records) if record is not None and record.life
        ]
        answers = self._task_fields((keys[at], (*_CORE, *names)) for at, names in named)
        for (at, names), fields in zip(named, answers, strict=True):
            records[at] = record_of(keys[at], fields, names)
        return records

    def records_with(self, parts: Mapping[TaskKey, Collection[str]]) -> list[Record | None]:
        """Return records with these of their parts."""
        named = [(key, tuple(names)) for key, names in parts.items()]
        answers = self._task_fields((key, (*_CORE, *names)) for key, names in named)
        return [record_of(key, fields, names) for (key, names), fields in zip(named, answers, strict=True)]

    def _task_fields(self, reads: Iterable[tuple[TaskKey, Sequence[str]]]) -> list[Any]:
        places = [(self._keys.task(key, self.shard(key.id)), fields) for key, fields in reads]
        return self._run([Command(("HMGET", name, *fields), name) for name, fields in places])

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        shards: dict[int, list[Index]] = defaultdict(list)
        for index in cursors:
            shards[index.shard].append(index)
        bounds = ["+inf" if to_ms is None else to_ms, limit]
        calls = [
            ([self._keys.index(index) for index in group], bounds + _starts(group, cursors))
            for group in shards.values()
        ]
        ranges: dict[Index, Sequence[tuple[str, int]]] = {}
        for indexes, answer in zip(shards.values(), self._call(self._list, calls), strict=True):
            ranges.update(zip(indexes, map(pairs_of, answer), strict=True))
        return ranges

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        names = [self._keys.index(index) for index, _ in entries]
        commands = [
            Command(("ZSCORE", name, member), name) for name, (_, member) in zip(names, entries, strict=True)
        ]
        return [moment_of(score) for score in self._run(commands)]

    def key_space(self) -> KeySpace | None:
        """Return the owner of the key space as stored; None: the key space was never opened.

        Raises StoreMismatch for another layout.
        """
        names = ("layout", "shards", "topic", "group", "partitions", "incarnation", "changelog")
        fields = self._send_one("HMGET", self._keys.owner, *names)
        if fields[0] is None:
            return None
        *texts, changelog = ((field or b"").decode() for field in fields)
        layout, shards, topic, group, partitions, incarnation = texts
        if int(layout) != LAYOUT:
            raise _mismatch("layout", layout, str(LAYOUT))
        numbers = int(partitions), int(incarnation)
        has_none = changelog == NONE or changelog.startswith(FILLING)
        return KeySpace(int(shards), topic, group, *numbers, "" if has_none else changelog)

    def incarnation_of(self, topic_id: str) -> int:
        """Return the incarnation of a topic id; 0: the topic was never opened."""
        return int(self._send_one("HGET", self._keys.owner, f"topic:{topic_id}") or 0)

    def close(self) -> None:
        self._connection.close()

    def _everywhere(self) -> list[str]:
        """Return a probe key for every slot that holds keys of this key space."""
        return [self._keys.probe(shard) for shard in ("meta", *range(self.shards))]

    def _call(
        self, script: Script, calls: Iterable[tuple[list[str], list[Any]]], on_wait: OnWait = idle
    ) -> list[Any]:
        """Call one script for several shards in one round trip; its text is sent to servers that lack it."""
        anywhere = self._keys.committed
        commands: list[Command] = []

        def new_commands() -> Iterator[Command]:
            for keys, arguments in calls:
                command = ("EVALSHA", script.digest, len(keys), *keys, *arguments)
                commands.append(Command(command, next(iter(keys), anywhere)))
                yield commands[-1]

        answers = self._run(new_commands(), on_wait, tolerated=NoScriptError)
        missing = [i for i, a in enumerate(answers) if isinstance(a, Exception)]
        if missing and script.is_bound:
            raise StoreLost("Redis is another server than the one that was verified")
        if missing:
            with_text = [
                Command(("EVAL", script.text, *commands[i].arguments[2:]), commands[i].key) for i in missing
            ]
            for i, answer in zip(missing, self._run(with_text), strict=True):
                answers[i] = answer
        return answers

    def _send_one(self, name: str, key: str, *arguments: Any) -> Any:
        return self._run([Command((name, key, *arguments), key)])[0]

    def _run(
        self, commands: Iterable[Command], on_wait: OnWait = idle, tolerated: type[Exception] | None = None
    ) -> list[Any]:
        """Send commands in one round trip; errors of the type ``tolerated`` are returned as answers."""
        answers = self._connection.run(commands, on_wait)
        for answer in answers:
            if isinstance(answer, Exception) and (tolerated is None or not isinstance(answer, tolerated)):
                raise unavailable(answer) from answer
        return answers


def _mismatch(name: str, stored: str, value: str) -> StoreMismatch:
    way_out = "use another redis.prefix, or the settings it was made with"
    if name == "layout":
        way_out = (
            "run the version that wrote it, or empty it and let it be restored from the changelog "
            "(docs/operations.md, Upgrades)"
        )
    return StoreMismatch(
        f"the Redis key space belongs to {name} {stored}, this runner has {value}; {way_out}"
    )


def _applied_offset(fields: Sequence[bytes | None], incarnation: int, none: int) -> int:
    stored, applied_offset, restore_lease = fields
    if stored is None or int(stored) != incarnation:
        return none
    return -1 if restore_lease is not None else int(applied_offset or 0)


def _starts(indexes: Sequence[Index], cursors: Mapping[Index, IndexCursor]) -> list[Any]:
    """Return the arguments of ``list.lua`` that say where the reading of each index begins."""
    arguments: list[Any] = []
    for index in indexes:
        cursor = cursors[index]
        if cursor.score_ms is None:
            arguments += ["-inf", ""]
        else:
            arguments += [f"({cursor.score_ms}" if cursor.at_moment else cursor.score_ms, cursor.member]
    return arguments
