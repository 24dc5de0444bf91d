"""The store in Redis or Valkey (7.0 and later): one script call per shard and batch.

Where commands go (one server, a Cluster) is for the Connection to know. Reads go through ``load.lua``,
``due.lua``, ``between.lua`` and ``list.lua``, every change through ``apply.lua``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from redis import ResponseError
from redis.exceptions import NoScriptError

from runner.actions.decision import Outcome, decode_outcome
from runner.errors import StoreLost, StoreMismatch, StoreUnreadable
from runner.store.arguments import apply_arguments, by_shard
from runner.store.calls import (
    FILLING,
    NONE,
    Completeness,
    Due,
    DueEntries,
    Index,
    IndexKind,
    KeySpace,
    Loaded,
    Opened,
    Ownership,
    Page,
    ShardCall,
    Verdict,
)
from runner.store.connection.command import Command, Connection, OnWait, idle
from runner.store.connection.identity import identity
from runner.store.connection.refusals import unavailable
from runner.store.keys import LAYOUT, Keys
from runner.store.listing import IndexCursor
from runner.store.paging import IndexRange, page_between
from runner.store.script import BOUND, Script
from runner.store.versions import revision_of
from runner.tasks.due import DuePage
from runner.tasks.record import Record, TaskKey, read_record
from runner.tasks.source import Source

_EVICTION: Final = ("CONFIG GET", "maxmemory-policy")
_LOST: Final = -1
_NO_EVICTION: Final = "noeviction"
OLDEST_MAJOR: Final = 7
"""Of Redis; every Valkey is later."""
# What is given on keys of any slot, in a form that changes nothing. Then what cannot be: it is undone.
_REHEARSED: Final[Sequence[tuple[Any, ...]]] = (
    ("EXISTS",),
    ("HGET", "none"),
    ("HMGET", "none"),
    ("HKEYS",),
    ("HDEL", "none"),
    ("DEL",),
    ("ZADD", "XX", 0, "none"),
    ("ZREM", "none"),
    ("ZCOUNT", "-inf", "+inf"),
    ("ZRANGE", 0, 0),
    ("ZSCORE", "none"),
)
_UNDONE: Final[Sequence[tuple[Any, ...]]] = (("HSET", "a", "b"), ("DEL",))


class RedisStore:
    """The Store Protocol over a connection to Redis; safe for use by one thread."""

    def __init__(self, connection: Connection, prefix: str = "runner", shards: int = 16) -> None:
        """Take a connection; nothing is sent before the first call."""
        self._connection = connection
        self._keys = Keys(prefix, shards)
        self._server: str | None = None
        self._ownership: Ownership | None = None
        self._inherited = 0
        self._load = Script("load")
        self._apply = Script("apply")
        self._due = Script("due")
        self._between = Script("rank", "between")
        self._unverified = Script("unverified")
        self._verified = Script("verified")
        self._open = Script("open")
        self._add_homes = Script("add_homes")
        self._changelog = Script("changelog")
        self._list = Script("rank", "list")

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self._keys.shards

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        return self._keys.shard(task_id)

    def ping(self) -> None:
        """Return if every shard answers, takes writes, and lets us give every command.

        A full server or a replica would answer PING, and a right that is missing shows late in a script.
        """
        keys = self._everywhere()
        for given in (_REHEARSED, _UNDONE):
            self._run([Command((name, key, *rest), key) for key in keys for name, *rest in given])
        self._run([Command(("TIME",), key) for key in keys])

    def exists(self) -> bool:
        """Whether the key space has been opened before."""
        return bool(self._ask("EXISTS", self._keys.owner))

    def open(self, ownership: Ownership) -> Opened:
        """Compare, or write, whose key space this is, and check what the server must be."""
        self._check_version()
        self.ping()
        self._check_eviction()
        fixed = {
            "layout": LAYOUT,
            "shards": self.shards,
            "cluster": ownership.cluster_id,
            "topic": ownership.topic,
            "group": ownership.group,
            "feed": ownership.changelog or NONE,
        }
        arguments: list[Any] = [ownership.topic_id, ownership.partitions, ownership.incarnation]
        arguments += [part for pair in fixed.items() for part in pair]
        keys = [self._keys.owner, self._keys.committed]
        answer = self._call(self._open, [(keys, arguments)])[0]
        if answer[0] == b"MISMATCH":
            _, name, stored, given = (part.decode() for part in answer)
            raise StoreMismatch(
                f"the Redis key space belongs to {name} {stored}, this worker has {given}; "
                "use another redis.prefix, or the settings it was made with"
            )
        self._ownership, self._inherited = replace(ownership, incarnation=answer[1]), answer[3]
        return Opened(answer[1], created=bool(answer[2]))

    def homes(self) -> int:
        """Return how many home partitions the key space has."""
        return int(self._ask("HGET", self._keys.owner, "partitions") or 0)

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that the topic has so many partitions now."""
        self._call(self._add_homes, [([self._keys.owner, self._keys.committed], [incarnation, homes])])

    def change_changelog(self, before: str, after: str) -> str:
        """Say ``after`` of the changelog where the key space says ``before``; return what it says then.

        ``before`` empty: where it has no topic to restore from, whatever it says.
        """
        return str(self._call(self._changelog, [([self._keys.owner], [before, after])])[0].decode())

    def go_without_changelog(self) -> None:
        """Say that tasks change and nobody tells the changelog: a filling that goes on comes to nothing.

        StoreMismatch if one has come to its end meanwhile.
        """
        ours = NONE if self._ownership is None else self._ownership.changelog or NONE
        told = self.change_changelog("", ours)
        if told not in {"", ours}:
            raise StoreMismatch(
                f"the tasks under this redis.prefix have got a changelog (topic id {told}) since this "
                "worker started; start it again"
            )

    def bind_server(self) -> bool:
        """Bind the scripts that tasks are read and changed by to the servers that answer now.

        Which they are is part of the text of the scripts. A server that takes over does not know them:
        so nothing is read from it, or written to it, before it was verified.
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
        self._load, self._apply, self._unverified, self._verified = (bound[name] for name in BOUND)
        self._server = server
        return True

    def shards_behind(self, incarnation: int, base_offsets: Mapping[int, int]) -> list[tuple[int, int]]:
        """Return where a mark lies below the base: a look at every shard, in one round trip."""
        places = [(shard, home) for home in base_offsets for shard in range(self.shards)]
        names = [self._keys.home(*place) for place in places]
        asked = [Command(("HMGET", name, "incarnation", "mark", "restorer"), name) for name in names]
        found = zip(places, self._run(asked), strict=True)
        return [
            place
            for place, told in found
            if _applied_offset(told, incarnation, -1 if place[1] < self._inherited else 0)
            < base_offsets[place[1]]
        ]

    def pending_tokens(self, homes: Collection[int], shard_token: str) -> dict[int, str]:
        """Return the notes of shards in which homes are yet to be verified: one script call per shard."""
        calls = [([self._keys.verified(shard)], [shard_token, *homes]) for shard in range(self.shards)]
        shard_tokens = self._call(self._unverified, calls)
        return {shard: kept.decode() for shard, kept in enumerate(shard_tokens) if kept is not None}

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        """Note homes that lack nothing: one script call per shard, in one round trip."""
        calls = [
            ([self._keys.verified(shard)], [shard_token, of, *homes])
            for shard, shard_token in shard_tokens.items()
        ]
        self._call(self._verified, calls)

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        """Return some index entries of a home in a shard, in one round trip."""
        indexes = [Index(kind, domain, shard, home) for kind in IndexKind for domain in domains]
        found = self.entries(dict.fromkeys(indexes, IndexCursor()), None, limit)
        return [(index, member) for index in indexes for member, _ in found[index]][:limit]

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
    ) -> Loaded:
        """Return records and kept decisions: one script call per shard, in one round trip."""
        if not reads:
            seconds, micros = self._run([Command(("TIME",), self._keys.committed)])[0]
            return Loaded(int(seconds) * 1000 + int(micros) // 1000, {}, {})
        asked = by_shard(reads, self._keys)
        answers = self._call(
            self._load, (read.arguments(incarnation, completeness) for read in asked), on_wait
        )
        for answer in answers:
            if answer[0] == _LOST:
                raise StoreLost(f"Redis lacks something, or has not been verified: see {answer[1].decode()}")
        records: dict[TaskKey, Record | None] = {}
        kept: dict[Source, Outcome] = {}
        shard_tokens: dict[int, str] = {}
        for read, (_, outcomes, found, shard_token) in zip(asked, answers, strict=True):
            if shard_token is not None:
                shard_tokens[read.shard] = shard_token.decode()
            for source, outcome in zip(read.sources, outcomes, strict=True):
                if outcome is not None:
                    kept[source] = decode_outcome(outcome)
            for key, parts in zip(read.tasks, found, strict=True):
                records[key] = _record(key, *parts)
        return Loaded(max(answer[0] for answer in answers), records, kept, shard_tokens)

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        """Apply each call: one script call for each, in one round trip."""
        if not calls:
            return []
        answers = self._call(self._apply, (apply_arguments(call, self._keys) for call in calls), on_wait)
        return [Verdict(answer.decode()) for answer in answers]

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        """Return what is due now: one script call per shard, in one round trip."""
        shards: dict[int, list[Index]] = defaultdict(list)
        for index in indexes:
            shards[index.shard].append(index)
        calls = [([self._keys.index(i) for i in found], [limit]) for found in shards.values()]
        answers = self._call(self._due, calls)
        found: dict[Index, DueEntries] = {}
        for asked, answer in zip(shards.values(), answers, strict=True):
            for index, (entries, after) in zip(asked, answer[1:], strict=True):
                found[index] = DueEntries(_pairs(entries), _ms(after))
        return Due(max((answer[0] for answer in answers), default=0), found)

    def due_between(
        self, domains: Sequence[str], homes: int, period: tuple[int | None, int | None], page: Page
    ) -> tuple[int, DuePage]:
        """Return one page of the tasks due in a period."""
        now = self.load(0, []).now_ms
        bounds = (period[0], now if period[1] is None else period[1])
        return now, page_between(domains, self.shards, homes, bounds, page, self._read)

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Raise the last timeout of the domains."""
        pairs = [part for domain in domains for part in (to_ms, domain)]
        if pairs:
            self._ask("ZADD", self._keys.timeouts, "GT", *pairs)

    def last_timeout(self, domain: str) -> int | None:
        """Return the end of the last pass."""
        return _ms(self._ask("ZSCORE", self._keys.timeouts, domain))

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Raise the offsets known to be committed."""
        pairs = [part for p, offset in offsets.items() for part in (offset, f"{incarnation}/{p}")]
        if pairs:
            self._ask("ZADD", self._keys.committed, "GT", *pairs)

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the offsets known to be committed."""
        answer = self._ask("ZRANGE", self._keys.committed, 0, -1, "WITHSCORES")
        found = {}
        for member, offset in _pairs(answer):
            era, _, partition = member.partition("/")
            if int(era) == incarnation:
                found[int(partition)] = offset
        return found

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the highest base seen of these homes: a look at every shard, in one round trip."""
        homes = [(shard, partition) for partition in partitions for shard in range(self.shards)]
        names = [self._keys.home(*home) for home in homes]
        asked = [Command(("HMGET", name, "incarnation", "floor"), name) for name in names]
        found: dict[int, int] = {}
        for (_, partition), (era, fence) in zip(homes, self._run(asked), strict=True):
            if era is not None and int(era) == incarnation:
                found[partition] = max(int(fence), found.get(partition, int(fence)))
        return found

    def record(self, key: TaskKey) -> Record | None:
        """Return one record as stored; for the command line."""
        return self.records_of([key])[0]

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return records as stored, in one round trip; for the command line."""
        names = [self._keys.task(key, self.shard(key.id)) for key in keys]
        found = self._run([Command(("HMGET", name, "version", "state", "start"), name) for name in names])
        return [_record(key, *parts) for key, parts in zip(keys, found, strict=True)]

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        """Return a stretch of each index: one script call per shard, in one round trip."""
        shards: dict[int, list[Index]] = defaultdict(list)
        for index in cursors:
            shards[index.shard].append(index)
        bounds = ["+inf" if to_ms is None else to_ms, limit]
        calls = [
            ([self._keys.index(index) for index in found], bounds + _begin(found, cursors))
            for found in shards.values()
        ]
        found: dict[Index, Sequence[tuple[str, int]]] = {}
        for indexes, answer in zip(shards.values(), self._call(self._list, calls), strict=True):
            found.update(zip(indexes, map(_pairs, answer), strict=True))
        return found

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        """Return the moments of index entries, in one round trip; None where there is no such entry."""
        names = [self._keys.index(index) for index, _ in entries]
        asked = [
            Command(("ZSCORE", name, member), name) for name, (_, member) in zip(names, entries, strict=True)
        ]
        return [_ms(score) for score in self._run(asked)]

    def key_space(self) -> KeySpace | None:
        """Return whose key space this is, as it was written; None: nobody opened it yet."""
        names = ("layout", "shards", "topic", "group", "partitions", "incarnation", "feed")
        found = self._ask("HMGET", self._keys.owner, *names)
        if found[0] is None:
            return None
        *told, changelog = ((part or b"").decode() for part in found)
        layout, shards, topic, group, partitions, incarnation = told
        homes, era = int(partitions), int(incarnation)
        has_none = changelog == NONE or changelog.startswith(FILLING)
        return KeySpace(int(layout), int(shards), topic, group, homes, era, "" if has_none else changelog)

    def incarnation_of(self, topic_id: str) -> int:
        """Return as which incarnation a topic was opened; 0: it was not."""
        return int(self._ask("HGET", self._keys.owner, f"topic:{topic_id}") or 0)

    def drop_key_space(self, tasks: Sequence[TaskKey], domains: Sequence[str], homes: int) -> None:
        """Remove all that a key space with these tasks holds: for one that was made to be thrown away."""
        keys = self._keys
        places = [(shard, home) for shard in range(self.shards) for home in range(homes)]
        names = [keys.owner, keys.committed, keys.timeouts, *(keys.home(*place) for place in places)]
        names += [keys.verified(shard) for shard in range(self.shards)]
        names += [keys.task(task, self.shard(task.id)) for task in tasks]
        names += [
            keys.index(Index(kind, domain, *place))
            for kind in IndexKind
            for domain in domains
            for place in places
        ]
        self._run([Command(("DEL", name), name) for name in names])

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _read(self, index_range: IndexRange, limit: int) -> list[tuple[tuple[str, int], ...]]:
        """Return one page of a stretch: one script call."""
        lowest = "-inf" if index_range.from_ms is None else index_range.from_ms
        keys = [self._keys.index(index) for index in index_range.indexes]
        arguments = [lowest, index_range.to_ms, limit, *(index_range.after or ())]
        answer = self._call(self._between, [(keys, arguments)])[0]
        return [_pairs(entries) for entries in answer]

    def _everywhere(self) -> list[str]:
        """Return a key that is never there, for every slot that holds some of ours."""
        return [self._keys.probe(shard) for shard in ("meta", *range(self.shards))]

    def _check_version(self) -> None:
        """Refuse servers that are older than the scripts are written for. HELLO is allowed to everybody."""
        for answer in self._connection.run_on_masters(("HELLO",)):
            if isinstance(answer, Exception):
                continue  # A proxy that does not know it: what it stands for is its operator's to see to.
            version = _field(answer, b"version")
            major = version.partition(".")[0]
            if major.isdecimal() and int(major) < OLDEST_MAJOR:
                raise StoreMismatch(
                    f"Redis is version {version}: {OLDEST_MAJOR}.0 or later is needed (or Valkey); upgrade it"
                )

    def _check_eviction(self) -> None:
        """Refuse servers that may throw tasks away when memory runs out."""
        for answer in self._connection.run_on_masters(_EVICTION):
            if isinstance(answer, ResponseError):
                continue  # A managed service that hides CONFIG: its operator must see to noeviction.
            policy = _setting(answer)
            if policy != _NO_EVICTION:
                raise StoreMismatch(
                    f"Redis evicts keys ({policy}): tasks would be lost; "
                    "run CONFIG SET maxmemory-policy noeviction"
                )

    def _call(
        self, script: Script, calls: Iterable[tuple[list[str], list[Any]]], on_wait: OnWait = idle
    ) -> list[Any]:
        """Call one script for several shards in one round trip, sending its text if need be."""
        anywhere = self._keys.committed
        commands: list[Command] = []

        def made() -> Iterator[Command]:
            for keys, arguments in calls:
                asked = ("EVALSHA", script.digest, len(keys), *keys, *arguments)
                commands.append(Command(asked, next(iter(keys), anywhere)))
                yield commands[-1]

        answers = self._run(made(), on_wait, passed=NoScriptError)
        missing = [i for i, a in enumerate(answers) if isinstance(a, Exception)]
        if missing and script.is_bound:
            raise StoreLost("Redis is another server than the one that was verified")
        if missing:
            completeness = [
                Command(("EVAL", script.text, *commands[i].arguments[2:]), commands[i].key) for i in missing
            ]
            for i, answer in zip(missing, self._run(completeness), strict=True):
                answers[i] = answer
        return answers

    def _ask(self, name: str, key: str, *arguments: Any) -> Any:
        """Give one command, and return its answer."""
        return self._run([Command((name, key, *arguments), key)])[0]

    def _run(
        self,
        commands: Iterable[Command],
        on_wait: OnWait = idle,
        passed: type[Exception] | None = None,
    ) -> list[Any]:
        """Send commands in one round trip; errors of the type ``passed`` are answers."""
        answers = self._connection.run(commands, on_wait)
        for answer in answers:
            if isinstance(answer, Exception) and (passed is None or not isinstance(answer, passed)):
                raise unavailable(answer) from answer
        return answers


def _applied_offset(told: Sequence[bytes | None], incarnation: int, none: int) -> int:
    era, applied_offset, restore_lease = told
    if era is None or int(era) != incarnation:
        return none
    return -1 if restore_lease is not None else int(applied_offset or 0)


def _record(key: TaskKey, version: bytes | None, state: bytes, start: bytes) -> Record | None:
    return None if version is None else read_record(key, revision_of(_text(version)), state, start)


def _begin(indexes: Sequence[Index], cursors: Mapping[Index, IndexCursor]) -> list[Any]:
    """Return where the reading of each index begins, as ``list.lua`` is told."""
    told: list[Any] = []
    for index in indexes:
        cursor = cursors[index]
        if cursor.score_ms is None:
            told += ["-inf", ""]
        else:
            told += [f"({cursor.score_ms}" if cursor.at_moment else cursor.score_ms, cursor.member]
    return told


def _pairs(answer: Any) -> tuple[tuple[str, int], ...]:
    """Return (member, epoch ms) of a WITHSCORES answer, flat (RESP2) or in pairs (RESP3)."""
    if answer and isinstance(answer[0], list):
        return tuple((_text(member), int(score)) for member, score in answer)
    return tuple((_text(answer[i]), int(float(answer[i + 1]))) for i in range(0, len(answer), 2))


def _text(index_entries: bytes) -> str:
    try:
        return index_entries.decode()
    except UnicodeDecodeError:
        raise StoreUnreadable(
            f"Redis holds {index_entries[:100]!r} where a version or the entry of an index belongs; "
            "take it out, or restore Redis"
        ) from None


def _ms(score: Any) -> int | None:
    """Return a score, which is text (RESP2) or a number (RESP3)."""
    return None if score is None else int(float(score))


def _field(answer: Any, name: bytes) -> str:
    """Return a field of a map (RESP3), which may be flat (RESP2); empty where there is none."""
    told = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=False))
    return _text(told.get(name, b""))


def _setting(answer: Any) -> str:
    """Return the value that CONFIG GET gives of one setting, a map (RESP3) or flat (RESP2)."""
    values = list(answer.values()) if isinstance(answer, dict) else list(answer[1::2])
    return values[0].decode() if values else _NO_EVICTION
