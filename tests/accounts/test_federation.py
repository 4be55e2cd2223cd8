"""What an issuer says is believed only where signature, audience, time, nonce and issuer are as they must be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from strongroom.accounts import federation
from strongroom.accounts.federation import Claimed, Dance, Distrusted, Provider, Unanswered
from strongroom.settings import Settings
from tests.oidc import Liar

BACK = "http://testserver/login/oidc/callback"
DANCE = Dance("oidc", "some state", "some nonce", "some verifier")


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar() as liar:
        yield liar


@pytest.fixture(autouse=True)
def _forget(liar: Liar) -> None:
    liar.about = {}
    liar.token = {}
    liar.asked.clear()
    federation._documents.clear()


def provider(liar: Liar, key: str = "oidc", issuer: str = "") -> Provider:
    return Provider(key, "Example", issuer or liar.url, "ours", "our secret", "openid")


def claims(liar: Liar, **more: Any) -> dict[str, Any]:
    moment = int(time.time())
    said = {
        "iss": liar.url, "sub": "kim", "aud": "ours", "exp": moment + 300, "iat": moment, "nonce": "some nonce",
        "name": "Kim Lee", "email": "kim@uni.example", "email_verified": True,
    }  # fmt: skip
    return {k: v for k, v in (said | more).items() if v is not None}


def say(liar: Liar, token: str | None, **more: Any) -> None:
    liar.token = {"access_token": "at", "token_type": "Bearer", "id_token": token, **more}


def signed(liar: Liar, said: dict[str, Any], key: Any = None, **header: str) -> str:
    head = {"alg": "RS256", "kid": "a", **header}
    return jwt.encode(head, said, key or liar.key, algorithms=[head["alg"]])


def finish(liar: Liar, settings: Settings, key: str = "oidc", **answer: str) -> Claimed:
    dance = Dance(key, DANCE.state, DANCE.nonce, DANCE.verifier)
    return federation.finish(
        provider(liar, key), settings, BACK, dance, {"code": "c", "state": "some state", **answer}
    )


def test_a_right_answer_says_who_it_is(liar: Liar, settings: Settings) -> None:
    say(liar, signed(liar, claims(liar)))
    got = finish(liar, settings)
    assert got == Claimed(
        "oidc", liar.url, "kim", "kim@uni.example", "Kim Lee", "kim@uni.example", email_verified=True
    )
    ((path, form, authorization),) = liar.asked
    assert path == "/token"
    assert form["code_verifier"] == "some verifier"
    assert form["redirect_uri"] == BACK
    assert (authorization or "").startswith("Basic ")


def test_the_secret_is_shown_as_the_issuer_wants_it(liar: Liar, settings: Settings) -> None:
    liar.about = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}  # as ORCID
    say(liar, signed(liar, claims(liar)))
    finish(liar, settings)
    ((_, form, authorization),) = liar.asked
    assert (form["client_id"], form["client_secret"], authorization) == ("ours", "our secret", None)


WRONG: dict[str, Callable[[Liar], str | None]] = {
    "no token": lambda liar: None,
    "no token but words": lambda liar: "words",
    "another nonce": lambda liar: signed(liar, claims(liar, nonce="other")),
    "no nonce": lambda liar: signed(liar, claims(liar, nonce=None)),
    "another audience": lambda liar: signed(liar, claims(liar, aud="theirs")),
    "made for another of several": lambda liar: signed(liar, claims(liar, aud=["ours", "b"], azp="b")),
    "several, for none of them": lambda liar: signed(liar, claims(liar, aud=["ours", "b"])),
    "another issuer": lambda liar: signed(liar, claims(liar, iss="https://evil.example")),
    "too old": lambda liar: signed(liar, claims(liar, exp=int(time.time()) - 120)),
    "without an end": lambda liar: signed(liar, claims(liar, exp=None)),
    "nobody": lambda liar: signed(liar, claims(liar, sub=None)),
    "an empty name": lambda liar: signed(liar, claims(liar, sub="")),
    "another's signature": lambda liar: signed(liar, claims(liar), RSAKey.generate_key(2048)),
    "signed with our own secret": lambda liar: signed(
        liar, claims(liar), OctKey.import_key("our secret, made longer for HS256"), alg="HS256"
    ),
    "not signed": lambda liar: "eyJhbGciOiJub25lIn0." + signed(liar, claims(liar)).split(".")[1] + ".",
    "changed": lambda liar: ".".join(
        a if n != 1 else signed(liar, claims(liar, sub="x")).split(".")[1]
        for n, a in enumerate(signed(liar, claims(liar)).split("."))
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_token_is_nobody(liar: Liar, settings: Settings, what: str) -> None:
    say(liar, WRONG[what](liar))
    with pytest.raises(Distrusted):
        finish(liar, settings)


def test_a_token_of_a_new_key_is_believed(liar: Liar, settings: Settings) -> None:
    say(liar, signed(liar, claims(liar)))
    finish(liar, settings)
    old = liar.key
    liar.key = RSAKey.generate_key(2048, {"kid": "b"})
    try:
        say(liar, signed(liar, claims(liar), kid="b"))
        assert finish(liar, settings).subject == "kim"
    finally:
        liar.key = old


def test_an_address_is_verified_only_where_that_is_said(liar: Liar, settings: Settings) -> None:
    for said in (None, False, "true", 1):
        say(liar, signed(liar, claims(liar, email_verified=said)))
        assert finish(liar, settings).email_verified is False


def test_an_orcid_is_one(liar: Liar, settings: Settings) -> None:
    say(liar, signed(liar, claims(liar, sub="0000-0002-1825-0097", name=None)), name="Josiah Carberry")
    got = finish(liar, settings, "orcid")
    assert (got.orcid, got.subject, got.name) == (
        "0000-0002-1825-0097",
        "0000-0002-1825-0097",
        "Josiah Carberry",
    )
    assert (got.email, got.email_verified) == ("", False), "only what the issuer is asked for"
    say(liar, signed(liar, claims(liar, sub="0000-0002-1825-0090")))
    with pytest.raises(Distrusted):
        finish(liar, settings, "orcid")


def test_an_issuer_that_calls_itself_otherwise_is_not_asked(liar: Liar, settings: Settings) -> None:
    liar.about = {"issuer": "https://evil.example"}
    with pytest.raises(Unanswered):
        federation.begin(provider(liar), BACK)
    with pytest.raises(Unanswered):
        finish(liar, settings)
    assert liar.asked == []


def test_an_answer_by_name_must_be_of_this_issuer(liar: Liar, settings: Settings) -> None:
    """RFC 9207: who promises to say his name must; who says another's is not believed."""
    say(liar, signed(liar, claims(liar)))
    assert finish(liar, settings, iss=liar.url).subject == "kim"
    with pytest.raises(Distrusted):
        finish(liar, settings, iss="https://evil.example")
    liar.about = {"authorization_response_iss_parameter_supported": True}
    federation._documents.clear()
    with pytest.raises(Distrusted):
        finish(liar, settings)


def test_a_used_code_and_a_wrong_secret_are_told_apart(liar: Liar, settings: Settings) -> None:
    liar.token = {"error": "invalid_grant"}
    with pytest.raises(Distrusted):
        finish(liar, settings)
    liar.token = {"error": "invalid_client"}
    with pytest.raises(Unanswered):
        finish(liar, settings)


def test_who_speaks_https_is_not_left_for_http() -> None:
    found = {"issuer": "https://uni.example", "token_endpoint": "http://uni.example/token"}
    with pytest.raises(Unanswered):
        federation._endpoint(found, "token_endpoint")
