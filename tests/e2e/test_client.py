"""The client of the HTTP API against what `runner dev` runs: the example of the README, and asyncio."""

import asyncio
import re
from collections.abc import Iterator
from typing import Final

import pytest

from runner.client import AsyncClient, Client
from tests.e2e.terminal import Terminal
from tests.unit.docs.pages import README, blocks

pytestmark = pytest.mark.embedded

_URL: Final = "http://127.0.0.1:8090"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the API of a `runner dev` is, with the configuration that the README gives."""
    folder = tmp_path_factory.mktemp("dev")
    [configuration] = re.findall(r"`(domains: \{default: \{[^`]+)`", README.read_text(encoding="utf-8"))
    (folder / "api.yaml").write_text(configuration)
    terminal = Terminal(folder, {"RUNNER_WEB__PORT": "0"})
    with terminal.start("dev", "--no-examples", "--config", str(folder / "api.yaml")) as dev:
        dev.wait_for("The HTTP API is at")
        [found] = set(re.findall(r"(http://127\.0\.0\.1:\d+)/api/v1 ", dev.out))
        yield found


def test_the_example_of_the_readme_works(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = [block for block in blocks(README) if block.words == ["python"]]
    exec(compile(example.text.replace(_URL, url), "README.md", "exec"), {})  # noqa: S102 - our own page
    *listed, over = capsys.readouterr().out.splitlines()
    # The newest is the last; other tests start tasks, too.
    assert listed[-1].endswith("Check invoice 7")
    assert over == "DONE"


def test_what_one_does_another_hears_of(url: str) -> None:
    async def heard() -> list[str | None]:
        async with AsyncClient(url, "clara") as clerk, AsyncClient(url, "max") as manager:
            task = await clerk.start("default", {"n": 1}, roles=["manager"])
            end = asyncio.create_task(clerk.wait("default", task.id))
            kinds: list[str | None] = []
            async for change in manager.changes(domain="default"):
                kinds.append(change.kind)
                if change.kind == "reload":
                    await manager.claim("default", task.id)
                elif change.key == task.key:
                    await manager.proceed("default", task.id, {"paid": True})
                    break
            return [*kinds, (await end).status]

    # Tasks of other tests may be told of in between.
    first, *_, changed, end = asyncio.run(heard())
    assert (first, changed, end) == ("reload", "changed", "DONE")


def test_lists_counts_history_and_comments_are_read(url: str) -> None:
    with Client(url, "clara") as clerk, Client(url, "max") as manager:
        tasks = [clerk.start("default", {"n": n}, name=f"Batch {n}", roles=["manager"]) for n in range(3)]
        manager.comment("default", tasks[0].id, "hm")
        named = manager.tasks(text="batch", order="-created", limit=2)
        assert {task.id for task in named} == {task.id for task in tasks}
        assert manager.count("status", text="batch") == {"UNASSIGNED": 3}
        assert [each.text for each in manager.comments("default", tasks[0].id)] == ["hm"]
        assert [each.event for each in manager.history("default", tasks[0].id)] == ["created", "commented"]
        assert manager.task("default", tasks[1].id).data == {"n": 1}
        for task in tasks[1:]:
            manager.claim("default", task.id)
        assert manager.update("default", tasks[1].id, priority=80).fields["priority"] == 80
        assert manager.cancel("default", tasks[2].id, "not needed").status == "CANCELLED"
