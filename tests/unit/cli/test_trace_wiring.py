"""Whether spans are made and where they go, from the configuration."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

from runner.cli.wiring.traces import open_traces
from runner.config import Config, ConfigError, load
from runner.embedded.subprocesses import HOST, free_port
from runner.metrics import Metrics
from runner.telemetry.traces.spans import Spans


def configured(**settings: str) -> Config:
    return load(None, {f"RUNNER_TRACES__{name.upper()}": value for name, value in settings.items()})


def printed(code: str) -> str:
    """What a fresh interpreter prints that has the names of this module."""
    names = (
        "import sys; from contextlib import ExitStack; from runner.cli.wiring.traces import open_traces;"
        "from runner.config import ConfigError, load; from runner.metrics import Metrics\n"
    )
    done = subprocess.run([sys.executable, "-c", names + code], capture_output=True, text=True, check=True)
    return done.stdout


def test_by_default_there_are_no_spans_and_nothing_that_makes_them_is_imported() -> None:
    code = (
        "import runner.cli.wiring.worker\n"
        "made = open_traces(load(None, {}), Metrics(), ExitStack())\n"
        "print(made('t', 'i', 'g'))\n"
        "makers = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(makers)])"
    )
    assert printed(code) == "None\n[]\n"


def test_with_an_endpoint_spans_are_made() -> None:
    with ExitStack() as stack:
        made = open_traces(configured(endpoint=f"http://{HOST}:{free_port()}"), Metrics(), stack)
        assert isinstance(made("requests", "id", "group"), Spans)


def test_where_the_extra_is_missing_the_message_says_how_to_install_it() -> None:
    code = (
        "sys.modules['opentelemetry.exporter'] = None\n"
        "config = load(None, {'RUNNER_TRACES__ENDPOINT': 'http://collector:4318'})\n"
        "try:\n    open_traces(config, Metrics(), ExitStack())\n"
        "except ConfigError as error:\n    print(error)"
    )
    said = printed(code)
    assert "traces.endpoint" in said
    assert "pip install 'saga-task-runner[traces]'" in said


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317", "http://", "http://a:x"])
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"traces\.endpoint"):
        configured(endpoint=endpoint)


@pytest.mark.parametrize("sample", ["-0.1", "1.1", "nan", "half"])
def test_what_is_no_share_is_refused(sample: str) -> None:
    with pytest.raises(ConfigError, match=r"traces\.sample"):
        configured(sample=sample)
