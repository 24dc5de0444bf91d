"""From a header to a caller; whatever is in the header, nobody is anybody else, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from runner.web.bearer_tokens import LEEWAY_SECONDS, Expected
from runner.web.callers import Authenticator, Caller, NamedCallers, Unauthenticated
from runner.web.key_sets import AGAIN_SECONDS, FRESH_SECONDS
from tests.servers.token_issuer import AUDIENCE
from tests.unit.web.tokens import (
    EC,
    EXPECTED,
    NOW,
    RSA,
    RULES,
    STRANGER,
    Place,
    Source,
    bearer,
    claims,
    part,
    reading,
    token,
)

PARTNERS: Final = "https://partners.example.com"


def asked(callers: Authenticator, headers: Headers) -> Caller:
    return asyncio.run(callers.of(headers))


def refused(callers: Authenticator, headers: Headers) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        asked(callers, headers)
    return caught.value


def test_a_token_says_who_somebody_is() -> None:
    caller = asked(Place().callers, bearer(token(roles=["boss"])))
    assert (caller.user, {*caller.roles}, {*caller.viewer.admin_of}) == ("ann", {"boss"}, {"orders"})
    assert (caller.issuer, caller.tenant, caller.expires_at) == ("staff", "staff", NOW + 300)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": "Basic YW5uOmFubg=="},
        {"authorization": "Bearer\tx"},
        {"cookie": "Authorization=Bearer x", "x-user": "ann"},
    ],
)
def test_without_a_token_nobody_is_anybody(headers: dict[str, str]) -> None:
    error = refused(Place().callers, Headers(headers))
    assert (error.status, error.headers) == (401, {"WWW-Authenticate": 'Bearer realm="runner"'})


def test_the_scheme_may_be_written_in_any_case() -> None:
    assert asked(Place().callers, Headers({"authorization": f"bEARER  {token()}"})).user == "ann"


def test_two_headers_are_none() -> None:
    pair = (b"authorization", f"Bearer {token()}".encode())
    assert refused(Place().callers, Headers(raw=[pair, pair])).status == 401


def test_an_issuer_is_one_of_the_configuration() -> None:
    place = Place()
    error = refused(place.callers, bearer(token(iss=PARTNERS)))
    assert (error.status, error.detail) == (401, "the token is not accepted: its issuer is not known here")
    assert place.source.times == 0, "nobody is asked on behalf of a stranger"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "ES384"])
def test_an_algorithm_that_is_not_accepted_asks_nobody(algorithm: str) -> None:
    place = Place()
    text = f"{part({'alg': algorithm, 'kid': 'x'})}.{part(claims())}.AA"
    assert refused(place.callers, bearer(text)).status == 401
    assert place.source.times == 0


def two_issuers() -> Place:
    staff = (EXPECTED, reading(other_prefixes=frozenset({"p:"})), Source(RSA))
    expected = Expected(PARTNERS, AUDIENCE, ("ES256",))
    how = reading(name="partners", domains=frozenset({"bills"}), user_prefix="p:", tenant="partners")
    return Place(staff, (expected, how, Source(EC)))


def test_the_same_user_of_two_issuers_is_two_users_and_each_reaches_its_own_domains() -> None:
    callers = two_issuers().callers
    ours, theirs = asked(callers, bearer(token())), asked(callers, bearer(token(EC, iss=PARTNERS)))
    assert (ours.user, theirs.user) == ("ann", "p:ann")
    assert ({*ours.domains}, {*theirs.domains}) == ({"orders", "bills"}, {"bills"})
    assert (ours.tenant, theirs.tenant) == ("staff", "partners")
    assert refused(callers, bearer(token(sub="p:ann"))).status == 403


def test_an_issuer_speaks_for_itself_only() -> None:
    callers = two_issuers().callers
    for text in (token(EC), token(RSA, iss=PARTNERS), token(STRANGER)):
        assert refused(callers, bearer(text)).status == 401


def test_what_is_known_of_a_token_is_not_found_out_again() -> None:
    async def story() -> None:
        place = Place()
        text = token()
        first = await place.callers.of(bearer(text))
        assert await place.callers.of(bearer(text)) is first
        assert await place.callers.of(bearer(token(jti="another"))) is not first

    asyncio.run(story())


def test_a_token_ends_when_it_says_however_often_it_was_used() -> None:
    async def story() -> None:
        place = Place()
        text = token(exp=NOW + 100)
        for _ in range(130 - 1):
            await place.callers.of(bearer(text))
            place.now += 1
        place.now = NOW + 100 + LEEWAY_SECONDS
        with pytest.raises(Unauthenticated, match="expired"):
            await place.callers.of(bearer(text))

    asyncio.run(story())


def test_a_key_that_is_withdrawn_ends_the_tokens_it_has_signed() -> None:
    async def story() -> None:
        place = Place()
        text = token(exp=NOW + 10_000)
        await place.callers.of(bearer(text))
        place.source.keys = (EC,)
        place.pass_by(FRESH_SECONDS + 1)
        await place.callers.of(bearer(text))  # begins to ask
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        with pytest.raises(Unauthenticated, match="not signed"):
            await place.callers.of(bearer(text))
        assert (await place.callers.of(bearer(token(EC)))).user == "ann"

    asyncio.run(story())


def test_a_new_key_counts_as_soon_as_it_is_used() -> None:
    async def story() -> None:
        place = Place((EXPECTED, reading(), Source(RSA)))
        await place.callers.of(bearer(token()))
        place.source.keys = (RSA, EC)
        place.pass_by(AGAIN_SECONDS)
        assert (await place.callers.of(bearer(token(EC)))).user == "ann"

    asyncio.run(story())


def test_an_issuer_that_is_away_is_no_fault_of_the_caller() -> None:
    async def story() -> None:
        place = Place()
        place.source.trouble = "connection to 10.0.0.7 refused"
        with pytest.raises(Unauthenticated) as caught:
            await place.callers.of(bearer(token()))
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
        assert "10.0.0.7" not in caught.value.detail
        place.source.trouble = None
        place.pass_by(AGAIN_SECONDS)
        assert (await place.callers.of(bearer(token()))).user == "ann"

    asyncio.run(story())


def test_a_bounded_number_of_tokens_is_remembered() -> None:
    async def story() -> None:
        place = Place(most_remembered=3)
        texts = [token(jti=number) for number in range(8)]
        first = [await place.callers.of(bearer(text)) for text in texts]
        kept = [await place.callers.of(bearer(text)) for text in reversed(texts)]
        assert [kept[7 - at] is caller for at, caller in enumerate(first)] == [False] * 5 + [True] * 3

    asyncio.run(story())


NAMED: Final = NamedCallers({"ann": frozenset({"boss"}), "Zoë": frozenset()}, RULES)


def test_where_there_are_no_tokens_callers_name_themselves() -> None:
    ann = asked(NAMED, bearer("ann"))
    assert (ann.user, ann.issuer, ann.tenant, ann.expires_at) == ("ann", "", "", None)
    assert (ann.domains, ann.viewer.admin_of) == (frozenset({"orders", "bills"}), frozenset({"orders"}))
    assert ann.viewer.starter_in == {"bills"}
    assert asked(NAMED, bearer("ann")) is ann
    raw = [(b"authorization", "Bearer Zoë".encode())]
    assert asked(NAMED, Headers(raw=raw)).user == "Zoë"


@pytest.mark.parametrize("name", ["bob", "ANN", "ann,bob", "ann x", "*"])
def test_who_is_not_one_of_the_users_is_nobody(name: str) -> None:
    assert refused(NAMED, bearer(name)).status == 401
    assert refused(NAMED, Headers({})).status == 401


_json: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_header: Final = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "x5u", "zip", "enc", "cty"]),
    st.sampled_from(["RS256", "ES256", "none", "HS256", "rsa", "ec", "JWT", RSA.as_dict(private=False)])
    | _json,
    max_size=5,
)
_said: Final = st.dictionaries(
    st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "roles", "events", "token_use"]),
    st.sampled_from([EXPECTED.issuer, AUDIENCE, NOW, "ann", ["clerk"]]) | _json,
    max_size=8,
)


def _base64(text: bytes) -> str:
    return urlsafe_b64encode(text).decode().rstrip("=")


def _text(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


GOOD: Final = token()


@given(header=_header | _json, said=_said | _json, signature=st.binary(max_size=300) | st.just(b"good"))
@example(header={"alg": "RS256", "kid": "rsa"}, said=claims(sub="bob"), signature=b"good")
@example(header={"alg": "none"}, said=claims(), signature=b"")
@example(header=["alg", "b64"], said=claims(), signature=b"x")
@example(header={"alg": "RS256", "crit": 5}, said=claims(), signature=b"x")
def test_no_forged_token_is_a_caller_and_none_is_an_error_of_ours(
    header: Any, said: Any, signature: bytes
) -> None:
    last = GOOD.rpartition(".")[2] if signature == b"good" else _base64(signature)
    error = refused(Place().callers, bearer(f"{_base64(_text(header))}.{_base64(_text(said))}.{last}"))
    assert error.status == 401
    assert error.headers["WWW-Authenticate"].isascii()


@given(st.text(max_size=200), st.integers(0, len(GOOD) - 1))
def test_no_text_is_a_caller_and_neither_is_a_token_with_a_sign_changed(text: str, at: int) -> None:
    raw = [(b"authorization", b"Bearer " + text.encode("utf-8", "surrogatepass"))]
    assert refused(Place().callers, Headers(raw=raw)).status == 401
    other = "A" if GOOD[at] != "A" else "B"
    changed = f"{GOOD[:at]}{other}{GOOD[at + 1 :]}"
    if at < len(GOOD) - 1:  # Of the last sign only some bits count.
        assert refused(Place().callers, bearer(changed)).status == 401


@given(_said)
def test_what_an_issuer_has_signed_is_a_caller_or_refused_whatever_it_says(said: dict[str, Any]) -> None:
    text = token(**{name: value for name, value in said.items() if name not in {"iss", "aud", "exp"}})
    try:
        caller = asked(Place().callers, bearer(text))
    except Unauthenticated as error:
        status = error.status
    else:
        status = 200
        assert caller.domains == {"orders", "bills"}
        assert (
            caller.user == said.get("sub")
            or ("sub" not in said and caller.user == "ann")
            or said["sub"] is None
        )
    assert status in {200, 401, 403}
