"""Which tokens are believed: those that one of the issuer's keys has signed, for us and for now."""

from __future__ import annotations

import hmac
from contextlib import nullcontext
from typing import Any, Final

import pytest
from joserfc.jwk import OKPKey, RSAKey
from joserfc.registry import Header

from runner.web.bearer_tokens import LARGEST_TOKEN, LEEWAY_SECONDS, Expected, read, verify
from runner.web.callers import Unauthenticated
from tests.servers.token_issuer import signed
from tests.unit.web.tokens import EC, EXPECTED, ISSUER, NOW, RSA, STRANGER, claims, part, token

KEYS: Final = (RSA, EC)
NOT_A_NUMBER: Final = b'{"iss": NaN}'
EVERY_RSA: Final = Expected(ISSUER, "tasks", ("RS256", "RS512", "PS256"))


def short(value: str) -> str:
    """Name a case by what is said, never by the token, which is another one in each process."""
    return value if " " in value else "token"


def checked(text: str, expected: Expected = EXPECTED, now: float = NOW) -> dict[str, Any]:
    return dict(verify(read(text), KEYS, expected, now).claims)


def refusal(text: str, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as refused:
        checked(text, now=now)
    assert refused.value.status == 401
    assert 'error="invalid_token"' in refused.value.headers["WWW-Authenticate"]
    return refused.value.detail.removeprefix("the token is not accepted: ")


@pytest.mark.parametrize(
    "text",
    [
        token(),
        token(EC),
        token(typ="at+jwt"),
        token(typ="application/AT+JWT"),
        token(typ=None),
        token(header={"alg": "RS256"}),
        token(aud=["other", "tasks"]),
        token(iat=None),
        token(nbf=NOW),
        token(exp=NOW + 0.5),
        token(header={"alg": "RS256", "kid": "rsa", "nonce": "what nobody knows"}),
    ],
    ids=short,
)
def test_a_token_that_its_issuer_signed_is_believed(text: str) -> None:
    assert checked(text)["sub"] == "ann"


def test_algorithms_are_those_of_the_configuration() -> None:
    whole = {name: value for name, value in RSA.as_dict(private=True).items() if name != "alg"}
    plain = RSAKey.import_key(whole)
    for algorithm in ("RS512", "PS256"):
        text = token(plain, {"alg": algorithm, "kid": "rsa"})
        assert verify(read(text), [plain], EVERY_RSA, NOW).expires_at == NOW + 300
        with pytest.raises(Unauthenticated, match="not signed by its issuer"):
            verify(read(text), [plain], EXPECTED, NOW)


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
def test_curves_of_edwards_are_believed_without_a_warning(algorithm: str) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    text = signed_quietly(claims(), key, {"alg": algorithm, "kid": "ed"})
    assert verify(read(text), [key], Expected(ISSUER, "tasks", (algorithm,)), NOW).claims["sub"] == "ann"


def signed_quietly(said: dict[str, Any], key: OKPKey, header: Header) -> str:
    with pytest.warns(match="deprecated") if header["alg"] == "EdDSA" else nullcontext():
        return signed(said, key, header)


def test_a_key_is_for_its_own_algorithm() -> None:
    pss = RSAKey.import_key({**RSA.as_dict(private=False), "alg": "PS256", "kid": "rsa"})
    with pytest.raises(Unauthenticated, match="not signed by its issuer"):
        verify(read(token()), [pss], EVERY_RSA, NOW)


def public_key_as_secret() -> str:
    """Sign with what anybody knows: the oldest attack on libraries that take the token's word for it."""
    said = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{part(claims())}"
    return f"{said}.{part(hmac.digest(RSA.as_pem(private=False), said.encode(), 'sha256'))}"


def unsigned(algorithm: str = "none") -> str:
    return f"{part({'alg': algorithm, 'kid': 'rsa', 'typ': 'JWT'})}.{part(claims())}."


def tampered(**changed: Any) -> str:
    header, _, signature = token().split(".")
    return f"{header}.{part(claims(**changed))}.{signature}"


def of_stranger(**header: Any) -> str:
    return token(STRANGER, {"alg": "RS256", "kid": "rsa", **header})


@pytest.mark.parametrize(
    "text",
    [
        of_stranger(),
        of_stranger(jwk=STRANGER.as_dict(private=False)),
        of_stranger(jku="https://evil.example.com/keys"),
        of_stranger(x5u="https://evil.example.com/cert"),
        of_stranger(kid="../../dev/null"),
        of_stranger(kid="' OR 1=1 --"),
        of_stranger(kid=""),
        token(STRANGER, {"alg": "RS256"}),
        tampered(sub="bob"),
        tampered(exp=NOW + 10**6),
        tampered(roles=["boss"]),
        unsigned() + "AA",
        unsigned("None") + "AA",
        unsigned("RS256") + "AA",
        token()[:-4],
        token(EC, {"alg": "ES256", "kid": "rsa"}),
        token(header={"alg": "RS256", "kid": "ec"}),
    ],
    ids=short,
)
def test_a_token_that_its_issuer_did_not_sign_is_not_believed(text: str) -> None:
    assert refusal(text) == "it is not signed by its issuer"


def test_what_anybody_knows_is_no_secret() -> None:
    assert refusal(public_key_as_secret()) == "it is not signed by its issuer"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (token(aud="others"), "it is for another audience"),
        (token(aud=None), "it is for another audience"),
        (token(aud=["task", {"tasks": 1}]), "it is for another audience"),
        (token(aud={"tasks": 1}), "it is for another audience"),
        (token(exp=None), "it never ends (exp)"),
        (token(exp="2030-01-01"), "it has no moment in exp"),
        (token(exp=True), "it has no moment in exp"),
        (token(exp=10**18), "it has no moment in exp"),
        (token(exp=-1), "it has no moment in exp"),
        (token(exp=NOW - LEEWAY_SECONDS), "it has expired; get a new one"),
        (token(nbf=NOW + LEEWAY_SECONDS + 1), "it is not valid yet (nbf)"),
        (token(iat=NOW + LEEWAY_SECONDS + 1), "it is not valid yet (iat)"),
        (token(iat=[NOW]), "it has no moment in iat"),
        (token(typ="logout+jwt"), "it is of another kind than the tokens for an API"),
        (token(typ="dpop+jwt"), "it is of another kind than the tokens for an API"),
        (
            token(typ=None, header={"alg": "RS256", "kid": "rsa", "typ": ""}),
            "it is of another kind than the ",
        ),
        (token(events={}), "it is of another kind than the tokens for an API"),
        (token(token_use="id"), "it is of another kind than the tokens for an API"),
        (token(header={"alg": "RS256", "kid": "rsa", "b64": True, "crit": ["b64"]}), "it is of another kind"),
        ("abc", "it is no JWT"),
        ("a.b", "it is no JWT"),
        ("a.b.c.d", "it is no JWT"),
        ("a.b.c.d.e", "it is no JWT"),
        (f"{token()}=", "it is no JWT"),
        (f"{token()}\n", "it is no JWT"),
        (token().replace("e", "é", 1), "it is no JWT"),
        ("x" * (LARGEST_TOKEN + 1), "it is too long"),
        ("a.b.c", "it cannot be read"),
        (f"{part([])}.{part(claims())}.AA", "it cannot be read"),
        (f"{part({'alg': 'RS256'})}.{part('claims')}.AA", "it cannot be read"),
        (f"{part({'alg': 'RS256'})}.{part(b'[' * 9000)}.AA", "it cannot be read"),
        (f"{part({'alg': 'RS256'})}.{part(NOT_A_NUMBER)}.AA", "it cannot be read"),
        (f"{part({'alg': ['RS256']})}.{part(claims())}.AA", "it cannot be read"),
        (f"{part({'alg': 'RS256', 'kid': 1})}.{part(claims())}.AA", "it cannot be read"),
        (f"{part({'kid': 'rsa'})}.{part(claims())}.AA", "it cannot be read"),
        (f"{part({'alg': 'RS256'})}.{part({'sub': 'ann'})}.AA", "it cannot be read"),
    ],
    ids=short,
)
def test_a_token_for_others_for_another_time_or_that_is_none_is_refused(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


def test_the_kind_may_stand_in_the_claims() -> None:
    for kind in ("ID", "Refresh", "Logout"):
        assert refusal(signed({**claims(), "typ": kind}, RSA, {"alg": "RS256", "kid": "rsa"})).startswith(
            "it is of another kind"
        )
    assert checked(signed({**claims(), "typ": "Bearer"}, RSA, {"alg": "RS256", "kid": "rsa"}))


def test_clocks_may_differ_a_little() -> None:
    assert checked(token(exp=NOW), now=NOW + LEEWAY_SECONDS - 1)
    assert checked(token(nbf=NOW, iat=NOW), now=NOW - LEEWAY_SECONDS)


def test_a_key_of_another_issuer_is_none_of_this_one() -> None:
    text = token(iss="https://login.example.com/partners")
    assert refusal(text) == "it is not signed by its issuer"


def test_no_answer_tells_of_keys() -> None:
    for text in (of_stranger(kid="nobody"), token(STRANGER, {"alg": "RS256"}), public_key_as_secret()):
        said = refusal(text)
        assert "rsa" not in said
        assert "key" not in said


def test_a_token_that_two_keys_of_one_name_could_have_signed_is_tried_with_both() -> None:
    assert verify(read(token()), [STRANGER, RSA], EXPECTED, NOW).claims["sub"] == "ann"
