"""docs/notifications.md: its example works, and its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from runner.cli.wiring.notify import prepare
from runner.config import Config, load
from runner.metrics import NotifyMetrics
from runner.notify import notifier, planning
from runner.notify.notice import EVENTS, LONGEST_TEXT, read_notice
from runner.notify.planning import MOST_PEOPLE
from tests.unit.docs.pages import ROOT, blocks, rows, text_of

PAGE: Final = ROOT / "docs" / "notifications.md"


def example(word: str) -> str:
    """A block of YAML, which stands indented in a list."""
    found = re.search(rf"^ +```yaml {word}\n(.*?)^ +```$", text_of(PAGE), re.MULTILINE | re.DOTALL)
    assert found
    return re.sub(r"^ {3}", "", found[1], flags=re.MULTILINE)


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.yaml").write_text(example("people"))
    (tmp_path / "runner.yaml").write_text(example("notify"))
    planner, _ = prepare(load(tmp_path / "runner.yaml", {}))
    [event] = [block.text for block in blocks(PAGE) if block.words == ["json"]]
    plan = planner.plan(read_notice(event.encode(), 100_000))
    assert plan.look_up() == ""
    assert [each.recipient for each in plan.to_people()] == ["user bob mail", "user bob urls[0]"]
    assert plan.to_channels() == []


def test_every_reason_is_documented_and_no_other() -> None:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "runner" / "notify").glob("*.py")]
    poison = set(re.findall(r'PoisonError\(\s*"([A-Z_0-9]+)"', "".join(sources)))
    given_up = {notifier.NOT_SENT, notifier.DIRECTORY_DOWN, notifier.NO_ROOM}
    table = {cells[0].strip("`") for cells in rows(PAGE, r"`[A-Z_]+`")}
    assert table == poison | given_up | {planning.NO_ADDRESS, planning.TOO_MANY}


def test_every_metric_is_documented_and_no_other() -> None:
    registered = {
        f"{metric.name}{'_total' if metric.type == 'counter' else ''}"
        for metric in NotifyMetrics().registry.collect()
    }
    table = {cells[0].strip("`") for cells in rows(PAGE, r"`runner_[a-z_]+`")}
    assert table == {name for name in registered if name.startswith("runner_")}


def test_every_header_and_event_is_named() -> None:
    headers = {cells[0].strip("`") for cells in rows(PAGE, r"`notify-[a-z]+`")}
    assert headers == {notifier.RECIPIENT, notifier.KIND}
    assert all(f"`{event}`" in text_of(PAGE) for event in EVENTS)


def test_the_numbers_are_those_of_the_code() -> None:
    text = text_of(PAGE)
    for number, words in (
        (Config().notify.memory, "the last `notify.memory` ({:,})"),
        (Config().notify.waiting, "When `notify.waiting` ({:,}) messages"),
        (Config().notify.senders, "`notify.senders` ({:,}) letters"),
        (MOST_PEOPLE, "more than {:,} people"),
        (LONGEST_TEXT, "{:,} characters"),
    ):
        assert words.format(number) in " ".join(text.split()), words


def test_the_routes_in_the_commented_configuration_are_all_there_is() -> None:
    comment = re.search(
        r"All there is of a route:\n((?:  #.*\n)+)", (ROOT / "config" / "runner.yaml").read_text()
    )
    assert comment
    shown = yaml.safe_load(re.sub(r"^  #   ?", "", comment[1], flags=re.MULTILINE))
    from runner.config.sections.notify import NotifyRoute  # noqa: PLC0415 - of this test alone

    assert set(shown["routes"][0]) == set(NotifyRoute.model_fields)
