"""What is sent next: order within a lane, pauses that grow, channels that are down, and giving up."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from runner.clock import ManualTicker
from runner.notify.dispatcher import DOWN_AFTER, Dispatcher, Job, RetrySettings

RETRY = RetrySettings(first_seconds=1, longest_seconds=8, give_up_seconds=60)


@dataclass
class Scene:
    """A dispatcher whose channels work or do not; what was tried, in its order."""

    retry: RetrySettings = RETRY
    chance: float = 1.0
    broken: set[str] = field(default_factory=set)
    """Names of channels or jobs that fail."""

    def __post_init__(self) -> None:
        self.now = ManualTicker()
        self.dispatcher = Dispatcher(self.retry, lambda: self.chance)
        self.names: dict[Job, str] = {}
        self.tried: list[str] = []
        self.over: list[str] = []

    def add(self, name: str, channel: str = "mail", lane: str = "") -> Job:
        job = Job(channel, channel, lane or name, lambda: "")
        self.names[job] = name
        self.dispatcher.add(job, self.now())
        return job

    def run(self) -> list[str]:
        """Try all that is due now; return the names, in order."""
        begun = len(self.tried)
        while (job := self.dispatcher.take(self.now())) is not None:
            name = self.names[job]
            self.tried.append(name)
            fails = name in self.broken or job.channel in self.broken
            if self.dispatcher.finish(job, "broken" if fails else "", self.now()):
                self.over.append(name)
        return self.tried[begun:]

    def run_for(self, seconds: float) -> list[str]:
        begun = len(self.tried)
        end = self.now() + seconds
        while True:
            self.run()
            wait = self.dispatcher.wait_seconds(self.now())
            if self.now() + wait > end:
                self.now.advance(end - self.now())
                return self.tried[begun:]
            self.now.advance(wait)

    def gone(self, jobs: list[Job]) -> list[str]:
        return [self.names[job] for job in jobs]


def test_a_lane_keeps_its_order_also_where_the_first_fails() -> None:
    scene = Scene(broken={"a1"})
    for name, lane in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        scene.add(name, lane=lane)
    assert scene.run() == ["a1", "b1"]
    assert scene.run_for(5) == ["a1", "a1"]
    scene.broken.clear()
    assert scene.run_for(8) == ["a1", "a2"]
    assert scene.dispatcher.waiting == 0


def test_pauses_double_up_to_the_longest() -> None:
    scene = Scene(broken={"x"})
    scene.add("x")
    moments = []
    for _ in range(6):
        scene.run()
        moments.append(scene.dispatcher.wait_seconds(scene.now()))
        scene.now.advance(moments[-1])
    assert moments == [1, 2, 4, 8, 8, 8]


def test_chance_takes_up_to_half_of_a_pause() -> None:
    assert [RETRY.pause(1, chance) for chance in (0, 0.5, 1)] == [0.5, 0.75, 1]
    assert RETRY.pause(10_000, 1) == 8


def test_what_fails_for_too_long_is_given_up() -> None:
    scene = Scene(broken={"x"})
    scene.add("x")
    scene.run_for(59)
    assert scene.over == []
    scene.run_for(2)
    assert scene.over == ["x"]
    assert scene.dispatcher.waiting == 0
    assert scene.dispatcher.wait_seconds(scene.now()) == float("inf")


def test_other_channels_go_on_while_one_is_down() -> None:
    scene = Scene(broken={"mail"})
    for n in range(5):
        scene.add(f"m{n}")
    scene.run_for(3)
    for n in range(5):
        scene.add(f"c{n}", "chat")
        assert f"c{n}" in scene.run()


def test_a_channel_is_down_after_several_failures_and_then_tried_by_one_at_a_time() -> None:
    scene = Scene(broken={"mail"})
    for n in range(20):
        scene.add(f"m{n}")
    assert len(scene.run()) == DOWN_AFTER
    assert scene.dispatcher.down() == {"mail": "broken"}
    assert len(scene.run_for(30)) <= 7
    scene.broken.clear()
    scene.run_for(8)
    assert sorted(scene.over) == sorted(f"m{n}" for n in range(20))
    assert scene.dispatcher.down() == {}


def test_a_mailbox_that_refuses_does_not_bring_its_channel_down() -> None:
    scene = Scene(broken={"bad"})
    scene.add("bad")
    for n in range(10):
        scene.run_for(1)
        scene.add(f"good{n}")
    scene.run()
    assert scene.over == [f"good{n}" for n in range(10)]
    assert scene.dispatcher.down() == {}


def test_many_mailboxes_that_refuse_do_not_keep_out_one_that_works() -> None:
    scene = Scene(broken={f"bad{n}" for n in range(10)})
    for n in range(10):
        scene.add(f"bad{n}")
    scene.run_for(5)
    assert scene.dispatcher.down()
    scene.add("good")
    # What was tried least goes first once the pause of the channel is over.
    scene.run_for(RETRY.longest_seconds + 1)
    assert "good" in scene.over


def test_what_waits_for_a_channel_that_is_down_expires_untried() -> None:
    scene = Scene(broken={"mail"})
    for n in range(100):
        scene.add(f"m{n}")
    scene.run_for(50)
    late = scene.add("late")
    scene.run_for(11)
    expired = scene.gone(scene.dispatcher.expired(scene.now()))
    assert len(expired) + len(scene.over) == 100
    assert "late" not in expired
    assert scene.dispatcher.waiting == 1
    assert not scene.dispatcher.expired(scene.now())
    scene.broken.clear()
    scene.run_for(8)
    assert scene.over[-1] == scene.names[late]


def test_nothing_expires_on_a_channel_that_works() -> None:
    scene = Scene()
    scene.add("slow")
    scene.now.advance(1000)
    assert not scene.dispatcher.expired(scene.now())
    assert scene.run() == ["slow"]


def test_only_what_does_not_get_on_makes_room_and_the_oldest_first() -> None:
    scene = Scene(broken={"mail"})
    for n in range(5):
        scene.add(f"m{n}")
        scene.now.advance(0.001)
    scene.run()
    scene.add("chat", "chat")
    assert scene.gone(scene.dispatcher.stuck(2)) == ["m0", "m1"]
    assert scene.gone(scene.dispatcher.stuck(10)) == ["m2", "m3", "m4"]
    assert scene.dispatcher.waiting == 1


def test_what_is_being_tried_is_not_withdrawn() -> None:
    scene = Scene()
    first, second = scene.add("first"), scene.add("second", lane="first")
    assert scene.dispatcher.take(0) is first
    assert scene.dispatcher.withdraw(lambda _: True) == [second]
    assert scene.dispatcher.is_busy(lambda job: job is first)
    assert scene.dispatcher.finish(first, "", 0)
    assert scene.dispatcher.waiting == 0


def test_a_channel_takes_so_many_at_once_and_no_more() -> None:
    scene = Scene()
    for n in range(5):
        scene.add(f"m{n}").at_once = 2
    taken = [scene.dispatcher.take(0) for _ in range(5)]
    assert [job is not None for job in taken] == [True, True, False, False, False]
    assert taken[0] is not None
    scene.dispatcher.finish(taken[0], "", 0)
    assert scene.dispatcher.take(0) is not None


@pytest.mark.parametrize("broken", [False, True])
def test_channels_take_turns(broken: bool) -> None:
    scene = Scene(broken={"a"} if broken else set())
    for n in range(3):
        for channel in ("a", "b", "c"):
            scene.add(f"{channel}{n}", channel)
    order = "".join(name[0] for name in scene.run())
    assert order == "abcabcabc"


def test_it_gets_on_unless_all_that_is_left_has_failed() -> None:
    scene = Scene(broken={"x"})
    gets_on: Callable[[], bool] = scene.dispatcher.gets_on
    assert not gets_on()
    scene.add("x")
    assert gets_on()
    scene.run()
    assert not gets_on()
    scene.add("y", "chat")
    assert gets_on()
