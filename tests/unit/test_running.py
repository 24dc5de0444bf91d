"""How a run of the tests is parted among processes."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import os
from pathlib import Path
import pytest

@pytest.mark.xdist_group("one server")
@pytest.mark.parametrize("number", range(8))
def test_it(number):
    Path(os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


def test_the_tests_of_a_group_are_run_by_one_process(tmp_path: Path) -> None:
    """It holds where pytest and xdist fit together; where they do not, they say nothing."""
    (tmp_path / "test_grouped.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "2", "--dist", "loadgroup"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert "8 passed" in done.stdout
    assert len(list(tmp_path.glob("gw*"))) == 1
