"""``runner restore --fill-changelog`` that ends as by ``kill -9`` before its n-th commit: the argument."""

import os
import signal
import sys
from typing import Any, cast

from confluent_kafka import Producer

from runner.cli.restore.fill import fill_changelog, open_writer
from runner.cli.restore.site import open_site
from runner.config import load
from runner.config.model import Config
from runner.kafka.sending import Transactions


class DyingProducer:
    """A producer whose n-th transaction stays open, with all its messages in the log."""

    def __init__(self, producer: Producer, commits: int) -> None:
        self._producer = producer
        self._left = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, seconds: float) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._producer.commit_transaction(seconds)


def main() -> None:
    def dying_writer(config: Config) -> Transactions:
        writer = open_writer(config)
        connection = writer.connection
        connection.client = cast(Producer, DyingProducer(connection.client, int(sys.argv[1])))
        return writer

    with open_site(load(None, os.environ)) as site:
        fill_changelog(site, as_json=True, open_writer=dying_writer)


if __name__ == "__main__":
    main()
