"""Rows of concepts, drafts, records and their revisions.

Drafts and records are two tables on purpose: a public query reads `records` only, so no forgotten
filter can show a draft. Ids come from one sequence (`Database.next_id`).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from strongroom.db import Moment, metadata

concepts = Table(
    "concepts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner_id", Integer, ForeignKey("users.id"), nullable=False, index=True),
    Column("latest_id", BigInteger),  # the newest published version that is not withdrawn
    Column("latest_version", Integer, nullable=False, default=0),  # highest version ever published
    Column("next_draft_id", BigInteger),  # the open draft of the next version
    Column("doi", String(400)),
    # Where access requests are mailed besides the owner (records/typed.py). Of the server alone: no answer shows it.
    Column("contact_email", String(320)),
    Column("revision", Integer, nullable=False, default=0),  # grows with every change of any version
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
)

drafts = Table(
    "drafts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("concept_id", BigInteger, ForeignKey("concepts.id"), nullable=False, index=True),
    Column("owner_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("version", Integer, nullable=False),  # 1 for the first
    Column("published", Boolean, nullable=False),  # an edit of the record with this id
    Column("data", Text, nullable=False),  # RecordData
    Column("title", Text, nullable=False),
    Column("file_order", Text),  # JSON list of object ids, when the depositor sorted them
    Column("described", Integer),  # the revision in which `data` changed last; later ones changed files only
    Column("typed", Text),  # JSON: field of the form → text that could not be read (records/typed.py)
    Column("revision", Integer, nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Index("ix_drafts_owner", "owner_id", "id"),
)

records = Table(
    "records",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("concept_id", BigInteger, ForeignKey("concepts.id"), nullable=False),
    Column("owner_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", Text, nullable=False),  # RecordData
    Column("title", Text, nullable=False),
    Column("doi", String(400)),
    Column("doi_state", String(20), nullable=False),  # reserved, registered, failed, external, local
    # Copies of data.access, so that visibility is decided in the query.
    Column("record_access", String(10), nullable=False),
    Column("files_access", String(10), nullable=False),
    Column("embargo_until", String(10)),
    Column("file_order", Text),
    Column("file_count", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("withdrawn", Moment),
    Column("tombstone", Text),  # JSON: reason, note, date, citation
    Index("uq_records_version", "concept_id", "version", unique=True),
    Index("ix_records_owner", "owner_id", "id"),
    Index("ix_records_created", "created"),
    Index(
        "ix_records_embargo",
        "embargo_until",
        sqlite_where=text("embargo_until IS NOT NULL"),
        postgresql_where=text("embargo_until IS NOT NULL"),
    ),
)

revisions = Table(
    "record_revisions",
    metadata,
    Column("record_id", BigInteger, ForeignKey("records.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("data", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", Moment, nullable=False),
)

# The key by which a script names a whole deposit, so that it may repeat its request (records/deposits.py).
deposit_keys = Table(
    "deposit_keys",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(100), primary_key=True),
    Column("draft_id", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),  # sha256 of the last wish
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
)
