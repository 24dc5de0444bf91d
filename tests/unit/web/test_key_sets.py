"""Keys are asked for when they are needed, once for everybody, and kept while their issuer is away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import Key, OctKey, RSAKey
from structlog.testing import capture_logs

from runner.clock import ManualTicker
from runner.web.key_sets import AGAIN_SECONDS, FRESH_SECONDS, KEPT_SECONDS, KeySet, KeysUnavailable, read_keys
from tests.unit.web.tokens import EC, RSA, Source

BOTH: Final = 2


class Held(Source):
    """A source that answers when the test says."""

    def __init__(self, *keys: Key) -> None:
        super().__init__(*keys)
        self.may_answer = asyncio.Event()

    async def fetch(self) -> tuple[Key, ...]:
        self.times += 1
        await self.may_answer.wait()
        self.times -= 1
        return await super().fetch()


def key_set(source: Source) -> tuple[KeySet, ManualTicker]:
    ticker = ManualTicker(50.0)
    return KeySet("staff", source, ticker), ticker


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def settled() -> None:
    """Let everything that was begun come to its end."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


def test_keys_are_asked_for_once_and_then_kept() -> None:
    async def story() -> None:
        source = Source(RSA, EC)
        keys, ticker = key_set(source)
        assert keys.known() is None
        first = await keys.having("rsa")
        ticker.advance(FRESH_SECONDS)
        assert await keys.having("ec") is first
        assert await keys.having(None) is first
        assert source.times == 1

    run(story())


def test_however_many_wait_one_question_is_under_way() -> None:
    async def story() -> None:
        source = Held(RSA)
        keys, _ = key_set(source)
        waiting = [asyncio.create_task(keys.having("rsa")) for _ in range(50)]
        impatient = asyncio.create_task(keys.having("rsa"))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        assert source.times == 1
        source.may_answer.set()
        assert await asyncio.gather(*waiting) == [(RSA,)] * 50
        assert source.times == 1
        with pytest.raises(asyncio.CancelledError):
            await impatient

    run(story())


def test_keys_that_are_a_while_old_are_asked_for_anew_while_they_still_serve() -> None:
    async def story() -> None:
        source = Source(RSA)
        keys, ticker = key_set(source)
        first = await keys.having("rsa")
        source.keys = (EC,)
        ticker.advance(FRESH_SECONDS + 1)
        assert await keys.having("rsa") is first, "nobody waits"
        await settled()
        assert keys.known() == (EC,)
        assert source.times == BOTH

    run(story())


def test_an_unknown_key_is_asked_for_at_once_but_not_again_and_again() -> None:
    async def story() -> None:
        source = Source(RSA)
        keys, ticker = key_set(source)
        await keys.having("rsa")
        for _ in range(20):
            assert await keys.having("ec") == (RSA,)
        assert source.times == 1, "the first answer is new"
        source.keys = (RSA, EC)
        ticker.advance(AGAIN_SECONDS)
        assert await keys.having("ec") == (RSA, EC)
        for name in range(20):
            await keys.having(f"unknown-{name}")
        assert source.times == BOTH

    run(story())


def test_keys_serve_for_hours_while_their_issuer_is_away_and_then_no_more() -> None:
    async def story() -> None:
        source = Source(RSA)
        keys, ticker = key_set(source)
        first = await keys.having("rsa")
        source.trouble = "refused"
        with capture_logs() as logs:
            while ticker() + 1000 < 50.0 + KEPT_SECONDS:
                ticker.advance(1000)
                assert await keys.having("rsa") is first
                await settled()
        assert [each["event"] for each in logs] == ["issuer_away"], "said once"
        with pytest.raises(KeysUnavailable):
            await keys.having("ec")
        ticker.advance(1000)
        with pytest.raises(KeysUnavailable):
            await keys.having("rsa")
        assert keys.known() is None
        source.trouble = None
        ticker.advance(AGAIN_SECONDS)
        assert await keys.having("rsa") == (RSA,)

    run(story())


def test_an_issuer_that_was_never_there_is_asked_every_few_seconds() -> None:
    async def story() -> None:
        source = Source(RSA)
        source.trouble = "refused"
        keys, ticker = key_set(source)
        for _ in range(10):
            with pytest.raises(KeysUnavailable):
                await keys.having("rsa")
        assert source.times == 1
        source.trouble = None
        ticker.advance(AGAIN_SECONDS)
        assert await keys.having("rsa") == (RSA,)

    run(story())


def test_the_same_keys_are_the_same_object() -> None:
    async def story() -> None:
        source = Source(RSA)
        keys, ticker = key_set(source)
        first = await keys.having("rsa")
        source.keys = (RSAKey.import_key(RSA.as_dict(private=True)),)
        ticker.advance(FRESH_SECONDS + 1)
        keys.known()
        await settled()
        assert keys.known() is first

    run(story())


def public(key: Key, **changed: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **changed}


def test_of_a_set_the_keys_that_can_have_signed_are_read() -> None:
    weak = RSA.as_dict(private=False) | {"n": "AQAB" * 20, "kid": "weak"}
    listed = [
        public(RSA),
        public(EC),
        public(RSA, kid="other use", use="enc"),
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True),
        {"kty": "AKP", "kid": "not known"},
        {"kty": "RSA", "kid": "half"},
        public(RSA, kid=7),
        weak,
        "no key",
        None,
    ]
    assert [key.kid for key in read_keys({"keys": listed})] == ["rsa", "ec"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": []},
        {"keys": [{}]},
        {"keys": "rsa"},
        {"keys": [public(RSA, use="enc")]},
    ],
    ids=range(7),
)
def test_a_set_without_such_a_key_is_no_answer(answer: Any) -> None:
    with pytest.raises(KeysUnavailable):
        read_keys(answer)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_parts = st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "k", "d", "key_ops", "x5c"])
_values = st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "sig", "RS256"]) | _json


@given(st.lists(st.dictionaries(_parts, _values, max_size=8) | _json, max_size=4))
def test_whatever_a_set_holds_the_good_key_in_it_counts(odd: list[Any]) -> None:
    assert "rsa" in [key.kid for key in read_keys({"keys": [*odd, public(RSA)]})]
