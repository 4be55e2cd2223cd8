"""Rows of files.

An object row says: from `first_version` to `last_version` (none: still) of this concept, `key` is
`instance`. A new version therefore writes no rows, and the files of version v are the rows with
first_version <= v <= last_version. Versions are linear and only one next-version draft is open at a
time, so only the newest version's span is ever open to change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from strongroom.db import Bytewise, Moment, metadata

instances = Table(
    "file_instances",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("md5", String(32), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("crc32", BigInteger, nullable=False),
    Column("store", String(40), nullable=False),
    Column("location", String(200), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
)

objects = Table(
    "objects",
    metadata,
    Column("id", String(36), primary_key=True),  # the deposition file's id
    Column("concept_id", BigInteger, ForeignKey("concepts.id"), nullable=False),
    Column("key", Bytewise, nullable=False),
    Column("key_fold", Bytewise, nullable=False),  # NFC and case folded: finds twins
    Column("instance_id", String(36), ForeignKey("file_instances.id"), nullable=False, index=True),
    Column("first_version", Integer, nullable=False),
    Column("last_version", Integer),
    Column("version_id", String(36), nullable=False),
    Column("mimetype", String(200), nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Index("uq_objects_span", "concept_id", "key", "first_version", unique=True),
    Index("ix_objects_fold", "concept_id", "key_fold"),
)

# An upload on its way. The sweep reads these rows only: a location named here and nowhere else,
# without a heartbeat for long, holds bytes that nobody was told are safe.
uploads = Table(
    "uploads",
    metadata,
    Column("location", String(200), primary_key=True),
    Column("store", String(40), nullable=False),
    Column("concept_id", BigInteger, nullable=False, index=True),
    Column("user_id", Integer, nullable=False, index=True),
    Column("reserved", BigInteger, nullable=False),  # bytes
    Column("started", Moment, nullable=False),
    Column("heartbeat", Moment, nullable=False),
)
