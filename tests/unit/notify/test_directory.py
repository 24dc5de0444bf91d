"""Who is where: a file that may change, and a service that may be away."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from runner.clock import ManualTicker
from runner.errors import DirectoryUnavailable
from runner.notify.directory import Contact, FileDirectory, HttpDirectory, LookupMemory, NoDirectory
from runner.notify.unusable import Unusable

YAML = """
users:
  ann: {mail: ann@example.org, language: de, urls: ["slack://a/b/c"]}
  bob: {}
roles:
  manager: [ann, bob, ann]
"""


def test_a_file_knows_people_and_roles(tmp_path: Path) -> None:
    for name, text in (
        ("people.yaml", YAML),
        (
            "people.json",
            json.dumps(
                {
                    "users": {"bob": {}, "ann": {"mail": "ann@example.org"}},
                    "roles": {"manager": ["ann", "bob"]},
                }
            ),
        ),
    ):
        (tmp_path / name).write_text(text)
        found = FileDirectory(tmp_path / name, ManualTicker())
        ann = found.person("ann")
        assert ann is not None
        assert ann.mail == "ann@example.org"
        assert found.person("bob") == Contact()
        assert found.person("zoe") is None
        assert found.holders("manager") == ("ann", "bob")
        assert found.holders("pilot") is None


def test_an_empty_file_knows_nobody(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("")
    assert FileDirectory(tmp_path / "people.yaml", ManualTicker()).person("ann") is None
    assert NoDirectory().person("ann") is None
    assert NoDirectory().holders("manager") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users: [ann]", "Expected `object`, got `array`"),
        ("users: {ann: {mial: x}}", "mial"),
        ("users: {ann: {language: no}}", "Expected `str | null`, got `bool`"),
        ("users: {7: {}}", "Expected `str`"),
        ("a: [", "is no YAML (line"),
        ("users: {ann: {mail: 'a@b.org, c@d.org'}}", "users.ann: mail is no address of one mailbox"),
        ('users: {ann: {mail: "a@b.org\\r\\nBcc: c@d.org"}}', "users.ann: mail is no address of one mailbox"),
        ("!!python/object/apply:os.system [x]", "is no YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(text)
    with pytest.raises(Unusable, match=r"^notify\.directory\.file names") as refused:
        FileDirectory(file, ManualTicker())
    assert said in str(refused.value)


def test_a_file_is_read_again_when_it_has_changed_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file, now = tmp_path / "people.yaml", ManualTicker()
    file.write_text(YAML)
    found = FileDirectory(file, now)

    def replace(text: str) -> None:
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", file)  # noqa: PTH105 - as deployments do it
        now.advance(2)

    replace("users: {zoe: {mail: zoe@example.org}}")
    assert found.person("zoe") == Contact("zoe@example.org")
    assert found.person("ann") is None
    replace("users: [")
    assert found.person("zoe") is not None
    assert found.trouble is not None
    file.unlink()
    now.advance(2)
    assert found.person("zoe") is not None
    replace(YAML)
    assert found.person("ann") is not None
    assert found.trouble is None


class Service:
    """A directory service."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((unquote(self.path), self.headers["Authorization"]))
                status, body = service.answers.get(unquote(self.path), (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/users/other")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def directory(self, now: ManualTicker, most: int = 10) -> HttpDirectory:
        base = f"http://127.0.0.1:{self.server.server_port}"
        urls = {"user": f"{base}/users/{{user}}", "role": f"{base}/roles/{{role}}"}
        return HttpDirectory(urls, {"Authorization": "Bearer t"}, 5, LookupMemory(60, most, now))


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_service_is_asked_once_and_again_when_its_answer_is_old(service: Service) -> None:
    now = ManualTicker()
    service.answers["/users/a/../b c"] = (200, b'{"mail": "a@example.org", "language": "de", "other": 1}')
    service.answers["/roles/manager"] = (200, b'{"users": ["ann", "bob", "ann"]}')
    found = service.directory(now)
    for _ in range(3):
        assert found.person("a/../b c") == Contact("a@example.org", "de")
        assert found.holders("manager") == ("ann", "bob")
        assert found.person("nobody") is None
    assert service.asked == [
        ("/users/a/../b c", "Bearer t"),
        ("/roles/manager", "Bearer t"),
        ("/users/nobody", "Bearer t"),
    ]
    now.advance(61)
    found.person("nobody")
    assert len(service.asked) == 4


def test_the_memory_of_a_service_is_bounded(service: Service) -> None:
    found = service.directory(ManualTicker(), most=2)
    for user in ("a", "b", "c", "c", "b", "a"):
        found.person(user)
    assert [path for path, _ in service.asked] == ["/users/a", "/users/b", "/users/c", "/users/a"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"", "answers HTTP 500"),
        (401, b"", "answers HTTP 401"),
        (302, b"", "answers HTTP 302"),
        (200, b"<html>", "cannot be read"),
        (200, b'{"mail": 7}', "cannot be read"),
        (200, b'{"mail": "x@y z"}', "no address of one mailbox"),
        (200, b'"' + b"x" * 2_000_000 + b'"', "more than"),
    ],
)
def test_what_a_service_answers_otherwise_is_asked_again(
    service: Service, status: int, body: bytes, said: str
) -> None:
    service.answers["/users/ann"] = (status, body)
    found = service.directory(ManualTicker())
    with pytest.raises(DirectoryUnavailable, match=said):
        found.person("ann")
    service.answers["/users/ann"] = (200, b"{}")
    assert found.person("ann") == Contact()


def test_a_service_that_is_away_is_asked_again(service: Service) -> None:
    found = service.directory(ManualTicker())
    service.server.shutdown()
    service.server.server_close()
    with pytest.raises(DirectoryUnavailable, match="does not answer"):
        found.person("ann")


def test_names_without_end_are_asked_of_nobody(service: Service) -> None:
    assert service.directory(ManualTicker()).person("x" * 1_000_000) is None
    assert service.asked == []
