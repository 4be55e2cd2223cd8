"""Loading a vocabulary as a job, for whoever asks for it without a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strongroom.context import Context
from strongroom.errors import Conflict, Invalid, Malformed, NotFound
from strongroom.jobs import Failed, task
from strongroom.vocabularies import loading


@task("vocabulary.load", max_attempts=5)
def load(ctx: Context, args: dict[str, Any]) -> None:
    """Load the file `path` of the registry `source` (`loading.load`), then bring this machine's index up to date.

    A worker that dies leaves what was written; the next attempt finds that done.
    """
    try:
        with ctx.vocabularies.following() as follow:
            loading.load(
                ctx.db, args["source"], Path(args["path"]), lambda _: follow(),
                retire_many=bool(args.get("retire_many")),
            )  # fmt: skip
    except (Invalid, NotFound, Malformed, Conflict) as error:
        raise Failed(str(error)) from error
    ctx.vocabularies.wait()
