"""The checker of definitions: versions are 0, 1, 2 … without a gap, and each is what somebody has sent.

Knows the protocol, what was sent and what was read, and nothing of the program.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tests.e2e.sent import Sent

CONTENT: Final = ("description", "schema", "uiOrder", "uiWidgets", "outcomes")

Answered = tuple[Sent, Mapping[str, Any]]
"""A DefineTask, and the result of one reply to it."""


def check_definitions(
    answered: Iterable[Answered], told: Mapping[str, Any], find: Callable[[str], None]
) -> None:
    """Compare replies to DefineTask with what was sent; ``told``: the changelog's parts (people_check)."""
    by_spec: dict[str, list[Answered]] = defaultdict(list)
    for sent, result in answered:
        spec = sent.event["eventMeta"]["parameters"]["taskSpec"]
        if result["status"] != "SUCCESS":
            find(f"DefineTask {sent.request_id} was refused: {result.get('error')}")
        elif {**result["definition"], "version": 0} != {"domain": "default", "taskSpec": spec, "version": 0}:
            find(f"DefineTask {sent.request_id} speaks of {result['definition']}")
        else:
            by_spec[spec].append((sent, result))
    for spec, replies in by_spec.items():
        versions = _check_versions(spec, replies, find)
        if told:
            _check_stored(spec, versions, told.get(spec, {}), find)


def _check_versions(
    spec: str, replies: Sequence[Answered], find: Callable[[str], None]
) -> dict[int, dict[str, Any]]:
    """Return what each version is: that of the lowest version which a DefineTask was told."""
    numbers = {int(result["definition"]["version"]) for _, result in replies}
    if numbers != set(range(len(numbers))):
        find(f"definition {spec}: its versions are {sorted(numbers)}")
    lowest: dict[str, int] = {}
    for sent, result in replies:
        version = int(result["definition"]["version"])
        lowest[sent.request_id] = min(version, lowest.get(sent.request_id, version))
    contents: dict[int, dict[str, Any]] = {}
    for sent, _ in replies:
        version, content = lowest[sent.request_id], _content(sent)
        if contents.setdefault(version, content) != content:
            find(f"definition {spec}: {sent.request_id} was told version {version}, which is another")
    for version, content in contents.items():
        if content == contents.get(version + 1):
            find(f"definition {spec}: the same again is version {version} and {version + 1}")
    return contents


def _check_stored(
    spec: str, versions: Mapping[int, Any], rounds: Mapping[str, Any], find: Callable[[str], None]
) -> None:
    if len(rounds) != 1:
        find(f"definition {spec}: the changelog has {len(rounds)} records of it")
    for parts in rounds.values():
        stored = {name: part["definition"] for name, part in parts.items() if name.startswith("version/")}
        if stored.keys() != {f"version/{number}" for number in range(len(stored))}:
            find(f"definition {spec}: the changelog has {sorted(stored)}")
        if parts["life"]["versions"] != len(stored):
            find(f"definition {spec}: {parts['life']['versions']} versions, but {len(stored)} are stored")
        for number, content in versions.items():
            if stored.get(f"version/{number}") != content:
                find(f"definition {spec}: version {number} is not stored as it was sent")


def _content(sent: Sent) -> dict[str, Any]:
    parameters = sent.event["eventMeta"]["parameters"]
    return {name: parameters[name] for name in CONTENT if name in parameters}
