"""Rows of requests, of their timelines, and of what guests have not confirmed yet."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from strongroom.db import Moment, metadata

requests = Table(
    "requests",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # what people call it by
    Column("id", String(36), nullable=False, unique=True),
    Column("type", String(40), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column(
        "status", String(20), nullable=False
    ),  # created, submitted, accepted, declined, cancelled, expired
    Column("creator_type", String(20), nullable=False),  # user, email
    Column("creator_id", String(320), nullable=False),
    Column("receiver_type", String(20)),  # user, community; none: those who look after the repository
    Column("receiver_id", String(80)),
    Column("topic_type", String(20), nullable=False),  # record, community, user
    Column("topic_id", String(80), nullable=False),
    Column("concept_id", BigInteger, index=True),  # of a record's request: who manages it may see it
    Column("payload", Text, nullable=False),  # JSON object
    # Set while it is open: what there can be only one of at a time.
    Column("open_key", String(400), unique=True),
    Column("locked", Boolean, nullable=False, default=False),
    Column("expires", Moment),
    Column("revision", Integer, nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("activity", Moment, nullable=False),  # the newest event
    Index("ix_requests_creator", "creator_type", "creator_id"),
    Index("ix_requests_receiver", "receiver_type", "receiver_id"),
    Index("ix_requests_topic", "topic_type", "topic_id"),
    sqlite_autoincrement=True,
)

events = Table(
    "request_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # the order of the timeline
    Column("id", String(36), nullable=False, unique=True),
    Column("request_id", String(36), ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", String(36)),  # the comment that this one answers
    Column("type", String(1), nullable=False),  # C comment, L log
    Column("payload", Text, nullable=False),  # JSON object
    Column("creator_type", String(20), nullable=False),
    Column("creator_id", String(320), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Index("ix_request_events_timeline", "request_id", "seq"),
    Index("ix_request_events_parent", "parent_id"),
    sqlite_autoincrement=True,
)

confirmations = Table(
    "access_confirmations",
    metadata,
    Column("hash", String(64), primary_key=True),  # sha256 of the token in the mail
    Column("record_id", BigInteger, nullable=False),
    Column("email", String(320), nullable=False),
    Column("payload", Text, nullable=False),  # JSON: what the request will say
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Index("ix_access_confirmations_of", "record_id", "email"),
)
