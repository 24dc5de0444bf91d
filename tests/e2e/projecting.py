"""A process that keeps lists up to date and does nothing else, configured as the program is."""

import signal
import threading
from contextlib import closing

from runner import log
from runner.cli.options import read_config
from runner.cli.wiring.projection import ProjectorThread, connect_projection


def main() -> None:
    """Run until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    config = read_config(None)
    log.configure("json", "info")
    engine = connect_projection(config)
    with closing(ProjectorThread(config, engine)) as projecting:
        projecting.start()
        while not stopping.is_set():
            projecting.wait(0.1)
    engine.dispose()


if __name__ == "__main__":
    main()
