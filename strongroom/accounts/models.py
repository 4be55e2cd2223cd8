"""Rows of accounts. Secrets are stored as hashes only."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from strongroom.db import Moment, metadata

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case
    Column("name", String(200), nullable=False, default=""),
    Column("orcid", String(19)),
    Column("password", Text),  # argon2; none: an account to be claimed (rebuild) or one with another login
    Column("is_admin", Boolean, nullable=False, default=False),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("affiliations", String(500), nullable=False, server_default=""),
    Column("visibility", String(10), nullable=False, server_default="public"),  # public, restricted
    Column("email_visibility", String(10), nullable=False, server_default="restricted"),
    Column("verified", Boolean, nullable=False, server_default=false()),  # a moderator looked and approved
    Column("blocked", Moment),  # since when; `is_active` is false then too
    Column("last_login", Moment),
    Column("revision", Integer, nullable=False, server_default="0"),  # of the profile
    # Since when it is known that mail to the address arrives. None: the address is a stand-in (`.invalid`,
    # RFC 2606), so that one typed by somebody else is in nobody's way and is given nothing.
    Column("confirmed", Moment),
    # The account that has all of this one's since both were made one (strongroom/merging); this one is closed for good.
    Column("merged_into", Integer),
    sqlite_autoincrement=True,
)

# Who somebody is elsewhere: what an issuer calls him. An address never says it (decision 0012).
identities = Table(
    "identities",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("provider", String(40), nullable=False),  # orcid, github, oidc
    Column("issuer", String(300), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("label", String(200), nullable=False, server_default=""),  # as its owner knows it
    Column("created", Moment, nullable=False),
    Column("last_used", Moment),
    UniqueConstraint("issuer", "subject"),
    sqlite_autoincrement=True,
)

# Links that were sent by mail; used ones stay until they expire. Also what else was sent to addresses that nobody
# has confirmed, so that it can be counted.
mail_tokens = Table(
    "mail_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),  # register, address, reset; counted only: contact, guest
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("email", String(320), nullable=False, index=True),
    Column("name", String(200), nullable=False, server_default=""),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
)

# What signs the cookies between two steps of a log-in: one for all processes and machines.
keys = Table(
    "keys",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)

applications = Table(
    "applications",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("website", String(2000), nullable=False, server_default=""),
    Column("client_id", String(40), nullable=False, unique=True),
    Column("secret_hash", String(64)),  # sha256, hexadecimal; none: a public client (RFC 6749 2.1)
    Column("redirect_uris", Text, nullable=False),  # one a line
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    sqlite_autoincrement=True,
)

# What a user allowed an application: one row for both, remembered until taken back.
grants = Table(
    "oauth_grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column(
        "application_id",
        Integer,
        ForeignKey("applications.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("scopes", Text, nullable=False),  # blanks between
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    UniqueConstraint("user_id", "application_id"),
    sqlite_autoincrement=True,
)

# Used ones stay until they expire, so that using one again is noticed.
codes = Table(
    "oauth_codes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column(
        "grant_id", Integer, ForeignKey("oauth_grants.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("family", String(32), nullable=False),  # of all tokens that come from this code
    Column("scopes", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", String(128)),  # S256 (RFC 7636); none: a confidential client without
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
)

refresh_tokens = Table(
    "oauth_refresh_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column(
        "grant_id", Integer, ForeignKey("oauth_grants.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("family", String(32), nullable=False, index=True),
    Column("scopes", Text, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False, default=""),
    Column("hash", String(64), nullable=False, unique=True),  # sha256 of the token, hexadecimal
    Column("scopes", Text, nullable=False, default=""),  # blanks between
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("last_used", Moment),  # to the day
    # Of an application (OAuth 2): which consent it comes from. None: a personal token.
    Column("grant_id", Integer, ForeignKey("oauth_grants.id", ondelete="CASCADE"), index=True),
    Column("family", String(32), index=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # sha256 of the cookie's value
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("user_agent", String(300), nullable=False, server_default=""),  # as the browser called itself
    Column("last_used", Moment),  # to the hour
)
