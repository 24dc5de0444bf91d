"""The judge of the lists: every cell of the tables, compared with what the whole changelog says.

Knows what is documented of the changelog and of the tables, and nothing of ``runner.projection``. It does not
fold: a task is what the last message of each of its parts says.
"""

import base64
import hashlib
import json
import math
import re
import struct
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from tests.e2e.list_tables import open_tables

OPEN: Final = ("UNASSIGNED", "ASSIGNED")
LONGEST: Final = 500
"""Characters of a text that is an attribute."""
_KEY: Final = re.compile(r"([^%:]*(?:%25[^%:]*|%3A[^%:]*)*)(?:%([a-z][!-9;-~]*))?:(.*)", re.DOTALL)
_STROKES: Final = {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe"}


class Said(Protocol):
    """One message of the changelog."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def time_ms(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


class Task(NamedTuple):
    """Domain and id."""

    domain: str
    id: str


@dataclass(slots=True)
class TaskParts:
    """What the log has said of a task up to some place: the last message of each part."""

    partition: int
    main: dict[str, Any] | None = None
    others: dict[str, dict[str, Any]] = field(default_factory=dict)

    def own(self, source: str) -> dict[str, Any]:
        """Return the values of the parts of a generation by their names."""
        return {name: part["value"] for name, part in self.others.items() if part["source"] == source}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the lists were told."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Names and dotted paths."""
    keeps: bool = False
    """Whether finished tasks are kept, for longer than any test takes."""


def findings(url: str, messages: Sequence[Said], settings: Settings = Settings()) -> list[str]:
    """Return where the tables of the live build differ from the changelog; call it once all was read."""
    with closing(open_tables(url)) as database:
        live = database.rows("SELECT number, attributes FROM builds WHERE state = 'live'")
        if len(live) != 1:
            return [f"there are {len(live)} live builds"]
        names: list[str] = json.loads(live[0]["attributes"])
        tables = {
            name: database.rows(f'SELECT * FROM "b{live[0]["number"]}_{name}"')  # noqa: S608 - our own tables
            for name in ("positions", "grants", "texts", "words", "bodies", "definitions", "changes")
        }
        tables["kept"] = database.rows("SELECT * FROM kept")
    told = _Told(messages, settings, names)
    return [
        *_generations(told, tables),
        *_differences("definitions", told.definitions(), tables["definitions"]),
        *_positions(told, tables),
        *_changes(told, tables["changes"], settings),
    ]


def shown_tasks(messages: Sequence[Said], settings: Settings) -> "list[Shown]":
    """Return the tasks that are there at the end of the changelog."""
    return _Told(messages, settings, ()).generations()


def _generations(told: "_Told", tables: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Compare every row that says something of a task."""
    expected = told.generations()
    bodies, numbers = [], {}
    for body in tables["bodies"]:
        place = (body["domain"], body["id"], body["source"])
        numbers[place] = body["no"]
        row = None if body["row"] is None else json.loads(body["row"])
        shown = {name: value for name, value in body.items() if name not in {"folded", "row", "no"}}
        bodies.append({**shown, "row": row})
    if len({*numbers.values()}) != len(tables["bodies"]):
        yield "two tasks have the same number"
    yield from _differences("bodies", [each.body() for each in expected], bodies)
    numbered = [(each, numbers.get(each.place, -1)) for each in expected]
    for name in ("grants", "texts", "words"):
        rows = [row for each, no in numbered for row in getattr(each, name)(no)]
        yield from _differences(name, rows, tables[name])
    kept = [{k: v for k, v in row.items() if k != "folded"} for row in tables["kept"]]
    yield from _differences("kept", [each.kept() for each in expected if each.gone_ms is not None], kept)


def _differences(name: str, expected: Iterable[dict[str, Any]], found: Iterable[dict[str, Any]]) -> list[str]:
    wanted, there = (sorted(json.dumps(row, sort_keys=True) for row in rows) for rows in (expected, found))
    missing, extra = _less(wanted, there), _less(there, wanted)
    return [
        *(f"{name} lacks {row}" for row in missing[:3]),
        *(f"{name} has {row}, which the changelog does not say" for row in extra[:3]),
        *([f"{name}: {len(missing)} rows are missing, {len(extra)} too many"] if missing or extra else []),
    ]


def _less(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return what is in one list and not in the other, as often as it is there more often."""
    left = defaultdict[str, int](int)
    for each in others:
        left[each] += 1
    found = []
    for each in some:
        left[each] -= 1
        if left[each] < 0:
            found.append(each)
    return found


def _positions(told: "_Told", tables: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    step = len(tables["positions"])
    highest: dict[int, int] = {}
    for body in tables["bodies"]:
        shard = int(body["shard"])
        highest[shard] = max(highest.get(shard, -1), body["no"])
        if body["no"] % step != shard:
            yield f"number {body['no']} was not given by partition {shard}"
    for row in tables["positions"]:
        shard, last = row["shard"], told.last.get(row["shard"], -1)
        if row["next_offset"] <= last:
            yield f"partition {shard} was read to {row['next_offset']}, its last message is at {last}"
        if row["reached_ms"] <= 0 or not row["topic_id"]:
            yield f"the position of partition {shard} is incomplete: {row}"
        if row["next_no"] <= highest.get(shard, -1):
            yield f"partition {shard} would give number {row['next_no']} again"


def _changes(told: "_Told", rows: Iterable[dict[str, Any]], settings: Settings) -> Iterator[str]:
    """Every change says who sees the task after its message, and saw it after the change before.

    Where tasks are kept, those whose records are gone are still seen, and say nothing of the next ones.
    """
    before: dict[Task, str | None] = {}
    for row in sorted(rows, key=lambda row: (row["shard"], row["place"])):
        state = told.at.get((row["shard"], row["place"]))
        if state is None:
            yield f"a change at {row['shard']}@{row['place']}, where no message of a task is"
            continue
        task, shown = state
        after = None if row["after"] is None else json.loads(row["after"])
        wanted = None if shown is None else shown.sight()
        if (row["domain"], row["key"]) != (task.domain, _path_key(task.id)):
            yield f"the change at {row['shard']}@{row['place']} is about {task}, not {row}"
        if after != wanted:
            yield f"{task} at {row['place']} is seen by {wanted}, not {after}"
        if row["version"] != (None if shown is None else shown.version):
            yield f"{task} at {row['place']} has another version than {row['version']}"
        if not settings.keeps and task in before and before[task] != row["before"]:
            yield f"{task} at {row['place']} was seen by {before[task]} before, not {row['before']}"
        before[task] = row["after"]


class _Told:
    """The whole changelog."""

    def __init__(self, messages: Sequence[Said], settings: Settings, names: Sequence[str]) -> None:
        self._settings, self._names = settings, names
        self._tasks: dict[Task, TaskParts] = {}
        self._gone: list[Shown] = []
        self.last: dict[int, int] = {}
        self.at: dict[tuple[int, int], tuple[Task, Shown | None]] = {}
        """The task that a message is about, and how it is shown after it."""
        for message in sorted(messages, key=lambda each: (each.partition, each.offset)):
            self._take(message)

    def generations(self) -> list["Shown"]:
        """Return what the lists should have."""
        present = (self._shown(task) for task in self._tasks)
        return [*(each for each in present if each is not None), *self._gone]

    def definitions(self) -> list[dict[str, Any]]:
        rows = []
        for task, parts in self._tasks.items():
            if not task.domain.endswith(" definition"):
                continue
            for name, part in parts.others.items():
                if name.startswith("version/"):
                    value = part["value"]
                    rows.append(
                        {
                            "domain": task.domain.removesuffix(" definition"),
                            "spec": task.id,
                            "number": value["number"],
                            "shard": parts.partition,
                            "at": value["at"],
                            "by": value.get("by"),
                            "definition": json.dumps(
                                value["definition"], separators=(",", ":"), ensure_ascii=False
                            ),
                        }
                    )
        return rows

    def _take(self, message: Said) -> None:
        named = _KEY.fullmatch((message.key or b"").decode())
        assert named is not None, message.key
        task = Task(named[1].replace("%3A", ":").replace("%25", "%"), named[3])
        parts = self._tasks.setdefault(task, TaskParts(message.partition))
        self.last[message.partition] = message.offset
        value = None if message.value is None else json.loads(message.value)
        if named[2]:
            parts.others.pop(named[2], None)
            if value is not None:
                parts.others[named[2]] = value
        else:
            self._replace(task, parts, value, message.time_ms)
        if not task.domain.endswith(" definition"):
            self.at[message.partition, message.offset] = (task, self._shown(task))

    def _replace(self, task: Task, parts: TaskParts, value: dict[str, Any] | None, time_ms: int) -> None:
        """Start and state say something new; a finished generation that ends with it may be kept."""
        shown, before = self._shown(task), parts.main
        is_other = before is not None and (
            value is None or value["state"]["source"] != before["state"]["source"]
        )
        if is_other and shown is not None and self._settings.keeps and not shown.is_open:
            self._gone.append(Shown(task, shown.parts, shown.names, shown.paths, time_ms))
        parts.main = value

    def _shown(self, task: Task) -> "Shown | None":
        parts = self._tasks[task]
        if parts.main is None or task.domain.endswith(" definition"):
            return None
        copy = TaskParts(parts.partition, parts.main, dict(parts.others))
        return Shown(task, copy, self._names, self._settings.attributes)


@dataclass(frozen=True, slots=True)
class Shown:
    """One generation of a task, as lists should show it."""

    task: Task
    parts: TaskParts
    names: Sequence[str]
    paths: Mapping[str, str]
    gone_ms: int | None = None

    @property
    def main(self) -> dict[str, Any]:
        assert self.parts.main is not None
        return self.parts.main

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.main["state"]
        return found

    @property
    def start(self) -> dict[str, Any]:
        found: dict[str, Any] = self.main["start"]
        return found

    @property
    def own(self) -> dict[str, Any]:
        return self.parts.own(self.state["source"])

    @property
    def life(self) -> dict[str, Any]:
        found: dict[str, Any] = self.own.get("life", {})
        return found

    @property
    def place(self) -> tuple[str, str, str]:
        return (_form(self.task.domain), _form(self.task.id), self.state["source"])

    @property
    def revision(self) -> int:
        return max(int(self.main["revision"]), int(self.life.get("revision", 0)))

    @property
    def version(self) -> str:
        return f"{self.revision};{self.state['source']}"

    @property
    def is_open(self) -> bool:
        return bool(self.state["status"] == "OPEN")

    @property
    def ownership(self) -> tuple[str | None, str | None, list[str]]:
        """Owner, preferred user, roles."""
        changed = self.life.get("ownership")
        if changed is not None:
            return changed.get("owner"), changed.get("user"), changed.get("roles", [])
        user = self.state.get("user")
        return user, user, self.state.get("roles", [])

    @property
    def status(self) -> str:
        if self.is_open:
            return "UNASSIGNED" if self.ownership[0] is None else "ASSIGNED"
        return "DONE" if self.state["status"] == "PROCEEDED" else str(self.state["status"])

    @property
    def attributes(self) -> dict[str, Any]:
        data = self.start.get("data", (self.start["event"].get("payload")))
        found = {name: _at(data, path) for name, path in self.paths.items()}
        return {
            name: value
            for name, value in found.items()
            if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= LONGEST)
        }

    def sight(self) -> dict[str, Any]:
        owner, user, roles = self.ownership
        commented = {part["by"] for name, part in self.own.items() if name.startswith("comment/")}
        decided = self.state.get("closing", {}).get("by")
        took_part = sorted(commented) + (
            [decided] if decided is not None and decided not in commented else []
        )
        meta = self.start["event"].get("requestMeta") or {}
        starter = (meta.get("claims") or {}).get("sub") or (meta.get("origin") or {}).get("id")
        named = {"owner": owner, "user": user, "starter": starter}
        lists = {"roles": roles, "took_part": took_part}
        return {
            "domain": self.task.domain,
            **{name: value for name, value in named.items() if value is not None},
            **{name: value for name, value in lists.items() if value},
        }

    def row(self) -> dict[str, Any]:
        owner, user, roles = self.ownership
        # Changed details count as a whole, also where nothing is left of them.
        details = self.life.get("details", self.start.get("details")) or {}
        deadline = self.life.get("deadline_ms", self.state.get("deadline_ms"))
        closing, life = self.state.get("closing", {}), self.life
        return {
            "key": _path_key(self.task.id),
            "domain": self.task.domain,
            "id": self.task.id,
            "partition": self.state["home"],
            "version": self.version,
            "status": self.status,
            "owner": owner,
            "user": user,
            "roles": roles,
            "name": self.start.get("name"),
            "spec": self.start.get("spec"),
            "specVersion": self.start.get("spec_version"),
            "action": self.start.get("action"),
            "createdOn": self.state["created_ms"],
            "timeout": deadline,
            "dueOn": details.get("due_on"),
            "followUpOn": details.get("follow_up_on"),
            "priority": details.get("priority", 50),
            "comments": life.get("comments", 0) - life.get("deleted_comments", 0),
            "level": life.get("level", 0),
            "finishedOn": closing.get("at_ms"),
            "finishedBy": closing.get("by"),
            "outcome": closing.get("outcome"),
            "hasDraft": life.get("has_draft", False),
            "attributes": self.attributes,
        }

    def body(self) -> dict[str, Any]:
        domain, task_id, source = self.place
        return {
            "domain": domain,
            "id": task_id,
            "source": source,
            "shard": self.parts.partition,
            "revision": self.revision,
            "gone_ms": self.gone_ms,
            "row": self.row(),
        }

    def kept(self) -> dict[str, Any]:
        return {name: value for name, value in self.body().items() if name != "row"}

    def grants(self, no: int) -> list[dict[str, Any]]:
        sight, row = self.sight(), self.row()
        named = [f"u:{sight[name]}" for name in ("owner", "user") if name in sight]
        named += [f"r:{role}" for role in sight.get("roles", [])]
        named += [f"p:{user}" for user in sight.get("took_part", [])]
        named += [f"s:{sight['starter']}"] if "starter" in sight else []
        named += [] if "user" in sight or sight.get("roles") else ["*"]
        digest = hashlib.blake2b(f"{self.task.domain} {self.task.id}".encode(), digest_size=8).digest()
        shared = {
            "is_open": int(self.is_open),
            "created": row["createdOn"],
            "tie": int.from_bytes(digest) >> 1,
            "no": no,
            "domain": self.task.domain,
            "status": row["status"],
            **{name: None if row[name] is None else _form(row[name]) for name in ("owner", "spec", "action")},
            "priority": row["priority"],
            "due": row["dueOn"],
            "deadline": row["timeout"],
            "finished": row["finishedOn"],
            "roles": json.dumps(row["roles"], separators=(",", ":"), ensure_ascii=False),
            **{f"a{place}": _sortable(self.attributes.get(name)) for place, name in enumerate(self.names)},
        }
        return [
            {"principal": _form(f"{self.task.domain} {each}"), **shared} for each in sorted({"!", *named})
        ]

    def texts(self, no: int) -> list[dict[str, Any]]:
        return [{"no": no, "text": "".join(f" {word}" for word in self._words())}]

    def words(self, no: int) -> list[dict[str, Any]]:
        return [{"domain": self.task.domain, "word": word, "no": no} for word in self._words()]

    def _words(self) -> list[str]:
        text = unicodedata.normalize("NFKD", f"{self.start.get('name') or ''} {self.task.id}".casefold())
        plain = "".join(sign for sign in text.casefold() if unicodedata.category(sign) != "Mn")
        for stroke, letter in _STROKES.items():
            plain = plain.replace(stroke, letter)
        words: list[str] = []
        for word in re.split(r"[\W_]+", plain):
            if word and word[:64] not in words:
                words.append(word[:64])
        return words[:100]


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _path_key(task_id: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._:-]+", task_id) and task_id not in {".", ".."}:
        return task_id
    return "~" + base64.urlsafe_b64encode(task_id.encode()).decode().rstrip("=")


def _form(text: str) -> str:
    """Return a text as columns that are compared hold it."""
    encoded = text.encode()
    cut = encoded if len(encoded) <= 600 else encoded[:600]
    escaped = cut.decode(errors="ignore").replace("\x01", "\x011").replace("\x00", "\x010")
    return escaped if cut is encoded else f"{escaped}\x01#{hashlib.sha256(encoded).hexdigest()}"


def _sortable(value: Any) -> str | None:
    """Return the value of an attribute as it is compared: numbers, then texts."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "1true" if value else "1false"
    if isinstance(value, str):
        return _form("1" + value[:140])
    number = float(value) + 0.0
    assert math.isfinite(number)
    (bits,) = struct.unpack(">Q", struct.pack(">d", number))
    return f"0{bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63:016x}"
