"""Logging in by others: the two steps of OpenID Connect (ORCID, an institution) and of GitHub's OAuth 2.

`begin` says where the browser goes, `finish` what came back with it: who somebody is to an issuer. Both speak to the
provider and know no database: call them outside any transaction, in a thread. Standards: OpenID Connect Core 1.0
and Discovery 1.0, RFC 6749, 7636 (PKCE) and 9207 (`iss` in the answer).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from strongroom.errors import Forbidden, Unavailable
from strongroom.metadata.identifiers import normalise, valid
from strongroom.settings import Settings

if TYPE_CHECKING:  # imported when somebody logs in: start-up budget
    import ssl

    import httpx2

log = logging.getLogger(__name__)

# Of each call; `web/signin` gives the whole step ten.
TIMEOUT: Final = 5.0
# How long what an issuer says of itself is believed.
_KEPT: Final = 3600.0
# Asymmetric only: with HS256 whoever knows the client's secret could write tokens, with `none` anybody.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
    "Ed25519",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody who vouches for users. `key` is its word in addresses, `name` what a button says."""

    key: str
    name: str
    issuer: str
    client_id: str
    client_secret: str
    scope: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Who somebody is to an issuer, and what it says of him. Only (issuer, subject) identifies."""

    provider: str
    issuer: str
    subject: str
    label: str
    name: str = ""
    email: str = ""
    email_verified: bool = False
    orcid: str = ""


@dataclass(frozen=True, slots=True)
class Dance:
    """What must come back unchanged between the two steps; kept in a signed cookie."""

    provider: str
    state: str
    nonce: str
    verifier: str


class Unanswered(Unavailable):
    """The provider did not answer, or not in a way that could be understood."""

    code = "provider-unavailable"


class Distrusted(Forbidden):
    """What came back is not what was asked for: begin again."""

    code = "login-refused"
    default = "The answer does not belong to a log-in that was begun here: begin again."


class Declined(Forbidden):
    """The user said no at the provider, or it knows no such user."""

    code = "login-declined"


def providers(settings: Settings) -> list[Provider]:
    """Those that the settings name, in the order of the log-in page."""
    found = []
    if settings.orcid_client_id:
        found.append(
            Provider(
                "orcid", "ORCID", settings.orcid_url, settings.orcid_client_id, settings.orcid_client_secret, "openid"
            )
        )  # fmt: skip
    if settings.oidc_issuer and settings.oidc_client_id:
        found.append(
            Provider(
                "oidc", settings.oidc_name, settings.oidc_issuer, settings.oidc_client_id,
                settings.oidc_client_secret, "openid email profile",
            )
        )  # fmt: skip
    if settings.github_client_id:
        # No scope: an application without one reads what is public of a user, and that is who he is.
        found.append(
            Provider(
                "github", "GitHub", settings.github_url, settings.github_client_id, settings.github_client_secret, ""
            )
        )  # fmt: skip
    return found


def begin(provider: Provider, redirect_uri: str) -> tuple[str, Dance]:
    """The address where the browser goes, and what to keep until it is back. Raises Unanswered."""
    dance = Dance(
        provider.key, secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    )
    if provider.key == "github":
        endpoint, extra = f"{provider.issuer}/login/oauth/authorize", {}
    else:
        endpoint, extra = _endpoint(_discovered(provider), "authorization_endpoint"), {"nonce": dance.nonce}
    with _client(provider, redirect_uri) as client:
        url, _ = client.create_authorization_url(
            endpoint, state=dance.state, code_verifier=dance.verifier, **extra
        )
    return str(url), dance


def finish(
    provider: Provider, settings: Settings, redirect_uri: str, dance: Dance, answer: Mapping[str, str]
) -> Claimed:
    """Who came back; `answer` are the parameters of the address he came back to.

    Raises Declined, Distrusted (state, nonce, signature, audience … are not as they must be), Unanswered.
    """
    if dance.provider != provider.key or not secrets.compare_digest(
        dance.state.encode(), answer.get("state", "").encode("utf-8", "replace")
    ):
        raise Distrusted()
    # An answer of another issuer must not be taken to this one (mix-up, RFC 9207).
    found = {} if provider.key == "github" else _discovered(provider)
    issuer = str(found.get("issuer", provider.issuer))
    said = answer.get("iss")
    if (said is None and found.get("authorization_response_iss_parameter_supported")) or (
        said is not None and said != issuer and provider.key != "github"
    ):
        raise Distrusted()
    if "error" in answer:
        if answer["error"] in ("access_denied", "consent_required", "login_required"):
            raise Declined(f"{provider.name} was told not to log you in.")
        log.warning("%s refused a log-in: %s", provider.key, answer["error"][:100])
        raise Unanswered(f"{provider.name} could not log you in: try again later, or in another way.")
    code = answer.get("code")
    if not code:
        raise Distrusted()
    if provider.key == "github":
        return _of_github(provider, settings, redirect_uri, dance, code)
    return _of_openid(provider, found, redirect_uri, dance, code)


def _of_openid(
    provider: Provider, found: Mapping[str, Any], redirect_uri: str, dance: Dance, code: str
) -> Claimed:
    issuer = str(found["issuer"])
    token = _token(provider, _endpoint(found, "token_endpoint"), redirect_uri, dance, code, _method(found))
    claims = _claims(provider, found, dance, token)
    subject = str(claims["sub"])
    if not 1 <= len(subject) <= 255 or not subject.isascii():
        raise Distrusted(f"{provider.name} sent no name for your account that could be kept.")
    name = str(claims.get("name") or "") or " ".join(
        str(claims[part]) for part in ("given_name", "family_name") if claims.get(part)
    )
    if provider.key == "orcid":
        if not valid(subject, "orcid"):
            raise Distrusted(f"{subject[:50]} is no ORCID iD: tell the operator of this site.")
        orcid = normalise(subject, "orcid")
        # ORCID says the name beside the token too, in a way of its own.
        return Claimed(
            "orcid", issuer, orcid, orcid, name=(name or str(token.get("name") or ""))[:200], orcid=orcid
        )
    email = str(claims.get("email") or "")
    label = email or str(claims.get("preferred_username") or "") or subject
    return Claimed(
        provider.key,
        issuer,
        subject,
        label[:200],
        name=name[:200],
        email=email[:320],
        email_verified=claims.get("email_verified") is True,
    )


def _of_github(provider: Provider, settings: Settings, redirect_uri: str, dance: Dance, code: str) -> Claimed:
    """https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"""
    endpoint = f"{provider.issuer}/login/oauth/access_token"
    token = _token(provider, endpoint, redirect_uri, dance, code, "client_secret_post")
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    user = _get(provider, f"{settings.github_api_url}/user", headers)
    number, login = user.get("id"), user.get("login")
    # The number stays when an account is renamed, and the old name may become another's.
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(login, str):
        raise Unanswered(_silent(provider))
    return Claimed("github", provider.issuer, str(number), login[:200])


def _claims(
    provider: Provider, found: Mapping[str, Any], dance: Dance, token: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The claims of the id token, if it is one that was made for us, now, for this log-in. Raises Distrusted."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    sent = token.get("id_token")
    if not isinstance(sent, str):
        raise Distrusted(f"{provider.name} sent no id token: tell the operator of this site.")
    # Keys are changed now and then: where none fits, they are read anew, once.
    for fresh in (False, True):
        try:
            keys = KeySet.import_key_set(_remembered(provider, _endpoint(found, "jwks_uri"), fresh=fresh))  # type: ignore[arg-type]
            decoded = jwt.decode(sent, keys, algorithms=list(ALGORITHMS))
            break
        except (JoseError, ValueError, KeyError, TypeError) as error:
            problem: Exception = error
    else:
        log.warning("%s: an id token was not accepted: %r", provider.key, problem)
        raise Distrusted(f"The signature of {provider.name} could not be checked: begin again.") from problem
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": found["issuer"]},
            "aud": {"essential": True, "value": provider.client_id},
        },
        {"nonce": dance.nonce, "client_id": provider.client_id, "access_token": token.get("access_token")},
    )
    try:
        claims.validate(leeway=60)
    except (JoseError, ValueError, TypeError) as error:
        log.warning("%s: an id token was not accepted: %r", provider.key, error)
        raise Distrusted() from error
    checked: Mapping[str, Any] = claims
    return checked


# Talking to them ----------------------------------------------------------------------------------------------


def _client(provider: Provider, redirect_uri: str, method: str | None = None) -> Any:
    from authlib.integrations.httpx_client import OAuth2Client

    return OAuth2Client(
        provider.client_id,
        provider.client_secret,
        token_endpoint_auth_method=method,
        scope=provider.scope or None,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        timeout=TIMEOUT,
        verify=_trusted(),
    )


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Whom certificates are believed of, read once: reading them takes 40 ms, most of a log-in."""
    import httpx2

    trusted: ssl.SSLContext = httpx2.create_ssl_context()
    return trusted


def _token(
    provider: Provider, endpoint: str, redirect_uri: str, dance: Dance, code: str, method: str
) -> Mapping[str, Any]:
    import httpx2
    from authlib.common.errors import AuthlibBaseError

    try:
        with _client(provider, redirect_uri, method) as client:
            token: Mapping[str, Any] = client.fetch_token(
                endpoint,
                code=code,
                code_verifier=dance.verifier,
                grant_type="authorization_code",
                headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
            )
    except AuthlibBaseError as error:
        if error.error not in ("invalid_grant", "bad_verification_code"):
            log.error("%s refuses this site, look at its client id and secret: %s", provider.key, error.error)
            raise Unanswered(_silent(provider)) from error
        # A code that is used or too old: most often the page was loaded again.
        raise Distrusted(f"{provider.name} does not know this log-in any more: begin again.") from error
    except (httpx2.HTTPError, ValueError) as error:
        raise _unanswered(provider, error) from error
    if not isinstance(token.get("access_token"), str):
        raise Unanswered(_silent(provider))
    return token


def _method(found: Mapping[str, Any]) -> str:
    """How the client shows its secret: as the issuer wants it (Discovery 3; the default is Basic)."""
    known = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"


def _discovered(provider: Provider) -> Mapping[str, Any]:
    """What the issuer says of itself (Discovery 4). Raises Unanswered."""
    found = _remembered(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if str(found.get("issuer", "")).rstrip("/") != provider.issuer.rstrip("/"):
        log.error("%s calls itself %r, not as it is set", provider.issuer, found.get("issuer"))
        raise Unanswered(_silent(provider))
    return found


def _endpoint(found: Mapping[str, Any], name: str) -> str:
    url = found.get(name)
    # Who speaks https is not left for http.
    schemes = ("https://",) if str(found["issuer"]).startswith("https://") else ("https://", "http://")
    if not isinstance(url, str) or not url.startswith(schemes):
        raise Unanswered(
            f"The log-in by {found['issuer']} is not set up well: tell the operator of this site."
        )
    return url


_documents: dict[str, tuple[float, Mapping[str, Any]]] = {}
_lock = threading.Lock()


def _remembered(provider: Provider, url: str, *, fresh: bool = False) -> Mapping[str, Any]:
    """A JSON document of a provider, read once an hour, or anew."""
    with _lock:
        kept = _documents.get(url)
    if kept is not None and not fresh and kept[0] > time.monotonic():
        return kept[1]
    document = _get(provider, url, {"Accept": "application/json"})
    with _lock:
        _documents[url] = (time.monotonic() + _KEPT, document)
    return document


def _get(provider: Provider, url: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
    import httpx2

    try:
        answer: httpx2.Response = httpx2.get(url, headers=dict(headers), timeout=TIMEOUT, verify=_trusted())
        answer.raise_for_status()
        document: Any = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise _unanswered(provider, error) from error
    if not isinstance(document, dict):
        raise Unanswered(_silent(provider))
    found: Mapping[str, Any] = document
    return found


def _unanswered(provider: Provider, error: Exception) -> Unanswered:
    log.warning("%s does not answer: %s", provider.key, error.__class__.__name__)
    return Unanswered(_silent(provider))


def _silent(provider: Provider) -> str:
    return f"{provider.name} does not answer: try again later, or log in another way."
