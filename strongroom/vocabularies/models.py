"""Rows of the big vocabularies, and of the loads that filled them.

One row an entry, whatever its kind. `data` is what the API shows, `names` what it is found by. Rows are never
removed: an entry that left its registry is retired, since records may name it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from strongroom.db import Bytewise, Moment, metadata

NUMBER = BigInteger().with_variant(Integer, "sqlite")

terms = Table(
    "vocabulary_terms",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),  # given by `loading`
    Column("kind", String(20), nullable=False),  # affiliations, funders, awards, names, subjects
    Column("id", Bytewise(), nullable=False),
    Column("source", String(60), nullable=False),  # registry, part: only its own files retire an entry
    Column("sort_name", Bytewise(), nullable=False),  # folded, cut: lists are sorted by it
    Column("data", Text, nullable=False),
    Column("names", Text, nullable=False),  # `strongroom.search.terms.Term.pack`
    Column("digest", String(32), nullable=False),  # of data and names: what is equal is not written again
    Column("retired", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    # Grows with every change, in commit order: the suggest index follows it.
    Column("seq", BigInteger, nullable=False),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Index("uq_vocabulary_terms_id", "kind", "id", unique=True),
    Index("uq_vocabulary_terms_seq", "seq", unique=True),
    Index("ix_vocabulary_terms_sort", "kind", "retired", "sort_name", "id"),
)

# Other ids of an entry by which it is asked for: a funder's DOIs of the Crossref registry.
aliases = Table(
    "vocabulary_aliases",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("alias", Bytewise(), primary_key=True),
    Column("number", NUMBER, ForeignKey("vocabulary_terms.number"), nullable=False, index=True),
)

loads = Table(
    "vocabulary_loads",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("source", String(20), nullable=False, index=True),
    Column("file", Text, nullable=False),  # its name, without the folder
    Column("started", Moment, nullable=False),
    Column("finished", Moment),  # none: it still runs, or was killed
    Column("read", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("retired", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
