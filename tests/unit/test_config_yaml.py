"""What a file says means the same to every version of YAML, or is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from runner.config import ConfigError, load
from runner.config.yaml_file import Loader, dump, is_ambiguous

TWO_WAYS = [
    *("yes", "No", "ON", "off", "0777", "-012", "00", "08", "1_000", "0b11", "0o17", "685_230.15"),
    *("7:00:00", "12:30", "190:20:30.15", "2026-01-01", "2001-12-14t21:59:43.10-05:00", "1e3", "-.5", "="),
]
ONE_WAY: dict[str, Any] = {
    "true": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
    "7": 7,
    "-12": -12,
    "+12": 12,
    "0": 0,
    "0x1F": 31,
    "1.5": 1.5,
    "1.": 1.0,
    "1.5e+3": 1500.0,
    "y": "y",
    "n": "n",
    "a b": "a b",
    "10.0.0.1:6379": "10.0.0.1:6379",
    "redis://h:1/0": "redis://h:1/0",
    "7h": "7h",
    "_1": "_1",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.yaml"


@pytest.mark.parametrize("text", TWO_WAYS)
def test_what_yaml_reads_in_two_ways_is_refused_with_its_place(file: Path, text: str) -> None:
    places = {f"a: b\nhandler: {text}": "line 2, column 10", f"{text}: 1": "line 1, column 1"}
    for content, place in places.items():
        file.write_text(content)
        with pytest.raises(ConfigError) as raised:
            load(file, {})
        [told] = str(raised.value).splitlines()
        assert f"at {place}: YAML 1.1 and 1.2 read {text} differently: put it in quotes" in told


@pytest.mark.parametrize("text", TWO_WAYS)
def test_in_quotes_it_is_text(file: Path, text: str) -> None:
    file.write_text(f'handler: "{text}"\ndeployment: \'{text}\'\ndomains: {{"{text}": {{}}}}')
    config = load(file, {})
    assert (config.handler, config.deployment, list(config.domains)) == (text, text, [text])


@pytest.mark.parametrize("text", ONE_WAY)
def test_what_every_version_reads_alike_is_taken(text: str) -> None:
    assert yaml.load(f"a: {text}", Loader) == {"a": ONE_WAY[text]}  # noqa: S506 - derived from the safe loader


@pytest.mark.parametrize("tag", ["timestamp", "binary", "set", "omap", "pairs"])
def test_what_no_setting_is_is_refused_by_its_tag(file: Path, tag: str) -> None:
    file.write_text(f"domains:\n  !!{tag} 2026-01-01: {{}}")
    with pytest.raises(ConfigError, match=rf"at line 2, column 3: a !!{tag} is not taken"):
        load(file, {})


@pytest.mark.parametrize("again", ["handler", '"handler"', "'handler'", "!!str handler"])
def test_a_key_that_is_given_twice_is_refused_however_it_is_written(file: Path, again: str) -> None:
    file.write_text(f"handler: a\n{again}: b")
    with pytest.raises(ConfigError, match="at line 2, column 1: the key handler is given twice"):
        load(file, {})


def test_a_part_may_be_written_once_and_merged(file: Path) -> None:
    file.write_text("domains:\n  a: &a {retentionSeconds: 5}\n  b: {<<: *a, checkRoles: false}")
    assert load(file, {}).domains["b"].retention_seconds == 5


@example("\x85")
@example("a\u2028 b")
@given(st.recursive(st.text(st.characters(exclude_categories=["Cs"])) | st.booleans() | st.none(), st.lists))
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert yaml.load(dump({"a": value}), Loader) == {"a": value}  # noqa: S506 - derived from the safe loader


@pytest.mark.parametrize("text", TWO_WAYS)
def test_text_that_could_be_read_in_two_ways_is_written_in_quotes(text: str) -> None:
    assert is_ambiguous(text)
    assert dump({text: text}) == f"'{text}': '{text}'\n"
