"""``runner definitions put``: a definition from a file becomes the newest version of its ``taskSpec``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runner.actions.definitions import first_home
from runner.actions.registry import DEFINE_TASK
from runner.cli.definitions.file import read_definition
from runner.cli.definitions.finding import newest_of
from runner.cli.options import AsJson, ConfigFile, Patience, Roles, User, read_config, roles_option
from runner.cli.records import known_domains, open_records
from runner.cli.screen import plain
from runner.cli.sending import ask_home, caller_of, event_of, show_reply
from runner.config import Config
from runner.errors import FORBIDDEN, FatalError
from runner.kafka.topic_message import TopicMessage
from runner.tasks.keys import definition_key

_REMEDIES: Final[Mapping[str, str]] = {
    str(FORBIDDEN): "; name an admin with --as and --roles (domains.<name>.adminRole is the role)"
}


def put(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|-", help="The definition, YAML or JSON; - for standard input.")
    ],
    domain: Annotated[
        str | None,
        typer.Option(help="Domain of the definition.", show_default="the only one there is"),
    ] = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Define what answers tasks of a taskSpec take, as an admin.

    The file has taskSpec and schema (JSON Schema of the answers), and may have
    description, uiOrder, uiWidgets and outcomes. The first version is 0; a
    changed definition is the next, the same again changes nothing. Tasks keep
    the version that was newest when they started. With --json the reply is
    one line, as "runner tail --json" gives it.

    [bold]Example[/bold]

      runner definitions put kyc.yaml --domain default --as root --roles admin
    """
    settings = read_config(config)
    definition = read_definition(file)
    name = _domain(settings, domain)
    spec = definition["taskSpec"]
    caller = caller_of(settings, user, roles_option(roles))
    event = event_of(settings, DEFINE_TASK, None, caller, definition)
    event["eventMeta"]["domain"] = name
    key = definition_key(name, str(spec))
    with open_records(settings) as (store, space):
        [before] = store.records_of([key])
        home = first_home(key, space.partitions) if before is None else before.state.home
    reply = ask_home(settings, event, home, timeout)
    newest = None if before is None else newest_of(before)
    show_reply(reply, _fields(reply, str(spec), name, newest), _REMEDIES, as_json=as_json)


def _domain(config: Config, name: str | None) -> str:
    domains = known_domains(config, None if name is None else [name])
    if len(domains) > 1:
        raise FatalError(f"which domain is it for? name one with --domain: {', '.join(domains)}")
    return domains[0]


def _fields(reply: TopicMessage, spec: str, domain: str, newest: int | None) -> Iterator[tuple[str, str]]:
    """Give what is shown of a reply; ``newest``: the version there was before, None for none."""
    yield "definition", f"{plain(spec, 200)} of domain {domain}"
    defined: Any = reply.section("result").get("definition")
    if isinstance(defined, Mapping):
        version = defined.get("version")
        yield "version", f"{version}, as it was" if version == newest else f"{version}, new"
