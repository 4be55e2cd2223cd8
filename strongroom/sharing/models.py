"""Rows of grants, share links and access settings, which belong to a concept: they hold for every version. Quotas too."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from strongroom.db import Moment, metadata

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("concept_id", BigInteger, ForeignKey("concepts.id", ondelete="CASCADE"), nullable=False),
    Column("subject_type", String(20), nullable=False),  # user; role and system_role have their place
    Column("subject_id", String(80), nullable=False),
    Column("permission", String(10), nullable=False),  # view, preview, edit, manage, owner
    Column("origin", String(80), nullable=False),  # api:<user>, request:<id>
    Column("expires", Moment),
    Column("created", Moment, nullable=False),
    Index("uq_grants_subject", "concept_id", "subject_type", "subject_id", unique=True),
    Index("ix_grants_of", "subject_type", "subject_id"),
    sqlite_autoincrement=True,
)

links = Table(
    "share_links",
    metadata,
    Column("id", String(36), primary_key=True),
    Column(
        "concept_id", BigInteger, ForeignKey("concepts.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    # As it is, not hashed: who manages the record is shown it again (api-rdm.md section 3).
    Column("token", String(80), nullable=False, unique=True),
    Column("permission", String(10), nullable=False),  # view, preview, edit
    Column("description", Text, nullable=False, default=""),
    Column("origin", String(80)),  # request:<id>, where a guest's request made it
    Column("expires_at", String(10)),  # the first day on which it no longer opens anything
    Column("created", Moment, nullable=False),
)

# Who may ask for access, where not both users and guests may, and how long what they get lasts. Whether
# anybody may ask at all, and the conditions, are said by the record itself (docs/decisions/0010).
settings = Table(
    "access_settings",
    metadata,
    Column("concept_id", BigInteger, ForeignKey("concepts.id", ondelete="CASCADE"), primary_key=True),
    Column("askers", String(10), nullable=False),  # both, users, guests
    Column("expiration_days", Integer, nullable=False),  # 0: what is given never expires
)

# What moderators let one concept (a version of it) or one user have, in the place of the settings' quotas.
quotas = Table(
    "quotas",
    metadata,
    Column("subject_type", String(10), primary_key=True),  # concept, user
    Column("subject_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
    Column("max_file_bytes", BigInteger),  # None: a file may be as large as all of it
    Column("notes", Text, nullable=False),
    Column("actor", String(80), nullable=False),  # who set it, as the change log names him
    Column("changed", Moment, nullable=False),
)
