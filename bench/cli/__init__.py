"""The command line: parsing only. A command imports its code when it starts, so that `--help` is instant.

Exit codes: 0 every cell is finished, 1 some cells failed, 2 the request cannot be met, 130 interrupted, 143 and 129
stopped by SIGTERM and SIGHUP (149 by SIGBREAK, on Windows).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from bench import shown
from bench.cli import data, grids, models, reports, stores
from bench.cli.argv import canonical
from bench.cli.common import INTERRUPTED, ended_by_signals, lost_output, say
from bench.cli.foreign import foreign_package
from bench.errors import UserError
from bench.version import VERSION
from methods.plugins import PluginError
from tasks import DataError
from tasks.errors import one_line

__all__ = ["app", "commands", "main"]

# Of a disk that is full, read-only, broken or another user's, or of a file that may not grow. Other errors of files are
# those of names that no file can have.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)
TRAIN = ("run", "stress", "sweep", "train", "weigh", "advise", "labels")  # see `bench.execution.signals`
KEEP = ("generate", "clean", "doctor", "merge", "import")  # they keep what they have done, too
CONTINUES = "the same command continues from here"
FORCED = "earlier results stay, except those of cells in training; the same command trains all again"
MAX_NAME = 200  # characters of a file name shown in an error

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Which data-weighting method helps a classifier trained on LLM-generated text, by how much, and is it real?",
)


def print_version(wanted: bool) -> None:
    """Print the name and version of the distribution and end, if it is wanted."""
    if wanted:
        say(f"data-weighting-bench {VERSION}")
        raise typer.Exit


@app.callback()
def options_before_a_command(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """The options that stand before the name of a command."""


# In the order in which the help lists them.
app.command()(grids.run)
app.command()(grids.plan)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(grids.stress)
app.command()(grids.sweep)
app.command()(models.train)
app.command()(models.predict)
app.command()(models.export)
app.command()(data.validate)
app.command()(data.generate)
app.command(name="list")(stores.list_)
app.command()(stores.show)
app.command()(stores.clean)
app.command()(stores.doctor)
app.command()(stores.merge)
app.command()(stores.publish)
app.command(name="import")(stores.import_)
app.command()(reports.report)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(reports.advise)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(reports.labels)
app.command()(reports.compare)
app.command()(reports.changes)
app.command()(reports.variance)
app.command()(reports.weights)
app.command()(models.weigh)
app.command()(reports.calibrate)
app.command()(data.init)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # where output is in Windows-1252, letters may be missing
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # `bench.encoders.loading` checks models
    if problem := foreign_package():
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    try:
        parser = commands()
        words = canonical(sys.argv[1:] if argv is None else argv, parser)
        sys.argv[1:] = shown.words(sys.argv[1:])  # which trackers send, of this process and of the workers
        with contextlib.nullcontext() if words[:1] and words[0] in TRAIN else ended_by_signals():
            code: Any = parser.main(words, standalone_mode=False)
    except (UserError, DataError, PluginError) as error:
        code = complain(str(error))
    except typer.Exit as stop:
        code = stop.exit_code
    except OSError as error:
        verb = "written" if error.errno in DISK else "used"
        code = complain(f"{str(error.filename or 'a file')[:MAX_NAME]} cannot be {verb}: {error.strerror or error}")
    except (RecursionError, MemoryError) as error:  # of nested or huge input
        code = complain("an input is nested too deeply" if isinstance(error, RecursionError) else "not enough memory")
    except Exception as error:
        parser_message = getattr(error, "format_message", None)
        if parser_message is None:
            raise
        message = " ".join(parser_message().replace("Value error, ", "").split())
        if message.startswith("Missing argument"):
            usage = " ".join(error.ctx.get_usage().split())  # type: ignore[attr-defined]
            message = f"{message.rstrip('.')}. {usage}"
        code = complain(message) if message else 2  # without a command the help has been shown
    if problem := lost_output():
        code = complain(problem)
    if code == INTERRUPTED:
        keeps = words[0] in (*TRAIN, *KEEP)
        how = FORCED if "--force" in words else CONTINUES if keeps else "the same command begins again"
        print(f"interrupted; {how}", file=sys.stderr)
    sys.exit(code or 0)


def commands() -> Any:
    """The parser of all commands."""
    return typer.main.get_command(app)


def complain(message: str) -> int:
    """Print an error in one line; returns exit code 2."""
    from bench.execution.engines.torchrun import follows

    if follows():
        time.sleep(5)  # torchrun stops all processes when one ends, so the one that prints the error must end first
    else:
        print(f"error: {one_line(message)}", file=sys.stderr)
    return 2
