"""A Redis that speaks TLS, and certificates for it. Only Debian's server can; the wheel's has no TLS."""

import datetime as dt
from pathlib import Path
from typing import Final

import trustme

from runner.embedded.subprocesses import HOST, free_port
from tests.servers.redis_server import REDIS, RedisServer

ELSEWHERE: Final = "redis.example"


def made_certificates(folder: Path) -> Path:
    """Make two authorities, and certificates of the first: ``good``, ``expired`` and for ``elsewhere``."""
    ca, other = trustme.CA(), trustme.CA()
    over = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "other-ca.pem")
    for name, made in (
        ("good", ca.issue_cert(HOST)),
        ("expired", ca.issue_cert(HOST, not_after=over)),
        ("elsewhere", ca.issue_cert(ELSEWHERE)),
    ):
        made.private_key_pem.write_to_path(folder / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return folder


class TlsServer:
    """A server at ``url`` with one of the certificates; ``plain`` is the same one without TLS, to run it."""

    def __init__(
        self, folder: Path, certificates: Path, certificate: str = "good", *, ours_wanted: bool = False
    ) -> None:
        port = free_port()
        options = {
            "tls-port": str(port),
            "tls-ca-cert-file": str(certificates / "ca.pem"),
            "tls-cert-file": str(certificates / f"{certificate}.pem"),
            "tls-key-file": str(certificates / f"{certificate}.key"),
            "tls-auth-clients": "yes" if ours_wanted else "no",
        }
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.plain = RedisServer(REDIS, folder, appendonly=False, options=given)
        self.url = f"rediss://{HOST}:{port}/0"
