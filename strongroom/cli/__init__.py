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
    except OSError as error:
        print(f"strongroom: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        said = _foreign(error)
        if not said:
            raise
        for line in said:
            print(f"strongroom: {line}", file=sys.stderr)
        sys.exit(1)


def _foreign(error: Exception) -> list[str]:
    """What an operator can do something about: settings that are wrong, a database that does not answer."""
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, ValidationError):
        return [
            f"STRONGROOM_{'.'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}."
            for e in error.errors()
        ]
    if isinstance(error, DBAPIError):
        first = str(error.orig).strip().splitlines()[0]
        return [f"the database can't be used: {first}. `strongroom doctor` says more."]
    return []
