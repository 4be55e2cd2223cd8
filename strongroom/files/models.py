"""Rows of files.

An object row says: from `first_version` to `last_version` (none: still) of this concept, `key` is
`instance`. A new version therefore writes no rows, and the files of version v are the rows with
first_version <= v <= last_version. Versions are linear and only one next-version draft is open at a
time, so only the newest version's span is ever open to change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

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
    Column("metadata", Text),  # JSON object: description, licence, role …
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Index("uq_objects_span", "concept_id", "key", "first_version", unique=True),
    # All that says which keys a version has: skipping to a page of 50,000 files looks at no row.
    Index("ix_objects_listed", "concept_id", "key", "first_version", "last_version"),
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

# How many files and bytes a version has, so that 50,000 files are not counted at each upload, page and publishing.
# Written when a version begins and kept up to date by every verb of files. It may be missing for versions begun
# before that (and after `rebuild`): then files are counted.
# Version 0 stands for all object rows of the concept: what its owner's quota is charged.
tallies = Table(
    "file_tallies",
    metadata,
    Column("concept_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

# A file that was announced to an open draft and is no object yet (api-rdm.md section 2). The row goes when the file
# is completed: then an object has its name. What it names in the store is durable, and named by nothing else.
transfers = Table(
    "transfers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("draft_id", BigInteger, nullable=False),
    Column("concept_id", BigInteger, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("user_id", Integer, nullable=False, index=True),
    Column("key", Bytewise, nullable=False),
    Column("key_fold", Bytewise, nullable=False),
    Column("mimetype", String(200), nullable=False),
    Column("type", String(1), nullable=False),  # L local, M multipart, F fetch
    Column("status", String(10), nullable=False),  # pending, verifying, failed
    Column("size", BigInteger),  # announced
    Column("checksum", String(150)),  # announced, as sent
    Column("part_size", BigInteger),
    Column("parts", Integer),
    Column(
        "epoch", Integer, nullable=False, server_default="0"
    ),  # grows when received bytes are written over
    Column("handle", Text),  # what the store calls the upload of parts; NULL: not begun
    Column("hasher", String(120)),  # the process that hashes parts while they arrive
    Column("url", Text),  # where to fetch from; never shown
    Column("store", String(40)),
    Column("location", String(200)),
    # Of bytes that are there whole: size and digests found.
    Column("held_size", BigInteger),
    Column("md5", String(32)),
    Column("sha256", String(64)),
    Column("crc32", BigInteger),
    Column("error", Text),
    Column("metadata", Text),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
    Index("uq_transfers_key", "draft_id", "key", unique=True),
    Index("ix_transfers_fold", "draft_id", "key_fold"),
)

# A part that was received: written only when its bytes are durable.
transfer_parts = Table(
    "transfer_parts",
    metadata,
    Column("transfer_id", String(36), ForeignKey("transfers.id", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(200), nullable=False),
    Column("received", Moment, nullable=False),
)
