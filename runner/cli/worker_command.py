"""``runner worker``: one worker process, until it is told to stop."""

from __future__ import annotations

from runner.cli.options import ConfigFile, read_config
from runner.cli.service import run_service
from runner.cli.wiring.worker import run_worker


def worker(config: ConfigFile = None) -> None:
    """Run one worker until SIGTERM or Ctrl-C.

    It joins the consumer group; start several, here or elsewhere, and they
    share the partitions. The first signal finishes the batch in hand, within
    worker.shutdownSeconds; a second one ends it at once. Nothing is lost.
    Logs go to standard error, /metrics and /health to http.port.

    [bold]Example[/bold]

      RUNNER_KAFKA__BROKERS=kafka-1:9092 runner worker --config config/runner.yaml
    """
    settings = read_config(config)
    run_service(settings, lambda: run_worker(settings))
