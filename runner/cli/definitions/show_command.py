"""``runner definitions show``: one version of a definition, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from runner.cli.definitions.finding import Definition, SpecDomain, described, find_definition, version_of
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import open_records
from runner.cli.screen import plain, print_json, say, show_fields, stdout
from runner.cli.times import from_now, moment
from runner.config.yaml_file import dump
from runner.envelope.plain import encode


def show(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="Name of the definition: the taskSpec of tasks.")
    ],
    version: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Which version.", show_default="the newest")
    ] = None,
    domain: SpecDomain = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a definition: who put it and when, and below that what was put, as YAML.

    Reads Redis and nothing else. With --json it is one line: domain, taskSpec,
    version, newest, definedMs, by, and what was put.

    [bold]Examples[/bold]

      runner definitions show kyc
      runner definitions show kyc --version 0 --json
    """
    settings = read_config(config)
    with open_records(settings) as (store, _):
        record, now_ms = find_definition(store, settings, spec, domain), store.load(0, []).now_ms
    definition = version_of(record, version)
    if as_json:
        print_json(described(definition))
        return
    show_fields(definition_lines(definition, now_ms))
    for line in ("", *as_put(definition).splitlines()):
        say(stdout(), plain(line))


def definition_lines(definition: Definition, now_ms: int) -> Iterator[tuple[str, str]]:
    """Give label and value of every line that is shown; ``now_ms`` is the time of Redis."""
    is_newest = definition.version == definition.newest
    yield "definition", definition.spec
    yield "domain", definition.domain
    yield "version", f"{definition.version}{'' if is_newest else f' ({definition.newest} is the newest)'}"
    yield "defined", f"{moment(definition.at_ms)}, {from_now(definition.at_ms, now_ms)}"
    yield "by", definition.by or "-"


def as_put(definition: Definition) -> str:
    """Return what was put as YAML, which may be put again."""
    # Python's own numbers, which YAML can be made of.
    fields = json.loads(encode(definition.fields))
    return dump({"taskSpec": definition.spec, **fields})
