"""librdkafka's mock broker as a program: ``python -m runner.embedded.mock_cluster TOPIC=PARTITIONS...``.

The child of broker.py. It makes the topics, prints ``host:port`` on one line and then waits for its end.
The mock answers no CreateTopics request, so its own C interface is used, in the very library that
confluent-kafka brings along (declared experimental there: rdkafka_mock.h).
"""

import ctypes
import signal
import sys
from collections.abc import Sequence

from confluent_kafka import cimpl

PRODUCER = 0
BROKERS = 1
REPLICAS = 1
ERROR_BYTES = 512


def main(arguments: Sequence[str]) -> int:
    """Serve the topics until a signal ends the process; non-zero with a line on standard error otherwise."""
    topics = [argument.rpartition("=") for argument in arguments]
    try:
        bootstrap = serve({name: int(partitions) for name, _, partitions in topics})
    except (AttributeError, OSError, RuntimeError) as failure:
        print(failure, file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    print(bootstrap, flush=True)  # noqa: T201 - the parent reads it
    signal.pause()
    return 0


def serve(topics: dict[str, int]) -> str:
    """Start the mock broker with these topics and return its address; it runs in threads of its own."""
    library = _library()
    cluster = library.rd_kafka_mock_cluster_new(_client(library), BROKERS)
    if not cluster:
        raise RuntimeError("the mock cluster did not start")
    # Real brokers wait three seconds for more members; nobody who tries something out wants to.
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    for name, partitions in topics.items():
        # The mock takes any number, and then misbehaves.
        refused = partitions < 1
        if refused or library.rd_kafka_mock_topic_create(cluster, name.encode(), partitions, REPLICAS) != 0:
            raise RuntimeError(f"the topic {name} with {partitions} partitions cannot be made")
    bootstrap: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
    return bootstrap.decode()


def _library() -> ctypes.CDLL:
    """Load librdkafka through the extension module that is linked with it, and declare what is used."""
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_new.argtypes = [number, pointer, text, ctypes.c_size_t]
    library.rd_kafka_mock_cluster_new.restype = pointer
    library.rd_kafka_mock_cluster_new.argtypes = [pointer, number]
    library.rd_kafka_mock_topic_create.argtypes = [pointer, text, number, number]
    library.rd_kafka_mock_cluster_bootstraps.restype = text
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.restype = None
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    return library


def _client(library: ctypes.CDLL) -> int:
    """Return a producer handle: the mock cluster needs one to live in."""
    error = ctypes.create_string_buffer(ERROR_BYTES)
    client: int | None = library.rd_kafka_new(PRODUCER, None, error, ERROR_BYTES)
    if not client:
        raise RuntimeError(error.value.decode(errors="replace"))
    return client


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
