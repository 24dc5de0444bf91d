"""Secrets: which names have one as their value, and how it is masked in output and logs."""

from __future__ import annotations

import re
from typing import Final

from pydantic import SecretStr

MASK: Final = "******"

# librdkafka: sasl.password, ssl.key.pem, ssl.keystore.password, sasl.oauthbearer.client.secret,
# sasl.oauthbearer.config, sasl.oauthbearer.assertion.private.key.passphrase; here: redis.password. The
# registry's client: basic.auth.user.info, bearer.auth.token, proxy (which may have a password).
_SECRET_NAME: Final = re.compile(
    r"passw(or)?d|passphrase|secret|credential|key[._]?pem|ssl_key|oauthbearer\.config|token$|authorization|user\.info",
    re.IGNORECASE,
)
_USERINFO: Final = re.compile(r"(?<=://)([^:/@?#\s]*):([^/?#\s]*)@")
_QUERY_PASSWORD: Final = re.compile(r"([?&](?:ssl)?password=)[^&#\s]*", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a value under this name must never be shown. Files that hold secrets are no secrets."""
    return _SECRET_NAME.search(name) is not None and not name.lower().endswith(("file", "files"))


def mask_url(text: str) -> str:
    """Return a text with the password of every URL in it masked; user, host and path stay readable."""
    if "://" not in text:
        return text
    masked = _USERINFO.sub(lambda match: f"{match[1]}:{MASK}@", text)
    return _QUERY_PASSWORD.sub(lambda match: f"{match[1]}{MASK}", masked)


class SecretAddress(SecretStr):
    """A URL of which every part but its scheme may be a secret: tokens of chats stand in host and path."""

    def masked(self) -> str:
        """Return the scheme alone."""
        return f"{self.get_secret_value().partition('://')[0]}://{MASK}"
