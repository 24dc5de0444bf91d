"""Asks a worker how it is, as a probe does."""

import http.client
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from runner.embedded.subprocesses import HOST, free_port
from tests.waiting import WAIT_SECONDS, until


@dataclass(frozen=True, slots=True)
class Health:
    """The health pages of one worker."""

    port: int

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Return status and page of /health/ready; (0, {}) where nobody listens."""
        return self._page("/health/ready")

    def is_live(self) -> bool:
        """Whether a probe would leave the worker alone."""
        return self._page("/health/live")[0] == HTTPStatus.OK

    def _page(self, path: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=WAIT_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, {}
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Return once the worker says that it may be counted on."""
        until(lambda: self.ready()[0] == HTTPStatus.OK, lambda: f"ready: {self.ready()}")

    def wait_until_stuck(self, seconds: float = 1.0) -> None:
        """Return once its loop has not come round for so long, which must be longer than it ever waits."""
        until(
            lambda: self.ready()[1].get("secondsSinceTick", 0.0) > seconds,
            lambda: f"ready: {self.ready()}",
        )

    def wait_until_not_ready(self, **fields: Any) -> dict[str, Any]:
        """Return the page once the worker says that it may not, with these fields."""

        def page() -> dict[str, Any] | None:
            status, found = self.ready()
            said_so = status == HTTPStatus.SERVICE_UNAVAILABLE and fields.items() <= found.items()
            return found if said_so else None

        return until(page, lambda: f"not ready {fields}: {self.ready()}")


def health_settings() -> tuple[Health, dict[str, str]]:
    """Return a port for one worker, as a probe and as its settings."""
    port = free_port()
    return Health(port), {"RUNNER_HTTP__PORT": str(port)}
