"""``runner config explain``: what a setting means, what it may be, and what it is now."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import plain, print_json, say, stdout
from runner.config.setting_docs import Guide, guides


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
        found = guides(settings, names or [])
    except LookupError as error:
        raise typer.BadParameter(plain(str(error.args[0]), 200)) from None
    for guide in found:
        if as_json:
            print_json(_plain(guide))
        else:
            _print(guide)


def _plain(guide: Guide) -> dict[str, Any]:
    shape = guide.shape
    first, last = shape.limits or (None, None)
    return {
        "setting": guide.name,
        "value": guide.value,
        "default": shape.default,
        "from": first,
        "to": last,
        "choices": list(shape.choices),
        "description": shape.description,
        "variable": guide.variable,
    }


def _print(guide: Guide) -> None:
    console, shape = stdout(), guide.shape
    say(console, f"{guide.name} = {_written(guide.value)}", "bold")
    say(console, f"  {shape.description}")
    said = [f"default {_written(shape.default)}"]
    if shape.limits is not None:
        said.append(f"{shape.limits[0]} to {shape.limits[1]}")
    if shape.choices:
        said.append(" or ".join(shape.choices))
    say(console, f"  {', '.join(said)}; {guide.variable}", "dim")


def _written(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False), 500)
