"""``runner web`` without its packages, and with settings that cannot do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.wiring.projection import projection_url
from runner.cli.wiring.web import check_web_topics
from runner.config import load
from runner.errors import FatalError
from runner.kafka.topics import Cluster, Topic

TOPICS = ("requests", "replies", "tasks")


def test_without_the_extra_the_command_says_what_installs_it(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(json.dumps({"web": {"auth": "none", "users": {"ann": []}}}))
    # What the import finds where the extra is not installed.
    code = "import sys; sys.modules['fastapi'] = None; from runner.cli import app; "
    code += f"sys.exit(app.run(['web', '-c', {str(file)!r}]))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert f"{file}: web needs packages that are not installed" in done.stderr
    assert "pip install 'saga-task-runner[web]'" in done.stderr


def test_lists_are_in_a_file_where_nothing_else_is_said() -> None:
    assert projection_url(load(None, {})) == "sqlite:///projection.db"
    named = load(None, {"RUNNER_PROJECTION__URL": "postgresql://u:p@host/lists"})
    assert projection_url(named) == "postgresql://u:p@host/lists"


@pytest.mark.parametrize("missing", TOPICS)
def test_a_topic_that_is_missing_is_named_with_the_remedy(missing: str) -> None:
    cluster = Cluster("c", {name: Topic(name, 3, 1_000_000) for name in TOPICS if name != missing})
    with pytest.raises(FatalError, match=f"no topic {missing}.*topics create"):
        check_web_topics(load(None, {}), cluster)


def test_a_permission_that_is_missing_is_named() -> None:
    allowed = {"requests": frozenset({"READ"}), "replies": frozenset({"READ"}), "tasks": frozenset({"WRITE"})}
    cluster = Cluster("c", {name: Topic(name, 3, 1_000_000, allowed[name]) for name in TOPICS})
    with pytest.raises(FatalError, match="Write on topic requests; Read on topic tasks"):
        check_web_topics(load(None, {}), cluster)
