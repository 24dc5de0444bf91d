"""People sign in with a real Keycloak, over HTTP, at two replicas that share a Redis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import yaml
from structlog.testing import capture_logs

from runner.cli.wiring.web_sign_in import build_people
from runner.config import load
from runner.embedded.subprocesses import HOST, free_port
from runner.web.app import build_app
from runner.web.server import WebServer
from tests.servers.keycloak.admin import LiveRealm
from tests.servers.keycloak.browser import Browser
from tests.servers.keycloak.realm import AUDIENCE, WEB_CLIENT, WEB_SECRET, password_of
from tests.servers.keycloak_server import KeycloakServer
from tests.servers.redis_server import RedisServer
from tests.unit.web.desk import Inquirer
from tests.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.thorough("Keycloak is got and started for it")

ROLES_EVERY: Final = 5


class Replicas:
    """Two processes' worth of the API behind one public address, that of the first.

    ``changed`` is what their issuer and its client have other than is right.
    """

    def __init__(
        self, folder: Path, redis_url: str, make_realm: Callable[..., LiveRealm], **changed: str
    ) -> None:
        ports = [free_port(), free_port()]
        self.urls = [f"http://{HOST}:{port}" for port in ports]
        self.realm = make_realm(
            redirect_uris=(
                f"{self.urls[0]}{changed.get('callback', '/sign-in/callback')}",
                f"{self.urls[0]}/sign-out",
            ),
            # Told to the other one than people sign in with.
            back_channel_logout=f"{self.urls[1]}/sign-in/back-channel-logout",
        )
        secret = folder / "secret"
        secret.write_text(changed.get("secret", WEB_SECRET))
        staff = {
            "issuer": self.realm.issuer + changed.get("ending", ""),
            "audience": changed.get("audience", AUDIENCE),
            "domains": ["orders"],
            "rolesClaim": changed.get("rolesClaim", "roles"),
        }
        settings = {
            "redis": {"url": redis_url, "prefix": f"sign-in-{uuid.uuid4().hex[:10]}"},
            "domains": {"orders": {"adminRole": "admin"}},
            "web": {
                "publicUrl": self.urls[0],
                "issuers": {"staff": staff | {"userClaim": "preferred_username"}},
                "signIn": {"staff": {"clientId": WEB_CLIENT, "clientSecretFile": str(secret)}},
                "rolesEverySeconds": ROLES_EVERY,
            },
        }
        file = folder / "runner.yaml"
        file.write_text(yaml.safe_dump(settings))
        self._running = ExitStack()
        for port in ports:
            people = build_people(load(file, {}))
            self._running.callback(people.close)
            parts = replace(Inquirer().parts, authenticator=people.authenticator, sign_in=people.sign_in)
            self._running.callback(WebServer(build_app(parts), (HOST, port), 5, lambda: None).stop)

    def close(self) -> None:
        self._running.close()


class Person:
    """Somebody at a browser, who knows one password."""

    def __init__(self, replicas: Replicas, keycloak: KeycloakServer, name: str) -> None:
        self._replicas = replicas
        self.name = name
        self.login = Browser(keycloak.url)
        self.client = httpx.Client(base_url=replicas.urls[0], timeout=WAIT_SECONDS)

    def close(self) -> None:
        self.login.close()
        self.client.close()

    def called_back(self) -> str:
        """Go to Keycloak, say who one is, and return where it leads."""
        sent = self.client.get("/sign-in", params={"next": "/tasks"})
        assert sent.status_code == 303, sent.text
        return self.login.sign_in(sent.headers["location"], self.name, password_of(self.name))

    def sign_in(self) -> None:
        answer = self.client.get(self.called_back())
        assert (answer.status_code, answer.headers.get("location")) == (303, "/tasks"), answer.text

    def roles(self, replica: int = 0) -> list[str] | int:
        answer = self.client.get(f"{self._replicas.urls[replica]}/api/v1/me")
        return answer.json()["roles"] if answer.status_code == 200 else answer.status_code

    def me(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/api/v1/me").raise_for_status().json()
        return found

    def sign_out(self) -> httpx.Response:
        page = self.client.get("/sign-out").text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        return self.client.post("/sign-out", data={"csrf": csrf}, headers={"Origin": self._replicas.urls[0]})

    @property
    def session(self) -> str:
        return next(each.value or "" for each in self.client.cookies.jar if each.name.endswith("-session"))


@pytest.fixture
def replicas(tmp_path: Path, valkey: RedisServer, make_realm: Callable[..., LiveRealm]) -> Iterator[Replicas]:
    found = Replicas(tmp_path, valkey.url, make_realm)
    yield found
    found.close()


@pytest.fixture
def person(replicas: Replicas, keycloak: KeycloakServer) -> Iterator[Callable[[str], Person]]:
    with ExitStack() as stack:

        def make(name: str) -> Person:
            made = Person(replicas, keycloak, name)
            stack.callback(made.close)
            return made

        yield make


def test_somebody_signs_in_with_keycloak(person: Callable[[str], Person]) -> None:
    clara = person("clara")
    assert clara.roles() == 401
    clara.sign_in()
    me = clara.me()
    assert (me["user"], me["name"], me["roles"]) == ("clara", "Clara Example", ["clerk"])
    assert me["issuer"] == "staff"
    assert clara.roles(replica=1) == ["clerk"]


@pytest.mark.parametrize(
    ("changed", "status", "seen", "reason"),
    [
        ({"audience": "other"}, 502, "something that is not accepted here", "it is for another audience"),
        ({"secret": "another"}, 503, "does not answer at the moment", "answers 401"),
        ({"ending": "/"}, 503, "does not answer at the moment", "is about another issuer"),
    ],
    ids=["audience", "secret", "issuer"],
)
def test_what_is_set_up_wrong_is_told_as_the_page_says(
    tmp_path: Path,
    valkey: RedisServer,
    make_realm: Callable[..., LiveRealm],
    keycloak: KeycloakServer,
    changed: dict[str, str],
    status: int,
    seen: str,
    reason: str,
) -> None:
    """docs/web.md, "When something is wrong"."""
    with ExitStack() as stack:
        replicas = Replicas(tmp_path, valkey.url, make_realm, **changed)
        stack.callback(replicas.close)
        clara = Person(replicas, keycloak, "clara")
        stack.callback(clara.close)
        with capture_logs() as logs:
            answer = clara.client.get("/sign-in")
            if answer.status_code == 303:
                answer = clara.client.get(clara.called_back())
        assert (answer.status_code, seen in answer.text) == (status, True), answer.text
        [told] = [each for each in logs if each["event"] == "sign_in_failed"]
        assert reason in told["reason"]


def test_an_address_that_keycloak_does_not_know_is_refused_there(
    tmp_path: Path, valkey: RedisServer, make_realm: Callable[..., LiveRealm]
) -> None:
    replicas = Replicas(tmp_path, valkey.url, make_realm, callback="/sign-in/callback/")
    with httpx.Client(base_url=replicas.urls[0], timeout=WAIT_SECONDS) as clara:
        page = httpx.get(clara.get("/sign-in").headers["location"], timeout=WAIT_SECONDS)
    replicas.close()
    assert "Invalid parameter: redirect_uri" in page.text


def test_roles_that_stand_elsewhere_are_none(
    tmp_path: Path, valkey: RedisServer, make_realm: Callable[..., LiveRealm], keycloak: KeycloakServer
) -> None:
    replicas = Replicas(tmp_path, valkey.url, make_realm, rolesClaim="groups")
    clara = Person(replicas, keycloak, "clara")
    clara.sign_in()
    assert clara.roles() == []
    clara.close()
    replicas.close()


def test_roles_change_while_somebody_is_signed_in(
    replicas: Replicas, person: Callable[[str], Person]
) -> None:
    clara = person("clara")
    clara.sign_in()
    replicas.realm.add_role("clara", "manager")
    until(lambda: clara.roles() == ["clerk", "manager"], "a role that was given")
    replicas.realm.remove_role("clara", "clerk")
    until(lambda: clara.roles(replica=1) == ["manager"], "a role that was taken")


def test_signing_out_ends_the_login_at_keycloak(person: Callable[[str], Person]) -> None:
    clara = person("clara")
    clara.sign_in()
    answer = clara.sign_out()
    assert answer.status_code == 303
    assert clara.login.visit(answer.headers["location"]) == str(clara.client.base_url.join("/sign-out"))
    assert clara.roles() == 401
    # Keycloak asks again who they are.
    sent = clara.client.get("/sign-in").headers["location"]
    assert clara.login.visit(sent) is None


def test_a_login_that_keycloak_ends_ends_every_session_at_once(
    replicas: Replicas, person: Callable[[str], Person]
) -> None:
    clara, other, ada = person("clara"), person("clara"), person("ada")
    for each in (clara, other, ada):
        each.sign_in()
    replicas.realm.log_out("clara")
    for each in (clara, other):
        until(lambda e=each: e.roles() == 401, "the end of a session")  # type: ignore[misc]
    assert ada.roles() == ["admin"]


def test_somebody_without_a_login_any_more_is_not_renewed(
    replicas: Replicas, person: Callable[[str], Person]
) -> None:
    """Where the back channel is not heard, the refresh token tells; here it leads to nobody."""
    clara = person("clara")
    clara.sign_in()
    replicas.realm.stop_telling()
    replicas.realm.log_out("clara")
    until(lambda: clara.roles() == 401, "the end of a session")


def test_a_callback_is_worth_nothing_to_others_nor_twice(person: Callable[[str], Person]) -> None:
    clara, thief = person("clara"), person("max")
    back = clara.called_back()
    assert thief.client.get(back).status_code == 400
    thief.client.get("/sign-in")
    assert thief.client.get(back).status_code == 400
    cookies = httpx.Cookies(clara.client.cookies)
    assert clara.client.get(back).status_code == 303
    assert clara.client.get(back).status_code == 400
    thief.client.cookies = cookies
    assert thief.client.get(back).status_code == 400
    assert (thief.roles(), clara.roles()) == (401, ["clerk"])


def test_a_state_of_somebody_else_signs_nobody_in(person: Callable[[str], Person]) -> None:
    """Who plants their own callback in another browser would have them work as somebody else."""
    max_, clara = person("max"), person("clara")
    stolen = dict(parse_qsl(urlsplit(max_.called_back()).query))
    own = dict(parse_qsl(urlsplit(clara.called_back()).query))
    for mixed in ({**own, "state": stolen["state"]}, {**stolen, "state": own["state"]}):
        answer = clara.client.get("/sign-in/callback", params=mixed)
        assert answer.status_code == 400
    assert clara.roles() == 401


def test_a_session_of_before_is_none_after_sign_in(person: Callable[[str], Person]) -> None:
    clara = person("clara")
    clara.sign_in()
    before = clara.session
    again = clara.client.get("/sign-in").headers["location"]
    back = clara.login.visit(again)
    assert back is not None
    assert clara.client.get(back).status_code == 303
    assert clara.session != before
    thief = person("max")
    thief.client.cookies.set(f"runner-{clara.client.base_url.port}-session", before, domain=HOST)
    assert thief.roles() == 401
