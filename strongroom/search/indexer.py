"""Who keeps the index fresh, and how a search knows that it is.

    <index_dir>/lock             held (flock) by the indexer: one thread in one process of this machine
    <index_dir>/wake             a FIFO that it reads; a byte says what is wanted now
    <index_dir>/records.json     {"format", "directory", "applied"}: what readers open, and how far it is
    <index_dir>/records-<n>/     tantivy's files; the same for drafts

The indexer applies the change log in order. It commits records at most once a second and drafts every
five, or at once when a search asks. Only after a commit is on disk does it write the number of the last
change in it (`applied`) to the state file, so that file never promises too much; after a `kill -9` the
changes since are applied again, which does no harm (a document replaces that of the same id). tantivy's
Python binding has no commit payload, hence the file. The kernel gives the lock back when its holder
dies, and another process takes over within a quarter of a second.

A search reads the newest change number (`Source.newest`) and the state file. Only when the index is
behind does it write to the FIFO and wait; all searches that wait share the next commit.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import select
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from strongroom.search.documents import Document
from strongroom.search.index import (
    FORMAT,
    Bucket,
    Hits,
    Index,
    Ranked,
    SearchRequest,
    Writer,
    check,
    descending,
)

log = logging.getLogger(__name__)

Kind = Literal["records", "drafts"]
KINDS: tuple[Kind, ...] = ("records", "drafts")
OF_CHANGE: dict[str, Kind] = {"record": "records", "draft": "drafts"}
CHANGE_OF: dict[Kind, str] = {"records": "record", "drafts": "draft"}
_WANTED: dict[Kind, bytes] = {"records": b"r", "drafts": b"d"}
_REBUILD: dict[Kind, bytes] = {"records": b"R", "drafts": b"D"}

BATCH = 1_000  # changes read at a time
COMMIT_AFTER = 10_000  # changed documents that a long catch-up puts into one commit
REBUILD_HEAP = 50_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change log: `kind` is "record", "draft" or anything else (which only moves `seq` on)."""

    seq: int
    kind: str
    id: int


class Source(Protocol):
    """The truth. Called from several threads at once; each call sees what is committed then."""

    def newest(self) -> int:
        """Number of the newest committed change; 0 before the first."""
        ...

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        """The next changes behind that number, in commit order."""
        ...

    def documents(self, kind: str, ids: Sequence[int]) -> Mapping[int, Document]:
        """These records ("record") or drafts ("draft") as they are now; one that is missing is gone."""
        ...

    def everything(self, kind: str, after: int, limit: int) -> Sequence[Document]:
        """All of a kind in the order of ids, those behind that id."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """What the state file says. `applied` is the last change that is in the index."""

    directory: str
    applied: int

    @property
    def begun(self) -> int:
        """When its building began (nanoseconds): the directory's name says."""
        try:
            return int(self.directory.rpartition("-")[2], 16)
        except ValueError:
            return 0

    @classmethod
    def read(cls, path: Path) -> tuple[bytes, State | None]:
        """The bytes of the file and what they say; None where there is no index of our format."""
        try:
            raw = path.read_bytes()
        except OSError:
            return b"", None
        try:
            said = json.loads(raw)
            if said["format"] != FORMAT:
                return raw, None
            return raw, cls(str(said["directory"]), int(said["applied"]))
        except (ValueError, KeyError, TypeError):
            return raw, None

    def write(self, path: Path, *, durable: bool) -> None:
        text = json.dumps({"format": FORMAT, "directory": self.directory, "applied": self.applied})
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with open(temporary, "w") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)


class _Reader:
    """The index of one kind as this process sees it, reopened when the state file changes."""

    def __init__(self, root: Path, kind: Kind) -> None:
        self.root = root
        self.path = root / f"{kind}.json"
        self._lock = threading.Lock()
        self._raw = b""
        self._directory = ""
        self.index: Index | None = None
        self.applied = -1  # nothing, not even an empty index
        self.damaged = False

    def refresh(self) -> None:
        """Looks at the state file (some 15 µs) and shows what it says."""
        self.damaged = False
        # Once more when the directory was exchanged between reading the state and opening.
        for _ in range(3):
            raw, state = State.read(self.path)
            if raw == self._raw and (state is None) == (self.index is None):
                return
            with self._lock:
                # Read again: one who waited here must not put back what another has just shown.
                raw, state = State.read(self.path)
                if state is None:
                    self._raw, self.index, self.applied, self._directory = raw, None, -1, ""
                    return
                try:
                    if self.index is None or state.directory != self._directory:
                        self.index = Index(self.root / state.directory)
                        self._directory = state.directory
                    else:
                        self.index.reload()
                except (ValueError, OSError):
                    self._raw, self.index, self.applied, self._directory = b"", None, -1, ""
                    continue
                self._raw, self.applied = raw, state.applied
                return
        self.damaged = True


class SearchService:
    """Searches both indexes and, where it holds the lock, keeps them fresh.

    `start` begins the indexer's thread; without it searches work, and some other process must index.
    `commit_every` are the seconds between commits that nobody asked for; `patience` is how long a
    search waits for changes that are not in yet.
    """

    def __init__(
        self,
        index_dir: Path,
        source: Source,
        *,
        commit_every: Mapping[Kind, float] | None = None,
        patience: float = 1.0,
    ) -> None:
        self.root = index_dir
        self.source = source
        self.patience = patience
        self.commit_every = {"records": 1.0, "drafts": 5.0} | dict(commit_every or {})
        self.root.mkdir(parents=True, exist_ok=True)
        self._readers = {kind: _Reader(self.root, kind) for kind in KINDS}
        self._committed = threading.Condition()
        self._impatient: dict[Kind, int] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._indexing = False

    # searching

    def search(self, kind: Literal["records", "drafts", "depositions"], request: SearchRequest) -> Hits:
        """Finds published records, a user's drafts, or his depositions: both, each concept once.

        Of depositions the id of an edit is that of its record: whoever loads them takes the draft where
        there is one. Raises QuerySyntaxError, Invalid (unknown sort), Malformed (page too far).
        """
        check(request)
        kinds = KINDS if kind == "depositions" else (kind,)
        if kind != "records":
            request = replace(request, mine=True)
        behind = not self._fresh(kinds)
        indexes = [self._readers[each].index for each in kinds]
        try:
            if (first := indexes[0]) is not None and len(kinds) == 1:
                return replace(first.search(request), behind=behind)
            if first is not None and (second := indexes[1]) is not None:
                return replace(_depositions(first, second, request), behind=behind)
            wrong = [each for each in kinds if self._readers[each].damaged]
        except OSError:
            log.exception("search: the index can't be read; it is built anew")
            wrong = list(kinds)
        for each in wrong:
            self._ask(_REBUILD[each])
        return Hits(behind=True)

    def _fresh(self, kinds: Sequence[Kind]) -> bool:
        """The read barrier: True when every change committed before this call can be found."""
        newest = self.source.newest()
        readers = [self._readers[kind] for kind in kinds]
        for reader in readers:
            reader.refresh()
        if all(reader.applied >= newest for reader in readers):
            return True
        # One that waited in vain need not be followed by all the others, as long as nothing moves.
        stuck = all(self._impatient.get(kind) == self._readers[kind].applied for kind in kinds)
        deadline = time.monotonic() + (min(0.02, self.patience) if stuck else self.patience)
        asked: dict[Kind, int] = {}
        while True:
            for kind, reader in zip(kinds, readers, strict=True):
                # Again after each commit that did not reach far enough.
                if reader.applied < newest and asked.get(kind) != reader.applied and self._ask(_WANTED[kind]):
                    asked[kind] = reader.applied
            left = deadline - time.monotonic()
            if left <= 0:
                self._impatient |= {kind: self._readers[kind].applied for kind in kinds}
                return False
            with self._committed:
                self._committed.wait(min(left, 0.004))
            for reader in readers:
                reader.refresh()
            if all(reader.applied >= newest for reader in readers):
                return True

    def _ask(self, what: bytes) -> bool:
        """Tells the indexer of this machine; False when there is none (this one is told to try)."""
        try:
            pipe = os.open(self.root / "wake", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise
            self._nudge.set()
            return False
        try:
            os.write(pipe, what)
        except BlockingIOError:
            pass  # a full pipe: it is awake
        except BrokenPipeError:
            return False
        finally:
            os.close(pipe)
        return True

    # the indexer

    def start(self) -> None:
        """Begins the thread that indexes, or waits for its turn while another process does."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends it; what it has not committed it, or another, applies again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            self._nudge.set()
            self._ask(b"q")
            thread.join()

    def rebuild(self, timeout: float = 3600) -> None:
        """Builds both indexes anew, here or, where another process indexes, there; back when they are in use.

        Raises TimeoutError when that indexer does not do it in time.
        """
        # One that somebody else asked for, or that was under way, has not seen what we have.
        now = time.time_ns()
        left, asked = list(KINDS), set[Kind]()
        deadline = time.monotonic() + timeout
        while left:
            kind = left[0]
            _, state = State.read(self._readers[kind].path)
            if state is not None and state.begun >= now:
                left.remove(kind)
            elif not self._indexing and (lock := self._lock()) is not None:
                # Nobody indexes, or whoever did is gone.
                try:
                    _Feeder(self, kind).rebuild()
                finally:
                    os.close(lock)
            else:
                # One that has the lock but no pipe yet hears nothing: until it does.
                asked |= {each for each in left if each not in asked and self._ask(_REBUILD[each])}
                if time.monotonic() > deadline:
                    raise TimeoutError(f"The indexer did not rebuild the index of {kind}.")
                time.sleep(0.02)

    def status(self) -> dict[str, object]:
        """For `doctor`: by kind applied, newest, documents, segments, sound; and who indexes."""
        newest = self.source.newest()
        said: dict[str, object] = {"newest": newest, "indexer_here": self._indexing, "format": FORMAT}
        for kind, reader in self._readers.items():
            reader.refresh()
            index = reader.index
            said[kind] = {
                "sound": index is not None,
                "applied": max(reader.applied, 0),
                "behind": max(newest - max(reader.applied, 0), 0),
                "documents": index.count if index else 0,
                "segments": index.segments if index else 0,
            }
        lock = None if self._indexing else self._lock()
        said["indexer_alive"] = self._indexing or lock is None
        if lock is not None:
            os.close(lock)
        return said

    def _lock(self) -> int | None:
        """The open lock file, or None where another holds it."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _still_mine(self, **held: int) -> bool:
        """False when somebody removed the folder: a lock that has no name keeps nobody out."""
        with contextlib.suppress(OSError):
            return all(
                os.stat(self.root / name).st_ino == os.fstat(opened).st_ino for name, opened in held.items()
            )
        return False

    @contextlib.contextmanager
    def _pipe(self) -> Iterator[int]:
        path = self.root / "wake"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Open for writing as well, so that it never reads as closed.
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            yield pipe
        finally:
            os.close(pipe)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                lock = self._lock()
                if lock is None:
                    self._nudge.wait(0.25)
                    self._nudge.clear()
                    continue
                try:
                    with self._pipe() as pipe:
                        self._indexing = True
                        self._index(lock, pipe)
                finally:
                    self._indexing = False
                    os.close(lock)
            except Exception:
                log.exception("search: the indexer could not start; it tries again")
                self._stop.wait(1)

    def _index(self, lock: int, pipe: int) -> None:
        """Feeds both indexes until told to stop."""
        feeders = {kind: _Feeder(self, kind) for kind in KINDS}
        due = dict.fromkeys(KINDS, 0.0)
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        try:
            while not self._stop.is_set() and self._still_mine(lock=lock, wake=pipe):
                wait = max(0.0, min(due.values()) - time.monotonic())
                poll.poll(min(wait, 1.0) * 1000)
                wanted = b""
                with contextlib.suppress(BlockingIOError):
                    wanted = os.read(pipe, 65536)
                for kind, feeder in feeders.items():
                    if self._stop.is_set():
                        return
                    asked = _WANTED[kind] in wanted
                    anew = _REBUILD[kind] in wanted
                    if feeder.resting and time.monotonic() < due[kind]:
                        continue  # after an error: a search that asks must not make it a storm
                    if asked or anew or time.monotonic() >= due[kind]:
                        pause = feeder.feed(anew=anew)
                        due[kind] = time.monotonic() + (pause or self.commit_every[kind])
        finally:
            for feeder in feeders.values():
                feeder.finish()

    def _announce(self) -> None:
        with self._committed:
            self._committed.notify_all()


def _depositions(records: Index, drafts: Index, request: SearchRequest) -> Hits:
    """Drafts and records of a user in one list. What one person has is small: it is merged here."""
    everything = SearchRequest(
        viewer=request.viewer,
        mine=True,
        of_others=request.of_others,
        shared=request.previewed,
        all_versions=True,
    )
    of_drafts = replace(request, shared=request.previewed)
    # A record with an open draft is not shown beside it, whether or not the draft is found.
    by_id = request.all_versions
    covered = {draft.id if by_id else draft.concept for draft in drafts.ranked(everything)}
    found: list[Ranked] = list(drafts.ranked(of_drafts))
    if request.status != "draft":
        found += [r for r in records.ranked(request) if (r.id if by_id else r.concept) not in covered]
    found.sort(key=lambda hit: (hit.value, hit.id), reverse=descending(request))
    start = (request.page - 1) * request.size
    facets: dict[str, list[Bucket]] = {}
    if request.facets:
        both = [
            index.search(replace(asked, page=1, size=1)).facets
            for index, asked in ((drafts, of_drafts), (records, request))
        ]
        facets = {name: _added(*(each.get(name, []) for each in both)) for name in both[0] | both[1]}
    return Hits([hit.id for hit in found[start : start + request.size]], len(found), facets)


def _added(some: Sequence[Bucket], more: Sequence[Bucket]) -> list[Bucket]:
    """Counts of two indexes together, the highest first. (A record in edit counts in both.)"""
    found: dict[str, Bucket] = {bucket.key: bucket for bucket in some}
    for bucket in more:
        same = found.get(bucket.key, Bucket(bucket.key, 0))
        inner = tuple(_added(same.inner, bucket.inner))
        found[bucket.key] = replace(bucket, count=same.count + bucket.count, inner=inner)
    return sorted(found.values(), key=lambda bucket: -bucket.count)


class _Feeder:
    """Applies changes to the index of one kind. Lives only where the lock is held."""

    def __init__(self, service: SearchService, kind: Kind) -> None:
        self.service = service
        self.source = service.source
        self.root = service.root
        self.kind: Kind = kind
        self.path = service.root / f"{kind}.json"
        self.index: Index | None = None
        self.writer: Writer | None = None
        self.state: State | None = None
        self.failures = 0
        self.refusals = 0  # of the index itself, one after the other

    @property
    def resting(self) -> bool:
        return self.failures > 0

    def feed(self, *, anew: bool = False) -> float | None:
        """Brings the index up to the newest change. After a failure: the seconds to wait."""
        try:
            # Who was killed while it committed may have left files under names that tantivy wants to give again, and
            # a writer that failed may keep its lock: an index that refuses twice is built anew beside.
            if anew or self.refusals > 1 or not self.open():
                self.rebuild()
            self.catch_up()
        except Exception as error:
            self.failures += 1
            self.refusals = self.refusals + 1 if isinstance(error, ValueError) else 0  # tantivy's only kind
            log.exception(
                "search: the index of %s could not be brought up to date (%d)", self.kind, self.failures
            )
            self.close()
            return float(min(2 ** (self.failures - 1), 30))
        self.failures = self.refusals = 0
        return None

    def open(self) -> bool:
        """False when there is no sound index of our format, or it knows changes that never were."""
        _, state = State.read(self.path)
        if state is None:
            return False
        if self.index is not None and self.state == state:
            # Somebody may have removed it under us.
            return (self.root / state.directory / "meta.json").exists()
        self.close()
        try:
            self.index = Index(self.root / state.directory)
        except (ValueError, OSError) as error:
            log.warning("search: the index of %s is damaged (%s); it is built anew", self.kind, error)
            return False
        self.state = state
        return True

    def close(self) -> None:
        self.writer = self.index = self.state = None

    def finish(self) -> None:
        """Closes, and gives merges that run in the background two seconds to end by themselves."""
        writer = self.writer
        self.close()
        if writer is not None:
            merging = threading.Thread(target=writer.finish, daemon=True)
            merging.start()
            merging.join(2)

    def save(self, state: State, *, durable: bool) -> None:
        state.write(self.path, durable=durable)
        self.state = state
        self.service._announce()

    def catch_up(self) -> None:
        newest = self.source.newest()
        assert self.state is not None
        if newest < self.state.applied:
            log.warning("search: the change log begins anew; so does the index of %s", self.kind)
            self.rebuild()
            newest = self.source.newest()
        kind = CHANGE_OF[self.kind]
        applied, ids = self.state.applied, dict[int, None]()
        while applied < newest:
            changes = self.source.changes(applied, BATCH)
            if not changes:
                # Numbers that a rolled back transaction left unused.
                applied = newest
                break
            applied = changes[-1].seq
            ids |= dict.fromkeys(change.id for change in changes if change.kind == kind)
            if len(ids) >= COMMIT_AFTER:
                self.apply(list(ids), applied)
                ids = {}
        if applied > self.state.applied or ids:
            self.apply(list(ids), applied)

    def apply(self, ids: list[int], applied: int) -> None:
        assert self.index is not None
        assert self.state is not None
        if ids:
            self.index.reload()
            found = self.put(ids)
            # What a new version takes the place of must not count as latest any longer, and what a
            # withdrawn one gives its place to must; whoever wrote the log need not think of it.
            concepts = {document.concept_id for document in found.values()}
            others = self.index.siblings(concepts) if concepts else set()
            if gone := [id for id in ids if id not in found]:
                others |= self.index.family(gone)
            if others := others.difference(ids):
                self.put(sorted(others))
            assert self.writer is not None
            self.writer.commit()
        self.save(State(self.state.directory, applied), durable=bool(ids))

    def put(self, ids: Sequence[int]) -> dict[int, Document]:
        assert self.index is not None
        if self.writer is None:
            self.writer = self.index.writer()
        found: dict[int, Document] = {}
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            documents = self.source.documents(CHANGE_OF[self.kind], some)
            for id in some:
                if document := documents.get(id):
                    self.writer.put(document)
                    found[id] = document
                else:
                    self.writer.delete(id)
        return found

    def rebuild(self) -> None:
        """Builds a new directory beside the old, which serves until the new one is whole."""
        self.close()
        _, old = State.read(self.path)
        self.sweep(keep=old.directory if old else "")
        # Before the first row is read: what changes meanwhile is applied after.
        directory = f"{self.kind}-{time.time_ns():x}"
        applied = self.source.newest()
        index = Index.create(self.root / directory)
        writer = index.writer(REBUILD_HEAP)
        last, count = -1, 0
        while documents := self.source.everything(CHANGE_OF[self.kind], last, BATCH):
            for document in documents:
                writer.add(document)
            last = documents[-1].id
            count += len(documents)
        writer.commit()
        writer.finish()
        index.reload()
        self.index = index
        self.save(State(directory, applied), durable=True)
        self.sweep(keep=directory)
        log.info("search: built the index of %s: %d documents", self.kind, count)

    def sweep(self, keep: str) -> None:
        """Removes directories that no state names; readers keep what they have open."""
        for path in self.root.glob(f"{self.kind}-*"):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
