"""``runner config explain``: what a setting means, what it may be, and what it is now."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import plain, print_json, say, stdout
from runner.config.setting_docs import SettingDoc, setting_docs


def explain(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SETTING]...", help="Settings or sections; none: all.")
    ] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Explain settings: value in effect, meaning, default, range, variable.

    The value is what a worker would take, secrets masked. With --json each
    setting is one line: setting, value, default, from and to, choices,
    description, variable.

    [bold]Examples[/bold]

      runner config explain limits
      runner config explain limits.eventBytes kafka.brokers
    """
    settings = read_config(config)
    try:
        found = setting_docs(settings, names or [])
    except LookupError as error:
        raise typer.BadParameter(plain(str(error.args[0]), 200)) from None
    for setting_doc in found:
        if as_json:
            print_json(_plain(setting_doc))
        else:
            _print(setting_doc)


def _plain(setting_doc: SettingDoc) -> dict[str, Any]:
    schema_node = setting_doc.schema_node
    first, last = schema_node.limits or (None, None)
    return {
        "setting": setting_doc.name,
        "value": setting_doc.value,
        "default": schema_node.default,
        "from": first,
        "to": last,
        "choices": list(schema_node.choices),
        "description": schema_node.description,
        "variable": setting_doc.variable,
    }


def _print(setting_doc: SettingDoc) -> None:
    console, schema_node = stdout(), setting_doc.schema_node
    say(console, f"{setting_doc.name} = {_written(setting_doc.value)}", "bold")
    say(console, f"  {schema_node.description}")
    said = [f"default {_written(schema_node.default)}"]
    if schema_node.limits is not None:
        said.append(f"{schema_node.limits[0]} to {schema_node.limits[1]}")
    if schema_node.choices:
        said.append(" or ".join(schema_node.choices))
    say(console, f"  {', '.join(said)}; {setting_doc.variable}", "dim")


def _written(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False), 500)
