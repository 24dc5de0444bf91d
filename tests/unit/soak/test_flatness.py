"""The rule of flatness: what grows is found, what warms up or wavers is not."""

from collections.abc import Callable
from random import Random

import pytest

from tests.soak.flatness import LEAST_SECONDS, Sample, judge, not_flat

MB = 1_000_000


def curve(
    memory: Callable[[float], float], handles: Callable[[float], float] = lambda _: 40, seconds: int = 600
) -> list[Sample]:
    return [Sample(10.0 + at, int(memory(at)), int(handles(at))) for at in range(seconds + 1)]


def findings(*samples: Sample) -> list[str]:
    return judge({"worker-1": samples})["worker-1"].findings


def test_what_stays_the_same_is_flat() -> None:
    assert findings(*curve(lambda _: 90 * MB)) == []


def test_what_warms_up_in_the_first_third_is_flat() -> None:
    assert findings(*curve(lambda at: 90 * MB + min(at, 190) * MB)) == []


def test_what_wavers_is_flat() -> None:
    random = Random(1)
    wavering = curve(lambda _: random.gauss(90, 4) * MB, lambda _: random.randint(35, 45))
    assert findings(*wavering) == []


def test_one_peak_is_flat() -> None:
    assert (
        findings(*curve(lambda at: (300 if at == 590 else 90) * MB, lambda at: 900 if at == 590 else 40))
        == []
    )


def test_memory_that_grows_all_the_time_is_found() -> None:
    (found,) = findings(*curve(lambda at: 90 * MB + at * 25_000))
    assert "memory grew" in found


def test_memory_that_begins_to_grow_late_is_found() -> None:
    assert findings(*curve(lambda at: 90 * MB + max(0, at - 300) * 100_000))


def test_handles_that_leak_one_a_minute_are_found_in_a_longer_run() -> None:
    leaking = curve(lambda _: 90 * MB, lambda at: 40 + at / 60, seconds=1800)
    (found,) = findings(*leaking)
    assert "handles grew" in found


@pytest.mark.parametrize("seconds", [0, 1, int(LEAST_SECONDS) - 1])
def test_a_process_that_did_not_live_long_is_not_judged(seconds: int) -> None:
    assert judge({"short": curve(lambda at: at * MB, seconds=seconds), "none": []}) == {}


def test_a_process_is_judged_by_itself() -> None:
    judged = judge({"a": curve(lambda _: 90 * MB), "b": curve(lambda at: at * MB)})
    assert (judged["a"].findings, len(judged["b"].findings)) == ([], 1)


def growing(mb_a_third: float) -> list[Sample]:
    return curve(lambda at: 80 * MB + at * mb_a_third * MB / 200)


def test_a_small_step_is_flat_in_half_of_them_and_found_in_most() -> None:
    flat, step = curve(lambda _: 80 * MB), growing(2.5)
    assert not_flat(judge({"a": flat, "b": flat, "c": step, "d": step})) == []
    (found,) = not_flat(judge({"a": flat, "b": step, "c": step, "d": step}))
    assert "memory grew in 3 of 4 processes: b, c, d" in found


def test_a_large_step_of_one_process_is_found() -> None:
    flat = curve(lambda _: 80 * MB)
    (found,) = not_flat(judge({"a": flat, "b": flat, "c": flat, "d": growing(4)}))
    assert found.startswith("d: memory grew")


def test_of_few_processes_nothing_is_said_of_most() -> None:
    assert not_flat(judge({"a": growing(2.5), "b": growing(2.5), "c": growing(2.5)})) == []
