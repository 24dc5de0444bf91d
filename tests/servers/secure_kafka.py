"""A Kafka with TLS, SCRAM and permissions: what a worker meets where it is not trusted.

It listens three times: PLAINTEXT, where the tests rule, SECURE, and EXPIRED, which is as SECURE but for
a certificate that nobody should take any more. Who is not named in a permission may do nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runner.embedded.subprocesses import HOST, free_port
from tests.servers.kafka_server import KafkaServer
from tests.servers.own_kafka import OwnBroker
from tests.waiting import WAIT_SECONDS

ITERATIONS: Final = 4096
DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: an operation (``READ``) on a resource (``TOPIC``) of that name, or prefix of one."""

    operation: str
    resource: str
    name: str
    pattern: str = "LITERAL"

    def binding(self, user: str) -> AclBinding:
        """Return it for a user, from anywhere."""
        return AclBinding(
            ResourceType[self.resource],
            self.name,
            ResourcePatternType[self.pattern],
            f"User:{user}",
            "*",
            AclOperation[self.operation],
            AclPermissionType.ALLOW,
        )


class SecureKafka:
    """One broker; ``server`` is its back door, ``bootstrap`` where a worker comes in."""

    def __init__(self, folder: Path, version: str | None = None) -> None:
        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.stranger_file = folder / "another-ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)
        trustme.CA().cert_pem.write_to_path(self.stranger_file)
        secure, expired, back, controller = (free_port() for _ in range(4))
        self.bootstrap = f"{HOST}:{secure}"
        self.expired = f"{HOST}:{expired}"
        valid = {"not_after": _now() + DAY}
        over = {"not_before": _now() - 2 * DAY, "not_after": _now() - DAY}
        settings = {
            "listeners": (
                f"PLAINTEXT://{HOST}:{back},CONTROLLER://{HOST}:{controller},"
                f"SECURE://{self.bootstrap},EXPIRED://{self.expired}"
            ),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,EXPIRED:SASL_SSL"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            **self._listener("secure", folder, valid),
            **self._listener("expired", folder, over),
        }
        self._broker = OwnBroker(folder, version, settings, port=back)
        self.server: KafkaServer = self._broker.server

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._broker.start()

    def stop(self) -> None:
        """End it."""
        self._broker.stop()

    def set_password(self, user: str, password: str) -> None:
        """Make a user, or give one another password."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        upsertion = UserScramCredentialUpsertion(user, credential, password.encode())
        admin = self.server.admin()
        altered = admin.alter_user_scram_credentials([upsertion], request_timeout=WAIT_SECONDS)
        altered[user].result(WAIT_SECONDS)

    def grant(self, user: str, grants: Iterable[Grant]) -> None:
        """Allow a user all of these."""
        bindings = [grant.binding(user) for grant in grants]
        admin = self.server.admin()
        for made in admin.create_acls(bindings, request_timeout=WAIT_SECONDS).values():
            made.result(WAIT_SECONDS)

    def take_away(self, user: str, grant: Grant) -> None:
        """Take one permission away from a user; there must be one."""
        taken = AclBindingFilter(
            ResourceType[grant.resource],
            grant.name,
            ResourcePatternType[grant.pattern],
            f"User:{user}",
            "*",
            AclOperation[grant.operation],
            AclPermissionType.ALLOW,
        )
        admin = self.server.admin()
        gone = admin.delete_acls([taken], request_timeout=WAIT_SECONDS)[taken].result(WAIT_SECONDS)
        assert gone, f"{user} was not allowed {grant}"

    def _listener(self, name: str, folder: Path, validity: Mapping[str, Any]) -> dict[str, str]:
        issued = self._ca.issue_cert(HOST, **validity)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        store = folder / f"{name}.pem"
        # Kafka reads keys in this format only.
        store.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        )
        prefix = f"listener.name.{name}"
        return {
            f"{prefix}.ssl.keystore.type": "PEM",
            f"{prefix}.ssl.keystore.location": str(store),
            f"{prefix}.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        }


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
