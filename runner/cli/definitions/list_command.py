"""``runner definitions list``: all definitions, each with its newest version."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from runner.cli.definitions.finding import all_definitions, described, version_of
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import known_domains, open_records
from runner.cli.screen import Column, Rows, hint, print_json, stdout
from runner.cli.times import minute

_COLUMNS: Final = (
    Column("spec", 20),
    Column("domain", 10),
    Column("version", 7, align_right=True),
    Column("defined", 23),
    Column("by", 10),
    Column("description", 20),
)
_OF_A_LIST: Final = ("domain", "taskSpec", "version", "definedMs", "by", "description")


def list_(
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Only of this domain; may be repeated.", show_default="every configured one"),
    ] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the definitions: what each is for, its newest version, and who made that when.

    Reads Redis and nothing else. With --json each definition is one line:
    domain, taskSpec, version, definedMs, by, description.

    [bold]Examples[/bold]

      runner definitions list
      runner definitions list --domain default --json
    """
    settings = read_config(config)
    with open_records(settings) as (store, space):
        domains = known_domains(settings, domain)
        definitions = [version_of(record) for record in all_definitions(store, space.partitions, domains)]
    rows = Rows(stdout(), _COLUMNS)
    for each in definitions:
        shown = {"description": None, **described(each)}
        if as_json:
            print_json({name: shown[name] for name in _OF_A_LIST})
        else:
            description = str(shown["description"] or "-")
            rows.row(
                each.spec, each.domain, str(each.version), minute(each.at_ms), each.by or "-", description
            )
    if not definitions and not as_json:
        hint("there are no definitions")
