"""The threads that do the jobs: one that watches the clock, and for each lane those that work.

Two lanes: local tasks, and `remote` ones that may hang on somebody else's server. A local worker
takes a batch and ends it in the same transaction in which it takes the next, so that a job costs
little more than its own work. `kill -9` at any moment loses nothing: leases run out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from strongroom.db import Database
from strongroom.ids import now
from strongroom.jobs import cron, queue
from strongroom.jobs.models import TASKS, Failed
from strongroom.jobs.queue import Claim

log = logging.getLogger(__name__)

BATCH = 32
POLL_SECONDS = 1.0
# What is enqueued within this time is done in one batch: at full load a third of the transactions.
GATHER_SECONDS = 0.05
# A batch that took so long is ended, and what it has not begun goes to whoever is free.
BATCH_SECONDS = 1.0


class Lane:
    """Runs the jobs of some tasks in the thread that calls `drain`."""

    def __init__(self, db: Database, ctx: Any, names: tuple[str, ...], batch: int = BATCH) -> None:
        self.db, self.ctx, self.names, self.batch = db, ctx, names, batch
        self.woken = threading.Event()
        self.expired = False  # the clock saw that a worker died
        self.stopping = False
        # What we hold, and when its lease wants renewal (time.monotonic); the clock thread reads it.
        self.held: dict[Claim, float] = {}

    def drain(self, due: Callable[[], datetime] = now) -> int:
        """Do all that is due; how many jobs were tried."""
        done: list[Claim] = []
        total = 0
        while True:
            # Not synced: after a power cut a job is done again, which does no harm.
            with self.db.begin(durable=False) as session:
                ours = queue.complete(session, done)
                claims: list[Claim] = []
                if self.expired:
                    claims = queue.claim(session, self.names, due(), 1, expired=True)
                    self.expired = bool(claims)
                if not claims and not self.stopping:
                    claims = queue.claim(session, self.names, due(), self.batch)
            if ours < len(done):
                log.warning("%d job(s) took longer than their lease and were done twice", len(done) - ours)
            if not claims:
                return total
            total += len(claims)
            done = self._work(claims)

    def _work(self, claims: list[Claim]) -> list[Claim]:
        """Run a batch; those that succeeded. The others are back in the queue, or dead."""
        started = time.monotonic()
        self.held = {claim: started + claim.lease.total_seconds() / 3 for claim in claims}
        done: list[Claim] = []
        try:
            for number, claim in enumerate(claims):
                if number and (self.stopping or time.monotonic() - started > BATCH_SECONDS):
                    self._put_back(claim)
                elif self._run(claim):
                    done.append(claim)
            return done
        finally:
            self.held = {}

    def _run(self, claim: Claim) -> bool:
        task = TASKS[claim.task]
        if claim.attempts >= task.max_attempts:  # only after a takeover: failures end below
            self._put_back(claim, state="dead", error="The worker died while it ran this, each time.")
            return False
        try:
            # After a failure, or a worker that died: something may lie around half done.
            task.run(self.ctx, {**claim.args, "attempt": claim.attempts} if claim.attempts else claim.args)
        except Failed as error:
            log.error("job %s %s failed for good: %s", claim.task, claim.key, error)
            self._put_back(claim, state="dead", error=str(error))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if claim.attempts + 1 >= task.max_attempts:
                log.exception("job %s %s failed for the last time", claim.task, claim.key)
                self._put_back(claim, state="dead", error=text)
            else:
                # Who is unavailable may say when to come back (Retry-After); never sooner than that.
                delay = max(queue.backoff(claim.attempts + 1), float(getattr(error, "retry_after", 0) or 0))
                log.warning("job %s %s: %s; again in %.0f s", claim.task, claim.key, text, delay)
                self._put_back(claim, delay=delay, error=text)
        else:
            return True
        return False

    def _put_back(self, claim: Claim, **how: Any) -> None:
        for last in (False, True):
            try:
                with self.db.begin() as session:
                    queue.put_back(session, claim, **how)
                return
            except IntegrityError:  # PostgreSQL: the same was asked for at this very moment; now we see it
                if last:
                    raise

    def renew(self) -> None:
        """Renew the leases that have used up a third of their time (clock thread)."""
        moment, held = time.monotonic(), self.held
        wanting = [claim for claim, at in tuple(held.items()) if at <= moment]
        if wanting:
            with self.db.begin() as session:
                queue.renew(session, wanting)
            for claim in wanting:
                held[claim] = moment + claim.lease.total_seconds() / 3


def lanes(db: Database, ctx: Any, threads: int, apart: bool = True) -> list[Lane]:
    """A lane a thread for the local tasks, and (`apart`) one more for the remote ones."""
    local = tuple(sorted(task.name for task in TASKS.values() if not (apart and task.remote)))
    remote = tuple(sorted(set(TASKS) - set(local)))
    made = [Lane(db, ctx, local) for _ in range(threads)] if local else []
    return made + ([Lane(db, ctx, remote, batch=1)] if remote else [])


def run_pending(db: Database, ctx: Any, until: datetime | None = None) -> int:
    """Do everything that is due (by `until`, default now) in this thread; how many jobs were tried.

    What these jobs enqueue is done too, as are crons and jobs of dead workers; for tests and commands. A job that fails is
    put back with its usual delay, and tried again only when that ends before `until`.
    """
    with db.begin() as session:
        cron.plan(session, until or now())
        cron.fire(session, until or now())
    made, total = lanes(db, ctx, 1, apart=False), 0
    for lane in made:
        lane.expired = True
    while tried := sum(lane.drain(lambda: until or now()) for lane in made):
        total += tried
    return total


class Worker:
    """Does jobs in `threads` threads (and one more for remote tasks) from `start` to `stop`.

    All modules that define tasks must be imported before `start`. `ctx` is what tasks get. Where
    nothing remote is configured (the local registrar), `remote_apart=False` saves a thread and
    two transactions a publish.
    """

    def __init__(self, db: Database, ctx: Any, threads: int = 1, *, remote_apart: bool = True) -> None:
        self.db, self.ctx, self.threads, self.remote_apart = db, ctx, threads, remote_apart
        self._stopping = threading.Event()
        self._lanes: list[Lane] = []
        self._running: list[threading.Thread] = []

    def start(self) -> None:
        self._stopping.clear()
        self._lanes = lanes(self.db, self.ctx, self.threads, self.remote_apart)
        targets: list[tuple[str, Callable[[], None]]] = [("jobs-clock", self._watch)]
        for number, lane in enumerate(self._lanes):
            queue._sleepers.add(lane.woken)
            targets.append((f"jobs-{number}", lambda lane=lane: self._work(lane)))  # type: ignore[misc]
        self._running = [threading.Thread(target=run, name=name, daemon=True) for name, run in targets]
        for thread in self._running:
            thread.start()

    def stop(self, timeout: float = 30) -> bool:
        """End after the jobs that are running; False when some still ran after `timeout` seconds."""
        self._stopping.set()
        for lane in self._lanes:
            queue._sleepers.discard(lane.woken)
            lane.stopping = True
            lane.woken.set()
        end = time.monotonic() + timeout
        for thread in self._running:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._running)

    def _work(self, lane: Lane) -> None:
        while True:
            lane.woken.wait()
            if self._stopping.wait(GATHER_SECONDS):
                return
            lane.woken.clear()
            if self._stopping.is_set():  # `stop` may have set the event that we just cleared
                return
            try:
                lane.drain()
            except Exception:  # the database is away or busy: the clock wakes us again
                log.exception("the job worker could not reach the database; it goes on trying")

    def _watch(self) -> None:
        """Wake the lanes when something is due or a worker died, fire crons, renew leases."""
        names = tuple(sorted({name for lane in self._lanes for name in lane.names}))
        # Often enough that the shortest lease is renewed in time.
        poll = min([POLL_SECONDS, *(TASKS[name].lease_seconds / 4 for name in names)])
        cron_due: datetime | None = None
        planned = False
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = poll
            try:
                for lane in self._lanes:
                    lane.renew()
                if not planned:
                    with self.db.begin() as session:
                        cron.plan(session, now())
                        cron_due = cron.next_run(session)
                    planned = True
                if cron_due and cron_due <= now():
                    with self.db.begin() as session:
                        cron.fire(session, now())
                        cron_due = cron.next_run(session)
                with self.db.read() as session:
                    due, lease = queue.next_times(session, names)
                moment = now()
                for lane in self._lanes:
                    if lease and lease < moment:
                        lane.expired = True
                    if (lease and lease < moment) or (due and due <= moment):
                        lane.woken.set()
                soon = [at - moment for at in (due, lease, cron_due) if at and at > moment]
                pause = max(0.01, min([poll, *(span.total_seconds() for span in soon)]))
            except Exception:
                log.exception("the job worker could not reach the database; it goes on trying")
