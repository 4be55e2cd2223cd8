"""The command `strongroom`. Each command says what it did and, when it could not, what to do."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point; errors of ours become one line on standard error and status 1."""
    from strongroom.cli.commands import cli
    from strongroom.errors import Invalid, StrongroomError

    try:
        cli()
    except Invalid as error:
        for finding in error.findings:
            print(f"strongroom: {finding.field}: {' '.join(finding.messages)}", file=sys.stderr)
        if not error.findings:
            print(f"strongroom: {error.message}", file=sys.stderr)
        sys.exit(1)
    except StrongroomError as error:
        print(f"strongroom: {error.message}", file=sys.stderr)
        sys.exit(1)
