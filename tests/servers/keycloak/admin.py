"""What an administrator of Keycloak does while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.servers.keycloak.realm import WEB_CLIENT, Realm
from tests.waiting import WAIT_SECONDS

USER: Final = "admin"
PASSWORD: Final = "password-of-admin"


@dataclass(frozen=True, slots=True)
class Admin:
    """Makes realms in the Keycloak at ``url``, by its admin API.

    It signs in anew for every call: its tokens are good for a minute, a test may take longer.
    """

    url: str

    def add_realm(self, realm: Realm) -> LiveRealm:
        """Import a realm; there must be none of its name."""
        self.ask("POST", "", json=realm.representation())
        return self.realm(realm.name)

    def realm(self, name: str) -> LiveRealm:
        """Return the realm of that name."""
        return LiveRealm(name, f"{self.url}/realms/{name}", self)

    def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Send a request below ``/admin/realms``; an error for any answer but a good one."""
        with self._signed_in() as client:
            answer = client.request(method, f"{self.url}/admin/realms{path}", **sent)
        return answer.raise_for_status()

    @contextlib.contextmanager
    def _signed_in(self) -> Iterator[httpx.Client]:
        given = {"grant_type": "password", "client_id": "admin-cli", "username": USER, "password": PASSWORD}
        with httpx.Client(timeout=WAIT_SECONDS) as client:
            answer = client.post(f"{self.url}/realms/master/protocol/openid-connect/token", data=given)
            token = answer.raise_for_status().json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client


@dataclass(frozen=True, slots=True)
class LiveRealm:
    """A realm that is there, and what may be changed in it. ``issuer`` is what its tokens have as ``iss``."""

    name: str
    issuer: str
    admin: Admin

    def user_id(self, person: str) -> str:
        """Return the id of somebody: the claim ``sub``."""
        [user] = self._ask("GET", "/users", params={"username": person, "exact": "true"}).json()
        return str(user["id"])

    def add_role(self, person: str, role: str) -> None:
        """Give somebody a role. Tokens show it from the next refresh on."""
        self._change_role("POST", person, role)

    def remove_role(self, person: str, role: str) -> None:
        """Take a role from somebody. Tokens show it from the next refresh on."""
        self._change_role("DELETE", person, role)

    def log_out(self, person: str) -> None:
        """End all sessions of somebody. Keycloak tells the clients that have a URL for it."""
        self._ask("POST", f"/users/{self.user_id(person)}/logout")

    def stop_telling(self) -> None:
        """Have no client told any more of logouts."""
        for client in self._ask("GET", "/clients").json():
            client.setdefault("attributes", {})["backchannel.logout.url"] = ""
            if client["clientId"] == WEB_CLIENT:
                self._ask("PUT", f"/clients/{client['id']}", json=client)

    def _change_role(self, method: str, person: str, role: str) -> None:
        found = self._ask("GET", f"/roles/{role}").json()
        self._ask(method, f"/users/{self.user_id(person)}/role-mappings/realm", json=[found])

    def _ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        return self.admin.ask(method, f"/{self.name}{path}", **sent)
