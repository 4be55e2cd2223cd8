"""The OAuth 2 provider: Authlib's framework-free server over our rows. Imported when first used (start-up budget).

Authorization code with PKCE (RFC 6749 4.1, RFC 7636: S256 only, a must for public applications), refresh tokens that
are used once (RFC 9700 4.14.2: using one again ends all that came from the same consent), revocation (RFC 7009),
metadata (RFC 8414), issuer in the answer (RFC 9207). No implicit grant, no passwords. Everything is stored as hashes.

One `Provider` lives as long as one transaction. An error for the client is an answer, not an exception, so that what
was ended because of it stays ended.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer as _AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy import delete, insert, select, update

from strongroom import changes
from strongroom.access import EMAIL, OFFERED_SCOPES, Actor, require_user
from strongroom.accounts.applications import LOOPBACK, redirect_matches
from strongroom.accounts.models import applications, codes, grants, refresh_tokens, tokens, users
from strongroom.accounts.service import digest
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden, Malformed
from strongroom.ids import new_key, new_token, now
from strongroom.settings import Settings

CODE_LIFE = timedelta(minutes=5)
CLIENT_AUTH = ["client_secret_basic", "client_secret_post", "none"]
# What may stand in an error's text (RFC 6749 appendix A.7); Authlib repeats these parameters there.
_SAFE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_REPEATED = ("client_id", "redirect_uri", "response_type", "grant_type", "scope", "token_type_hint")


@dataclass(frozen=True)
class Reply:
    """What goes back over HTTP: a redirect, or JSON where `body` is not None."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def location(self) -> str | None:
        return self.headers.get("Location")


class _Payload(OAuth2Payload):  # type: ignore[misc]
    """Parameters; one sent without a value counts as absent (RFC 6749 3.1)."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._lists = {name: [v for v in values if v] for name, values in fields.items()}
        self._lists = {name: values for name, values in self._lists.items() if values}

    @property
    def data(self) -> dict[str, str]:
        return {name: values[0] for name, values in self._lists.items()}

    @property
    def datalist(self) -> dict[str, list[str]]:
        return self._lists


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(
        self, method: str, fields: Mapping[str, Sequence[str]], headers: Mapping[str, str] | None = None
    ) -> None:
        # Whether plain http is good enough (a laptop, behind a proxy) the operator decides by the base URL.
        super().__init__(method, "https://checked.elsewhere", headers=dict(headers or {}))
        self.payload = _Payload(fields)

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


class _Client:
    """An application as Authlib asks for it."""

    def __init__(self, row: AnyRow) -> None:
        self.row = row
        self.id: int = row.id
        self.is_public: bool = row.secret_hash is None
        self.redirect_uris: list[str] = row.redirect_uris.split("\n")

    def get_client_id(self) -> str:
        return str(self.row.client_id)

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(dict.fromkeys((scope or "").split()))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_matches(self.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        kept = self.row.secret_hash
        return kept is not None and hmac.compare_digest(kept, digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == self.is_public

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")


class _Credential:
    """A code, refresh or access token as Authlib asks for it."""

    def __init__(self, row: AnyRow) -> None:
        self.row = row
        self.code_challenge = getattr(row, "challenge", None)
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return str(self.row.redirect_uri)

    def get_scope(self) -> str:
        return str(self.row.scopes)

    def check_client(self, client: _Client) -> bool:
        return bool(self.row.application_id == client.id)


class _S256(CodeChallenge):  # type: ignore[misc]
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 (Authlib's attribute)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        super().validate_code_challenge(grant, redirect_uri)
        sent = grant.request.payload.data
        if sent.get("code_challenge"):
            # Without a method it would be "plain" (RFC 7636 4.3), which protects nothing.
            if sent.get("code_challenge_method") != "S256":
                raise InvalidRequestError("Send 'code_challenge_method=S256'.")
        elif grant.request.client.is_public:
            raise InvalidRequestError("Missing 'code_challenge': a public application needs PKCE.")


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH
    server: Provider

    def save_authorization_code(self, code: str, request: Any) -> None:
        self.server.save_code(code, request)

    def query_authorization_code(self, code: str, client: _Client) -> _Credential | None:
        return self.server.find(codes, code, client)

    def delete_authorization_code(self, authorization_code: _Credential) -> None:
        self.server.spend(codes, authorization_code)

    def authenticate_user(self, authorization_code: _Credential) -> AnyRow | None:
        self.request.credential = authorization_code
        return self.server.user_of(authorization_code)


class _RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: Provider

    def authenticate_refresh_token(self, refresh_token: str) -> _Credential | None:
        return self.server.find(refresh_tokens, refresh_token, self.request.client)

    def authenticate_user(self, refresh_token: _Credential) -> AnyRow | None:
        self.request.credential = refresh_token
        return self.server.user_of(refresh_token)

    def revoke_old_credential(self, refresh_token: _Credential) -> None:
        self.server.spend(refresh_tokens, refresh_token)


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = CLIENT_AUTH
    server: Provider

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Credential | None:
        return self.server.find_any(token_string)

    def revoke_token(self, token: _Credential, request: Any) -> None:
        self.server.end_family(token.row.family)


class Asked:
    """A request for consent that is in order: who asks for what, and where the answer goes."""

    def __init__(self, grant: Any, known: frozenset[str] | None) -> None:
        self.grant = grant
        client: _Client = grant.request.client
        self.client_name: str = client.row.name
        self.description: str = client.row.description
        self.website: str = client.row.website
        self.owner_id: int = client.row.owner_id
        self.scopes: list[str] = (grant.request.scope or "").split()
        self.redirect_uri: str = grant.redirect_uri
        prompt = grant.request.payload.data.get("prompt", "").split()
        # Anybody can pretend to be a program on the user's machine: that one is asked about each time (RFC 8252 8.6).
        proven = not client.is_public or _is_remote(self.redirect_uri)
        self.consented = (
            known is not None and known >= set(self.scopes) and proven and "consent" not in prompt
        )


def _is_remote(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" and parts.hostname not in (*LOOPBACK, "localhost")


class Provider(_AuthorizationServer):  # type: ignore[misc]
    """Authorization and token endpoint on one session; the door opens the (writing) transaction."""

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__(scopes_supported=list(OFFERED_SCOPES))
        self.session = session
        self.settings = settings
        self.access_life = timedelta(minutes=settings.oauth_access_minutes)
        self.refresh_life = timedelta(days=settings.oauth_refresh_days)
        self.register_token_generator("default", self._generate)
        self.register_grant(_CodeGrant, [_S256(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_endpoint(_Revocation)

    # What doors call ---------------------------------------------------------------------------------------

    def ask(self, actor: Actor, query: str) -> Asked | Reply:
        """Look at a request for consent (the query string of `/oauth/authorize`).

        A mistake is a `Reply` that takes the browser back to the application; raises Malformed where there is no
        place that it could safely be sent back to.
        """
        try:
            request = _Request("GET", parse_query(query))
            self._check(request)
            grant = self.get_consent_grant(request, None)
        except OAuth2Error as error:
            if error.redirect_uri:
                return self._redirected(self.handle_error_response(None, error))
            said = error.description or error.error
            raise Malformed(
                f"The application sent a request that can't be answered: {said} Tell its makers."
            ) from None
        row = self._grant_of(require_user(actor), grant.request.client.id)
        return Asked(grant, frozenset(row.scopes.split()) if row is not None else None)

    def answer(self, actor: Actor, asked: Asked, agreed: bool) -> Reply:
        """The user's decision, as the redirect to the application. Consent is remembered. Raises Forbidden."""
        if actor.via != "session":
            raise Forbidden("Only the user himself, in a browser, can allow an application something.")
        grant_user = actor if agreed else None
        reply = self.create_authorization_response(asked.grant.request, grant_user, asked.grant)
        return self._redirected(reply)

    def token(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The token endpoint: code or refresh token in, tokens out."""
        return self._endpoint(body, headers, self.create_token_response)

    def revoke(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The revocation endpoint: an access or refresh token ends, with all of its family. RFC 7009."""
        return self._endpoint(body, headers, lambda r: self.create_endpoint_response("revocation", r))

    def _endpoint(self, body: bytes, headers: Mapping[str, str], answer: Any) -> Reply:
        try:
            request = _Request("POST", parse_query(body.decode("ascii")), _basic(headers))
            self._check(request)
            repeated = [name for name, values in request.payload.datalist.items() if len(values) > 1]
            if repeated:
                raise InvalidRequestError("A parameter is repeated.")
        except (UnicodeDecodeError, Malformed):
            return self.handle_error_response(  # type: ignore[no-any-return]
                None, InvalidRequestError("The body must be application/x-www-form-urlencoded.")
            )
        except OAuth2Error as error:
            return self.handle_error_response(None, error)  # type: ignore[no-any-return]
        reply: Reply = answer(request)
        if reply.status == 401:
            reply.headers["WWW-Authenticate"] = 'Basic realm="oauth"'
        return reply

    def _check(self, request: _Request) -> None:
        for name in _REPEATED:
            if not _SAFE.fullmatch(request.payload.data.get(name, "")):
                raise InvalidRequestError(f"'{name}' has characters that can't be in it.")

    def _redirected(self, reply: Reply) -> Reply:
        """With `iss`, so that a client of several providers can tell which one answered (RFC 9207)."""
        assert reply.location is not None
        from authlib.common.urls import add_params_to_uri

        location = add_params_to_uri(reply.location, [("iss", self.settings.base_url)])
        return Reply(302, None, {"Location": location})

    # What Authlib calls ------------------------------------------------------------------------------------

    def query_client(self, client_id: str) -> _Client | None:
        row = self.session.execute(
            select(applications)
            .join(users, users.c.id == applications.c.owner_id)
            .where(applications.c.client_id == client_id, users.c.is_active)
        ).first()
        return None if row is None else _Client(row)

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Reply:
        return Reply(status, None if body == "" else body, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def _generate(self, **wanted: Any) -> dict[str, Any]:
        return {
            "access_token": new_token(),
            "token_type": "Bearer",
            "expires_in": int(self.access_life.total_seconds()),
            "refresh_token": new_token(),
            "scope": wanted["scope"] or "",
        }

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        credential: _Credential = request.credential
        row, moment = credential.row, now()
        # Of one family only what can still be used is kept.
        self.session.execute(
            delete(tokens).where(tokens.c.grant_id == row.grant_id, tokens.c.expires <= moment)
        )
        self.session.execute(
            delete(refresh_tokens).where(
                refresh_tokens.c.grant_id == row.grant_id, refresh_tokens.c.expires <= moment
            )
        )
        self.session.execute(delete(codes).where(codes.c.expires <= moment - self.refresh_life))
        self.session.execute(
            insert(tokens).values(
                user_id=row.user_id,
                name=request.client.row.name,
                hash=digest(token["access_token"]),
                scopes=token["scope"],
                created=moment,
                expires=moment + self.access_life,
                grant_id=row.grant_id,
                family=row.family,
            )
        )
        self.session.execute(
            insert(refresh_tokens).values(
                hash=digest(token["refresh_token"]),
                grant_id=row.grant_id,
                family=row.family,
                scopes=token["scope"],
                expires=moment + self.refresh_life,
            )
        )
        # As Zenodo tells who it was (api-legacy.md section 1).
        user = request.user
        token["user"] = {"id": str(user.id)}
        if EMAIL in token["scope"].split():
            token["user"] |= {"email": user.email, "email_verified": user.confirmed is not None}

    # Rows --------------------------------------------------------------------------------------------------

    def _grant_of(self, user_id: int, application_id: int) -> AnyRow | None:
        return self.session.execute(
            select(grants).where(grants.c.user_id == user_id, grants.c.application_id == application_id)
        ).first()

    def save_code(self, code: str, request: Any) -> None:
        client: _Client = request.client
        actor: Actor = request.user
        user_id, moment = require_user(actor), now()
        wanted = (request.scope or "").split()
        before = self._grant_of(user_id, client.id)
        if before is None:
            grant_id = self.session.execute(
                insert(grants)
                .values(
                    user_id=user_id,
                    application_id=client.id,
                    scopes=" ".join(wanted),
                    created=moment,
                    updated=moment,
                )
                .returning(grants.c.id)
            ).scalar_one()
        else:
            grant_id = before.id
            whole = " ".join(dict.fromkeys([*before.scopes.split(), *wanted]))
            self.session.execute(
                update(grants).where(grants.c.id == grant_id).values(scopes=whole, updated=moment)
            )
        data = request.payload.data
        self.session.execute(
            insert(codes).values(
                hash=digest(code),
                grant_id=grant_id,
                family=new_key(),
                scopes=" ".join(wanted),
                redirect_uri=data.get("redirect_uri") or "",
                challenge=data.get("code_challenge"),
                expires=moment + CODE_LIFE,
            )
        )
        if before is None or set(wanted) - set(before.scopes.split()):
            changes.append(self.session, actor.label, "allowed", "application", client.id, {"scopes": wanted})

    def find(self, table: Any, secret: str, client: _Client) -> _Credential | None:
        """A code or refresh token of this client that can be used; using one again ends its family."""
        row = self.session.execute(
            select(table, grants.c.user_id, grants.c.application_id)
            .join(grants, grants.c.id == table.c.grant_id)
            .where(table.c.hash == digest(secret), grants.c.application_id == client.id)
            .with_for_update(of=table)
        ).first()
        if row is None:
            return None
        if row.used is not None:
            self.end_family(row.family)
            changes.append(self.session, "system", "reused", "application", client.id, {"user": row.user_id})
            return None
        return _Credential(row) if row.expires > now() else None

    def spend(self, table: Any, credential: _Credential) -> None:
        self.session.execute(update(table).where(table.c.hash == credential.row.hash).values(used=now()))

    def find_any(self, secret: str) -> _Credential | None:
        """An access or refresh token of any application."""
        for table in (tokens, refresh_tokens):
            row = self.session.execute(
                select(table.c.family, grants.c.application_id)
                .join(grants, grants.c.id == table.c.grant_id)
                .where(table.c.hash == digest(secret))
            ).first()
            if row is not None:
                return _Credential(row)
        return None

    def end_family(self, family: str) -> None:
        """End all tokens that came from one consent."""
        self.session.execute(delete(tokens).where(tokens.c.family == family))
        # Used ones stay: that one of them comes again is worth knowing.
        self.session.execute(
            delete(refresh_tokens).where(refresh_tokens.c.family == family, refresh_tokens.c.used.is_(None))
        )

    def user_of(self, credential: _Credential) -> AnyRow | None:
        return self.session.execute(
            select(users).where(users.c.id == credential.row.user_id, users.c.is_active)
        ).first()


def parse_query(text: str) -> dict[str, list[str]]:
    """The parameters of a query string or form, all values of each. Raises Malformed."""
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise Malformed("The parameters can't be read: send them URL-encoded, in UTF-8.") from error
    if any("\0" in value for values in fields.values() for value in values):
        raise Malformed("A parameter has a null character.")
    return fields


def _basic(headers: Mapping[str, str]) -> dict[str, str]:
    """The Authorization header, where it is one that Authlib can read."""
    header = headers.get("authorization", "")
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        unquote(base64.b64decode(coded.strip(), validate=True).decode(), errors="strict").encode()
    except (binascii.Error, UnicodeError):
        return {}
    return {"Authorization": f"Basic {coded.strip()}"}


def metadata(settings: Settings) -> dict[str, Any]:
    """What `/.well-known/oauth-authorization-server` says (RFC 8414)."""
    base = settings.base_url
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "scopes_supported": list(OFFERED_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": CLIENT_AUTH,
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTH,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "service_documentation": f"{base}/api/docs",
    }
