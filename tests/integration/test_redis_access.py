"""Who may: a user allowed what docs/operations.md lists and nothing else; passwords; TLS."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from runner.actions.decision import Done
from runner.errors import StoreRefused, StoreUnavailable
from runner.store.calls import Change, HomeCall, IndexCursor, Verdict
from tests.contract.samples import OWNERSHIP, SHARDS, apply, closed, deadlines, one_call_of_each_kind
from tests.contract.subjects import ListedRedisStore
from tests.integration.conftest import StoreAt
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_rights import (
    PASSWORD,
    USER,
    allow,
    documented_line,
    further_commands,
    line_commands,
    needed_commands,
)
from tests.servers.redis_server import RedisServer, started
from tests.servers.redis_tls import TlsServer, made_certificates

NOBODY_NEEDS: Final = "config|get"
TO_VERIFY: Final = {"info", "script|load"}
SILENCE_SECONDS: Final = 0.5
"""A server without TLS waits for more of what it does not understand."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def start_tls(certificates: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a server with one of the certificates; gives its URL."""
    with ExitStack() as running:

        def start(certificate: str, *, ours_wanted: bool = False) -> str:
            try:
                server = TlsServer(tmp_path, certificates, certificate, ours_wanted=ours_wanted)
            except LaneMissing as missing:
                skip_or_fail(missing, REQUIRE_REDIS)
            running.enter_context(started(server.plain))
            return server.url

        yield start


class TestRights:
    def test_the_line_of_the_page_allows_what_its_table_lists(self) -> None:
        assert line_commands(documented_line("x")) == needed_commands()
        assert not needed_commands() & further_commands()

    @pytest.mark.parametrize("more", [(), (NOBODY_NEEDS,)], ids=["no more", "and CONFIG GET"])
    def test_what_the_page_lists_is_enough(
        self, own_redis: RedisServer, store_at: StoreAt, more: tuple[str, ...]
    ) -> None:
        assert set(more) <= further_commands()
        _ask_everything(self._store(own_redis, store_at, *more))

    @pytest.mark.parametrize("command", sorted(TO_VERIFY))
    def test_a_server_is_verified_only_with_the_rights_for_it(
        self, redis_server: RedisServer, store_at: StoreAt, command: str
    ) -> None:
        assert command in needed_commands()
        store = self._store(redis_server, store_at, without=command)
        store.open(OWNERSHIP)
        word = command.partition("|")[0]
        with pytest.raises(StoreRefused, match=rf"(?i)denies a command.*{word}.*operations\.md"):
            store.bind_server()

    @pytest.mark.parametrize("command", sorted(needed_commands() - TO_VERIFY))
    def test_less_is_not_enough_and_says_what_is_missing_before_work_begins(
        self, redis_server: RedisServer, store_at: StoreAt, command: str
    ) -> None:
        store = self._store(redis_server, store_at, without=command)
        with redis_server.client() as client:
            client.script_flush()
        with pytest.raises(StoreRefused, match=rf"(?i)denies a command.*{command}.*operations\.md"):
            store.open(OWNERSHIP)
        assert not store.keys()

    def test_keys_beyond_the_prefix_are_denied(self, redis_server: RedisServer, store_at: StoreAt) -> None:
        store = self._store(redis_server, store_at)
        other = ListedRedisStore(store._connection, [], "another", SHARDS)
        with pytest.raises(StoreRefused, match=r"denies a command.*key"):
            other.open(OWNERSHIP)

    def test_a_right_that_is_taken_away_is_missed_and_found_again(
        self, redis_server: RedisServer, store_at: StoreAt
    ) -> None:
        store = self._store(redis_server, store_at)
        _ask_everything(store)
        with redis_server.client() as client:
            client.execute_command("ACL", "SETUSER", USER, "-zrem")
            with pytest.raises(StoreRefused, match=r"(?i)denies a command.*zrem"):
                _ask_everything(store, 1)
            client.execute_command("ACL", "SETUSER", USER, "+zrem")
        _ask_everything(store, 2)

    def _store(
        self, server: RedisServer, store_at: StoreAt, *more: str, without: str = ""
    ) -> ListedRedisStore:
        store = store_at(server.url, username=USER, password=PASSWORD)
        allow(server, store._keys._prefix, *more, without=without)
        return store


class TestPasswords:
    @pytest.mark.parametrize("user", [USER, "nobody"])
    def test_a_wrong_user_or_password_is_refused_in_words(
        self, redis_server: RedisServer, store_at: StoreAt, user: str
    ) -> None:
        allow(redis_server, "x")
        store = store_at(redis_server.url, username=user, password="a guess")
        with pytest.raises(StoreRefused, match=r"refuses the user or the password.*redis\.password"):
            store.open(OWNERSHIP)

    def test_no_password_where_one_is_wanted_is_refused_in_words(
        self, own_redis: RedisServer, store_at: StoreAt
    ) -> None:
        store = store_at(own_redis.url)
        with own_redis.client() as client:
            client.config_set("requirepass", "one")
            with pytest.raises(StoreRefused, match=r"refuses the user or the password.*redis\.password"):
                store.open(OWNERSHIP)
            client.config_set("requirepass", "")


class TestTls:
    def test_a_trusted_certificate_is_taken(
        self, start_tls: Callable[..., str], store_at: StoreAt, certificates: Path
    ) -> None:
        store = store_at(start_tls("good"), ssl_ca_certs=str(certificates / "ca.pem"))
        one_call_of_each_kind(store)

    def test_a_certificate_of_our_own_is_shown_where_it_is_wanted(
        self, start_tls: Callable[..., str], store_at: StoreAt, certificates: Path
    ) -> None:
        url = start_tls("good", ours_wanted=True)
        ca, own, key = (str(certificates / name) for name in ("ca.pem", "good.pem", "good.key"))
        one_call_of_each_kind(store_at(url, ssl_ca_certs=ca, ssl_certfile=own, ssl_keyfile=key))
        with pytest.raises(StoreUnavailable):
            store_at(url, ssl_ca_certs=ca).open(OWNERSHIP)

    @pytest.mark.parametrize(
        ("certificate", "ca", "said"),
        [
            ("good", "other-ca.pem", "certificate"),
            ("expired", "ca.pem", "expired"),
            ("elsewhere", "ca.pem", "match"),
        ],
    )
    def test_a_certificate_that_is_no_good_is_refused_in_words(
        self,
        start_tls: Callable[..., str],
        store_at: StoreAt,
        certificates: Path,
        certificate: str,
        ca: str,
        said: str,
    ) -> None:
        store = store_at(start_tls(certificate), ssl_ca_certs=str(certificates / ca))
        with pytest.raises(StoreRefused, match=rf"TLS with Redis fails.*{said}.*redis\.tls") as refused:
            store.open(OWNERSHIP)
        assert isinstance(refused.value.__cause__, Exception)

    def test_a_server_without_tls_is_an_outage_and_no_hang(
        self, redis_server: RedisServer, store_at: StoreAt
    ) -> None:
        url = redis_server.url.replace("redis:", "rediss:")
        store = store_at(url, SILENCE_SECONDS, ssl_cert_reqs=ssl.CERT_NONE)
        with pytest.raises(StoreUnavailable):
            store.open(OWNERSHIP)


def _ask_everything(store: ListedRedisStore, number: int = 0) -> None:
    """Do what workers and the command line do, with one task from its start to its removal."""
    record = one_call_of_each_kind(store, number)
    assert store.load(1, []).now_ms
    assert store.fences(1, [0])
    assert store.record(record.key) == record
    store.entries({deadlines(store, record.key, 0): IndexCursor()}, None, 1)
    assert store.key_space() is not None
    store.ping()
    ended = closed(record, record.started_by)
    homes = [HomeCall(0, 0), HomeCall(1, number + 1, ((number + 1, Done(1)),))]
    assert apply(store, homes, Change(record.key, record, ended)) is Verdict.APPLIED
    gone = Change(ended.key, ended, None, remove=True)
    assert apply(store, HomeCall(0, 0), gone) is Verdict.APPLIED
