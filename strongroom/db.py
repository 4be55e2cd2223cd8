"""The database: SQLite or PostgreSQL behind one small class.

Writing goes through `begin()`: one transaction that is all or nothing. On SQLite it is
`BEGIN IMMEDIATE` (a deferred transaction that later wants to write fails under a second writer),
and one lock per process keeps our own threads from fighting for the file. Reading goes through
`read()`: on SQLite a connection opened read-only, on PostgreSQL a read-only transaction.

Statements are SQLAlchemy Core; tables are declared beside their nouns on the one `metadata` here.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque, namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    exc,
    insert,
    pool,
    text,
    update,
)
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.types import DateTime, TypeEngine

from strongroom.errors import Busy, StorageFull, StrongroomError
from strongroom.settings import Settings

# What nouns take. A connection inside one transaction; the caller owns the transaction.
Session = Connection
# Which columns a row has, the statement beside says.
AnyRow = Any

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC with microseconds. ISO text on SQLite (sorts as time), timestamptz on PostgreSQL."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(32))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


class Bytewise(TypeDecorator[str]):
    """Text compared and sorted by its UTF-8 bytes on both databases (issue: keys)."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Text(collation="C"))
        return dialect.type_descriptor(String(collation="BINARY"))


counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Integer, nullable=False),
)


class Database:
    """One database. `begin()` to write, `read()` to read; both give a connection in a transaction."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.database
        self.is_sqlite = settings.is_sqlite
        self._lock = threading.RLock()
        self._busy = settings.sqlite_busy_seconds
        self._local = threading.local()
        self._hot: list[sqlite3.Connection] = []
        if self.is_sqlite:
            settings.make_data_dir()
            path = settings.data_dir / "strongroom.db"
            self.path: str | None = str(path)
            url = f"sqlite:///{path}"
            self._writer = self._sqlite_engine(url, begin="BEGIN IMMEDIATE")
            # One of each is enough: the lock lets one thread at a time write.
            self._durable = _Lane(self._sqlite_engine(url), "BEGIN IMMEDIATE")
            self._relaxed = _Lane(self._sqlite_engine(url, synchronous="NORMAL"), "BEGIN IMMEDIATE")
            self._reading = _Lane(
                self._sqlite_engine(f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", synchronous=None),
                "BEGIN",
            )
        else:
            self.path = None
            self._writer = create_engine(
                self.url,
                pool_size=settings.threads,
                max_overflow=4,
                pool_pre_ping=False,
                pool_recycle=1800,
                connect_args={"options": "-c timezone=utc", "connect_timeout": 10},
            )
            self._reader = self._writer.execution_options(postgresql_readonly=True)

    def _sqlite_engine(
        self, url: str, *, synchronous: str | None = "FULL", begin: str | None = None
    ) -> Engine:
        """Connections that begin a transaction with `begin`, or, without it, when whoever took one says so."""
        engine = create_engine(
            url,
            poolclass=pool.NullPool,
            connect_args={"check_same_thread": False, "timeout": self._busy},
        )

        @event.listens_for(engine, "connect")
        def connected(connection: sqlite3.Connection, record: object) -> None:
            # The driver's own BEGIN is deferred (a reader that then writes fails under a second writer) and comes late.
            connection.isolation_level = None
            cursor = connection.cursor()
            if synchronous is not None:
                cursor.execute("PRAGMA journal_mode=WAL")
                cursor.execute(f"PRAGMA synchronous={synchronous}")
                cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA busy_timeout={int(self._busy * 1000)}")
            cursor.execute("PRAGMA cache_size=-4000")
            cursor.close()

        if begin is not None:

            @event.listens_for(engine, "begin")
            def begun(connection: Connection) -> None:
                connection.exec_driver_sql(begin)

        return engine

    @property
    def engine(self) -> Engine:
        """For migrations and tests; everything else uses `begin` and `read`."""
        return self._writer

    @contextmanager
    def begin(self, *, durable: bool = True) -> Iterator[Session]:
        """One writing transaction: commits at the end, rolls back on any exception. Raises Busy.

        With `durable` it survives a power cut once committed. Without, it survives a crash of the process
        only: for what no client is told of (reservations, claims of jobs), where a sync would be wasted.
        """
        if not self.is_sqlite:
            with _translated(), self._writer.begin() as session:
                if not durable:
                    session.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield session
            return
        if not self._lock.acquire(timeout=self._busy):
            raise Busy()
        try:
            with _translated(), (self._durable if durable else self._relaxed).transaction() as session:
                yield session
        finally:
            self._lock.release()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A reading transaction. Never keep it open while bytes go to a client."""
        if self.is_sqlite:
            with _translated(), self._reading.transaction() as session:
                yield session
            return
        with _translated(), self._reader.connect() as session, session.begin():
            yield session

    def hot(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one hand-written SELECT, for the two or three hottest reads.

        `?` marks a value. On SQLite it runs on a plain connection of this thread, outside any
        transaction (one SELECT is consistent in itself): a tenth of the CPU of the same through
        SQLAlchemy. Times come as the database's own type; `moment` makes them one.
        """
        if not self.is_sqlite:
            with _translated(), self._reader.connect() as session:
                rows = session.exec_driver_sql(statement.replace("?", "%s"), values).all()
            return [tuple(row) for row in rows]
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=ro", uri=True, isolation_level=None, timeout=self._busy,
                check_same_thread=False,
            )  # fmt: skip
            connection.execute("PRAGMA cache_size=-4000")
            self._local.connection = connection
            self._hot.append(connection)
        try:
            return connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise Busy() from error
            raise

    def next_id(self, session: Session) -> int:
        """A fresh record id; the one below it is its concept's. Never given twice (design section 2)."""
        if self.is_sqlite:
            row = session.exec_driver_sql(
                "UPDATE counters SET value = value + 2 WHERE name = 'record' RETURNING value"
            ).one()
        else:
            row = session.exec_driver_sql("SELECT nextval('record_id')").one()
        return int(row[0])

    def raise_ids_past(self, session: Session, highest: int) -> None:
        """Set the counter past `highest`, for rebuild: ids in any manifest are never given again."""
        highest += highest % 2
        if self.is_sqlite:
            session.execute(
                update(counters)
                .where(counters.c.name == "record", counters.c.value < highest)
                .values(value=highest)
            )
        else:
            session.execute(
                text("SELECT setval('record_id', greatest(:highest, (SELECT last_value FROM record_id)))"),
                {"highest": max(highest, 2)},
            )

    def close(self) -> None:
        for connection in self._hot:
            connection.close()
        self._hot.clear()
        self._local = threading.local()
        self._writer.dispose()
        if self.is_sqlite:
            for lane in (self._durable, self._relaxed, self._reading):
                lane.close()


class _Lane:
    """SQLite connections that stay open, and transactions on them.

    A transaction by SQLAlchemy's pool, events and BEGIN costs 200 µs of CPU each time, the database's part 10: here
    the driver is told itself (decision 0007). What runs inside may be SQLAlchemy's statements or prepared ones.
    """

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        # The last one used first: its cache is warm. As many as were ever used at once.
        self._free: deque[Connection] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        try:
            session = self._free.pop()
        except IndexError:
            session = self._engine.connect()
        driver: Any = session.connection.driver_connection
        try:
            _say(driver, session, self._begin)
            try:
                yield session
                _say(driver, session, "COMMIT")
            except BaseException:
                # Nothing to roll back where a full disk has done it already.
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
                raise
        finally:
            if driver.in_transaction:
                session.close()  # it could not even roll back: not for the next one
            else:
                self._free.append(session)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()
        self._engine.dispose()


def _say(driver: Any, session: Session, statement: str) -> None:
    try:
        driver.execute(statement)
    except sqlite3.Error as error:
        raise _as_alchemy(session, statement, error) from error


def _as_alchemy(session: Session, statement: str, error: Any) -> Exception:
    """A driver's error as SQLAlchemy would raise it: callers know its errors only.

    Values stay out of messages and logs: they may be what not everybody may read.
    """
    driver: Any = session.dialect.loaded_dbapi
    gone = session.dialect.is_disconnect(error, session.connection.driver_connection, None)
    return exc.DBAPIError.instance(  # type: ignore[no-any-return]
        statement, None, error, driver.Error, connection_invalidated=gone, dialect=session.dialect
    )


def moment(value: str | datetime) -> datetime:
    """A time as `hot` gives it, as a datetime in UTC."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


@contextmanager
def _translated() -> Iterator[None]:
    """Trouble that says nothing about our code becomes an error that says what to do."""
    try:
        yield
    except exc.TimeoutError as error:  # all connections of the pool are taken
        raise Busy() from error
    except exc.DBAPIError as error:
        if told := _told(error):
            raise told from error
        raise


def _told(error: exc.DBAPIError) -> StrongroomError | None:
    text, state = str(error.orig), str(getattr(error.orig, "sqlstate", None) or "")
    if "database or disk is full" in text or state == "53100":
        return StorageFull()
    if "database is locked" in text or "database is busy" in text:
        return Busy()
    # Deadlock, serialization failure, lock not available: rolled back, the same may go well now.
    if state in ("40P01", "40001", "55P03"):
        return Busy()
    # Lost, refused, too many connections (class 53), shutting down (57P0x).
    if error.connection_invalidated or state[:2] in ("08", "53") or state[:4] == "57P0":
        return Busy("The database does not answer now. Look whether your change was made, then try again.")
    return None


class Rows:
    """What a prepared statement gave: rows as named tuples."""

    __slots__ = ("_found", "rowcount")

    def __init__(self, found: list[Any], rowcount: int) -> None:
        self._found = found
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)

    def all(self) -> list[Any]:
        return self._found

    def first(self) -> Any:
        """The first row, or None."""
        return self._found[0] if self._found else None

    def one(self) -> Any:
        """The only row. Raises ValueError for none or several."""
        (row,) = self._found
        return row

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return self._found[0][0] if self._found else None

    def scalars(self) -> list[Any]:
        return [row[0] for row in self._found]


class Prepared:
    """A Core statement whose SQL is made once and run on the driver itself (decision 0007).

    SQLAlchemy's own way from a statement to rows costs 80 to 150 µs each time, the database's part 10 to 40.
    Takes part in the session's transaction as any other statement. Not for `IN` lists.
    """

    def __init__(self, statement: Any, names: tuple[str, ...] | None = None) -> None:
        """`names` are the columns that an insert without values sets."""
        self._statement = statement
        self._names = names
        self._ready: dict[str, tuple[str, dict[str, Any], Any, list[tuple[int, Any]]]] = {}

    def on(self, session: Session, values: dict[str, Any]) -> Rows:
        """Run it with these values for its bound parameters."""
        dialect = session.dialect.name
        ready = self._ready.get(dialect)
        if ready is None:
            ready = self._ready[dialect] = self._prepare(session)
        sql, constants, row_type, made = ready
        given = {**constants, **values}
        connection: Any = session.connection.driver_connection
        if dialect == "sqlite":
            for name, value in given.items():
                if value.__class__ is datetime:
                    given[name] = value.astimezone(UTC).isoformat(timespec="microseconds")
        driver = session.dialect.loaded_dbapi
        try:
            cursor = connection.execute(sql, given)
        except driver.Error as error:
            raise _as_alchemy(session, sql, error) from error
        if row_type is None:
            return Rows([], cursor.rowcount)
        found = cursor.fetchall()
        if made:
            for n, row in enumerate(found):
                values_of = list(row)
                for index, make in made:
                    if values_of[index] is not None:
                        values_of[index] = make(values_of[index])
                found[n] = row_type(values_of)
            return Rows(found, len(found))
        return Rows([row_type(row) for row in found], len(found))

    def _prepare(self, session: Session) -> tuple[str, dict[str, Any], Any, list[tuple[int, Any]]]:
        dialect: Dialect = session.dialect
        if dialect.name == "sqlite":
            dialect = SQLiteDialect(paramstyle="named")
        keys = list(self._names) if self._names is not None else None
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        constants = {name: p.value for name, p in compiled.binds.items() if not p.required}
        columns = list(getattr(self._statement, "selected_columns", ()) or ())
        if not columns:
            columns = list(getattr(self._statement, "exported_columns", ()) or ())
        if not columns:
            return str(compiled), constants, None, []
        # The names of a row are those SQLAlchemy would give; a label or function may have a made-up one.
        names = [str(c.name) if getattr(c, "name", None) else f"_{n}" for n, c in enumerate(columns)]
        fields = [n if n.isidentifier() else f"_{i}" for i, n in enumerate(names)]
        row_type = namedtuple("Row", fields, rename=True)  # type: ignore[misc]
        made: list[tuple[int, Any]] = []
        for n, column in enumerate(columns):
            if isinstance(column.type, Moment):
                made.append((n, moment))
            elif isinstance(column.type, Boolean) and dialect.name == "sqlite":
                made.append((n, bool))
        return str(compiled), constants, row_type._make, made


@cache
def _insert_into(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table), names)


def insert_row(session: Session, table: Table, values: dict[str, Any]) -> None:
    """Insert one row; columns that are left out are NULL or have their default in the database."""
    _insert_into(table, tuple(values)).on(session, values)


def wait_for(database: Database, seconds: float = 30) -> None:
    """Wait until the database answers, at start beside a PostgreSQL that is still starting."""
    end = time.monotonic() + seconds
    while True:
        try:
            with database.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
            return
        except exc.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
