"""Looks at the running workers once a second: resident memory and open file handles, from /proc."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.e2e.workers import Fleet, Worker
from tests.soak.flatness import Sample

EVERY_SECONDS: Final = 1.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Keeps a curve for every worker process."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._began = time.monotonic()
        self._next = self._began
        self.curves: dict[str, list[Sample]] = defaultdict(list)

    def look(self) -> None:
        """Take a sample of every worker, if it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        for worker in self._fleet.slots:
            sample = _sample(worker, now - self._began)
            if sample is not None:
                self.curves[worker.name].append(sample)


def _sample(worker: Worker, at_seconds: float) -> Sample | None:
    place = Path(f"/proc/{worker.pid}")
    try:
        resident = int((place / "statm").read_text().split()[1]) * PAGE_BYTES
        return Sample(at_seconds, resident, len(list((place / "fd").iterdir())))
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None  # it has just ended
