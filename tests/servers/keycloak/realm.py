"""A realm for tests: its two clients, its roles, and three people, as Keycloak imports them.

``runner`` is what `runner web` signs people in with: confidential, authorization code with PKCE, back-channel
logout. ``programs`` gets tokens for a name and a password. Access tokens of both have the audience ``runner``
and the claim ``roles``, which holds the roles of this realm and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

WEB_CLIENT: Final = "runner"
WEB_SECRET: Final = "secret-of-runner"
PROGRAM_CLIENT: Final = "programs"
PROGRAM_SECRET: Final = "secret-of-programs"
AUDIENCE: Final = WEB_CLIENT
KEY_PROVIDER: Final = "org.keycloak.keys.KeyProvider"
ROLES: Final = ("clerk", "manager", "admin")
PEOPLE: Final[Mapping[str, str]] = {"clara": "clerk", "max": "manager", "ada": "admin"}
"""Who there is, and the role that each has."""


def password_of(person: str) -> str:
    """Return the password of one of PEOPLE."""
    return f"password-of-{person}"


@dataclass(frozen=True, slots=True)
class Realm:
    """What differs from realm to realm.

    ``redirect_uris`` end with ``*`` where any ending will do. ``back_channel_logout`` is where logout tokens
    are sent, ``token_seconds`` how long an access token is good for.
    """

    name: str = "saga"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/*",)
    back_channel_logout: str | None = None
    token_seconds: int = 300

    def representation(self) -> dict[str, Any]:
        """Return the realm as JSON that Keycloak imports."""
        return {
            "realm": self.name,
            "enabled": True,
            "sslRequired": "none",
            "accessTokenLifespan": self.token_seconds,
            # Of all that it knows the quickest: these passwords protect nothing.
            "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
            "roles": {"realm": [{"name": role} for role in ROLES]},
            "clients": [self._web_client(), _program_client()],
            "components": {KEY_PROVIDER: _key_providers()},
            "users": [_user(person, role) for person, role in PEOPLE.items()],
        }

    def _web_client(self) -> dict[str, Any]:
        attributes = {
            "pkce.code.challenge.method": "S256",
            "backchannel.logout.session.required": "true",
            # "+": wherever the redirect URIs lead.
            "post.logout.redirect.uris": "+",
        }
        if self.back_channel_logout:
            attributes["backchannel.logout.url"] = self.back_channel_logout
        return {
            "clientId": WEB_CLIENT,
            "secret": WEB_SECRET,
            "standardFlowEnabled": True,
            "directAccessGrantsEnabled": False,
            "frontchannelLogout": False,
            "redirectUris": list(self.redirect_uris),
            "attributes": attributes,
            "protocolMappers": _mappers(),
        }


def _key_providers() -> list[dict[str, Any]]:
    """Return a new RSA key for signatures, and what Keycloak's own tokens and cookies need.

    Keycloak would make two such keys itself, and take seconds for that.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return [
        {"name": "rsa", "providerId": "rsa", "config": {"privateKey": [pem], "algorithm": ["RS256"]}},
        {"name": "hmac", "providerId": "hmac-generated", "config": {"algorithm": ["HS512"]}},
        {"name": "aes", "providerId": "aes-generated", "config": {}},
    ]


def _program_client() -> dict[str, Any]:
    return {
        "clientId": PROGRAM_CLIENT,
        "secret": PROGRAM_SECRET,
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": True,
        "protocolMappers": _mappers(),
    }


def _mappers() -> list[dict[str, Any]]:
    roles = {
        "claim.name": "roles",
        "jsonType.label": "String",
        "multivalued": "true",
        "access.token.claim": "true",
        "id.token.claim": "true",
        "userinfo.token.claim": "true",
    }
    audience = {"included.client.audience": AUDIENCE, "access.token.claim": "true"}
    return [
        _mapper("roles", "oidc-usermodel-realm-role-mapper", roles),
        _mapper("audience", "oidc-audience-mapper", audience),
    ]


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": dict(config)}


def _user(person: str, role: str) -> dict[str, Any]:
    """Return somebody whom no page asks for anything more at the first login."""
    return {
        "username": person,
        "enabled": True,
        "firstName": person.capitalize(),
        "lastName": "Example",
        "email": f"{person}@example.com",
        "emailVerified": True,
        "credentials": [{"type": "password", "value": password_of(person), "temporary": False}],
        "realmRoles": [role],
    }
