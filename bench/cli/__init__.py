"""The command line. Parsing only; what a command starts is imported when it starts.

Exit codes: 0 all is there, 1 some cells failed, 2 the request cannot be met as asked, 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Sequence
from typing import Any

import typer

from bench.cli import grids, models, reports, stores
from bench.cli.argv import canonical
from bench.cli.common import INTERRUPTED
from bench.cli.foreign import foreign_package
from bench.errors import UserError
from tasks import DataError

__all__ = ["app", "commands", "main"]

# What a disk answers that is full, read-only, somebody else's or broken: no reason for a traceback.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
# ... and to names that cannot be any file's, or are not that of a folder or of a file.
NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP)
LONGEST = 200  # characters of a name that are told

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which data-weighting method helps a classifier trained on LLM-generated text, by how much, and is it real?",
)

# In the order in which the help lists them.
app.command()(grids.run)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(grids.stress)
app.command()(grids.sweep)
app.command()(models.train)
app.command()(models.predict)
app.command()(stores.validate)
app.command(name="list")(stores.list_)
app.command()(stores.show)
app.command()(stores.clean)
app.command()(reports.report)
app.command()(reports.compare)
app.command()(stores.weights)
app.command()(reports.calibrate)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    if problem := foreign_package():
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    try:
        parser = commands()
        code: Any = parser.main(canonical(sys.argv[1:] if argv is None else argv, parser), standalone_mode=False)
    except (UserError, DataError) as error:
        code = complain(str(error))
    except typer.Exit as stop:
        code = stop.exit_code
    except OSError as error:
        if error.errno not in (*DISK, *NAMES):
            raise
        done = "written" if error.errno in DISK else "used"
        code = complain(f"{str(error.filename or 'a file')[:LONGEST]} cannot be {done}: {error.strerror}")
    except Exception as error:
        told = getattr(error, "format_message", None)  # an error of the parser
        if told is None:
            raise
        code = complain(told()) if told() else 2  # without a command the help has been shown
    if code == INTERRUPTED:
        print("interrupted; the same command goes on from here", file=sys.stderr)
    sys.exit(code or 0)


def commands() -> Any:
    """The parser of all commands."""
    return typer.main.get_command(app)


def complain(message: str) -> int:
    """The one line that the user gets, and the exit code that goes with it."""
    from bench.execution.engines.torchrun import follows

    if follows():
        time.sleep(5)  # torchrun ends all processes when one ends: the one that speaks goes first
    else:
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
