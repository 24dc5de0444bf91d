"""Definitions as the store holds them: by name, or all of them, with their versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from runner.cli.records import known_domains
from runner.cli.screen import plain
from runner.config import Config
from runner.envelope.plain import decode
from runner.errors import FatalError
from runner.store.calls import Page
from runner.store.listing import ListableStore, TaskFilter, list_tasks
from runner.tasks.keys import definition_key, domain_of_definition
from runner.tasks.parts import DefinitionVersion, version_part
from runner.tasks.record import Record, read_part

PAGE: Final = 500
"""Definitions that are read in one round trip."""

SpecDomain = Annotated[
    str | None, typer.Option("--domain", help="Domain of the definition.", show_default="the one that has it")
]


class Definition(msgspec.Struct, frozen=True):
    """One version of a definition."""

    domain: str
    spec: str
    version: int
    newest: int
    """Number of the newest version."""
    at_ms: int
    """When it was defined, epoch ms."""
    by: str | None
    fields: dict[str, Any]
    """``description``, ``schema``, ``uiOrder``, ``uiWidgets`` and ``outcomes``, where they were sent."""


def find_definition(store: ListableStore, config: Config, spec: str, domain: str | None) -> Record:
    """Return the whole record of a definition in a domain, or in the one that has it; else FatalError."""
    domains = known_domains(config, None if domain is None else [domain])
    keys = [definition_key(name, spec) for name in domains]
    records = [record for record in store.whole_records(keys) if record is not None]
    if not records:
        raise FatalError(
            f"there is no definition {plain(spec, 200)} in domain {', '.join(domains)}; "
            '"runner definitions list" shows all, "runner definitions put" makes one'
        )
    if len(records) > 1:
        named = " and ".join(domain_of_definition(record.key) for record in records)
        raise FatalError(f"there is a definition {plain(spec, 200)} in {named}; name one with --domain")
    return records[0]


def all_definitions(store: ListableStore, homes: int, domains: Sequence[str]) -> Iterator[Record]:
    """Give the whole records of all definitions of these domains, by domain and name."""
    spaces = [definition_key(domain, "").domain for domain in domains]
    page = list_tasks(store, TaskFilter(spaces, homes), Page(PAGE))
    keys = [row.record.key for row in page.rows]
    while page.cursor is not None:
        page = list_tasks(store, TaskFilter(spaces, homes), Page(PAGE, page.cursor))
        keys += [row.record.key for row in page.rows]
    keys.sort()
    for at in range(0, len(keys), PAGE):
        yield from filter(None, store.whole_records(keys[at : at + PAGE]))


def newest_of(record: Record) -> int:
    """Return the number of the newest version."""
    return 0 if record.life is None else record.life.versions - 1


def version_of(record: Record, number: int | None = None) -> Definition:
    """Return a version of a definition that was read whole, by default the newest; else FatalError."""
    newest = newest_of(record)
    version = read_part(record, version_part(newest if number is None else number), DefinitionVersion)
    if version is None:
        raise FatalError(f"definition {record.key.id} has no version {number}; {newest} is the newest")
    fields: Any = decode(version.definition)
    return Definition(
        domain_of_definition(record.key),
        record.key.id,
        version.number,
        newest,
        version.at,
        version.by,
        fields,
    )


def described(definition: Definition) -> dict[str, Any]:
    """Return a definition for programs, named as events name it."""
    return {
        "domain": definition.domain,
        "taskSpec": definition.spec,
        "version": definition.version,
        "newest": definition.newest,
        "definedMs": definition.at_ms,
        "by": definition.by,
        **definition.fields,
    }
