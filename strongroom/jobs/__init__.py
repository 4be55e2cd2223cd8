"""Work for later: rows in the caller's transaction, done by threads of any process.

    @jobs.task("write_manifest")
    def write_manifest(ctx: Context, args: dict[str, Any]) -> None: ...

    jobs.enqueue(session, "write_manifest", str(record_id), {"record": record_id})

The row is outbox and queue in one: no job without its change, no change without its job. A task
may run twice, late, or out of order (a worker died, a lease ran out): it gets ids, reads the state
of now, and writes only what is not older than what is there. One that is tried again finds `attempt`,
the number of failures, in its args.
"""

from strongroom.jobs.cron import every
from strongroom.jobs.models import Failed, task
from strongroom.jobs.queue import counts, dead, enqueue, retry, wake
from strongroom.jobs.worker import Worker, run_pending

__all__ = ["Failed", "Worker", "counts", "dead", "enqueue", "every", "retry", "run_pending", "task", "wake"]
