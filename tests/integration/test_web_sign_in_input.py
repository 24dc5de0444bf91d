"""What browsers may send to sign in: no cookie and no form of theirs is more than it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.sign_in_place import (
    BACK_CHANNEL,
    ME,
    ORIGIN,
    SignInPlace,
    ann,
    sign_in_place,
)
from tests.servers.login_issuer import LoginIssuer
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def fuzzed(valkey: RedisServer, login_issuer: LoginIssuer) -> Iterator[tuple[SignInPlace, str]]:
    with sign_in_place(valkey.url, {"staff": login_issuer}) as found:
        yield found, str(found.signed_in(ann()).session)


NAMES: Final = st.sampled_from(
    ["runner-8090-session", "runner-8090-sign-in-abc", "x", "", "__Host-runner-session"]
)
SIGNS: Final = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=120
)


def test_the_last_sign_of_a_cookie_counts_as_all_others(fuzzed: tuple[SignInPlace, str]) -> None:
    """The text of a key has two bits more than the key."""
    place, good = fuzzed
    browser = place.browser()
    for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        cookie = f"runner-8090-session={good[:-1]}{sign}"
        answer = browser.ask("GET", ME, headers={"cookie": cookie})
        assert answer.status_code == (200 if good[-1] == sign else 401), sign


@given(
    cookies=st.lists(st.tuples(NAMES, SIGNS), max_size=6),
    state=st.text(max_size=60),
    cut=st.integers(0, 86),
    sign=st.sampled_from("ABCxyz019-_."),
)
@example(cookies=[("runner-8090-session", "a" * 43 + "." + "b" * 43)], state="", cut=0, sign="A")
@example(cookies=[("runner-8090-sign-in-abc", "e30")], state="abc", cut=0, sign="A")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cookie_is_anybody_but_the_one_we_made(
    fuzzed: tuple[SignInPlace, str],
    cookies: list[tuple[str, str]],
    state: str,
    cut: int,
    sign: str,
) -> None:
    place, good = fuzzed
    bent = good[:cut] + sign + good[cut + 1 :]
    for header in ("; ".join(f"{name}={value}" for name, value in cookies), f"runner-8090-session={bent}"):
        if f"runner-8090-session={good}" in header:
            continue
        browser = place.browser()
        cookie = header.encode("latin-1")
        for path, params in (
            (ME, {}),
            ("/sign-in/callback", {"state": state, "code": "x"}),
            ("/sign-out", {}),
        ):
            answer = browser.ask("GET", path, params=params, headers={b"cookie": cookie})
            assert answer.status_code in {200, 400, 401}, (path, header)
            assert answer.status_code != 200 or path == "/sign-out"
            assert "signed in as" not in answer.text


@given(body=st.binary(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_an_error_of_ours(fuzzed: tuple[SignInPlace, str], body: bytes) -> None:
    place, good = fuzzed
    browser = place.browser()
    browser.cookies.set("runner-8090-session", good, domain="127.0.0.1")
    for path in ("/sign-out", "/sign-in/as", BACK_CHANNEL):
        answer = browser.ask("POST", path, content=body, headers={"Origin": ORIGIN})
        assert answer.status_code in {400, 403, 404}, path
