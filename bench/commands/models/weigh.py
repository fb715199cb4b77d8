"""`bench weigh`: trains one method on a generated set and writes the weights of its rows, in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.commands.reports.weights_file import Filter, write_section
from bench.config.request import Request
from bench.config.settings import PRESETS
from bench.errors import UserError
from bench.execution.grid import Options, Result
from bench.execution.grid import run as run_grid
from bench.execution.progress import Say, Show
from bench.store.folders import State, state

EPOCHS = 2  # passes over all rows, unless settings are given: with one pass a weight is that of a single visit
OWN = {"updates": "none", "epochs": str(EPOCHS), "generated_rows": "none"}
SIZES = {"updates", "epochs", "generated_rows"}


def settings_of(preset: str, given: dict[str, str]) -> dict[str, str]:
    """The settings of a training in which every generated row is visited; given settings overrule them.

    A preset that limits the generated rows has its number of updates for so many rows: all rows are passed twice then.
    """
    if preset not in PRESETS or SIZES & {name.replace("-", "_") for name in given}:
        return given
    settings = PRESETS[preset].settings
    for_fewer_rows = settings.updates is not None and settings.generated_rows is not None
    return {**given, **(OWN if for_fewer_rows else {"generated_rows": "none"})}


def weigh(request: Request, options: Options, to: Path, rows: Filter, say: Say, show: Show) -> Result:
    """Run the grid of one method and one task, then write the weights. Raises UserError for others."""
    if request.several:
        raise UserError(f"weigh takes one {request.several}; `bench run` takes several, and then `bench weights`")
    (choice,) = request.methods
    if choice.config.train_on == "real":
        raise UserError(f"{choice.label} trains on real rows alone, so generated rows get no weights")
    result = run_grid(request, options, say, show)
    if result.ok and not options.dry_run:
        for line in written_lines(result, to, rows):
            say(line)
    return result


def written_lines(result: Result, to: Path, rows: Filter) -> Iterator[str]:
    """Write the weights of a grid with one method."""
    (section,) = result.manifest["sections"]
    (method,) = section["methods"]
    cells = {int(seed): result.store / folder for seed, folder in method["cells"].items()}
    done = {seed: folder for seed, folder in cells.items() if state(folder) is State.DONE}
    yield from write_section(result.store, section, done, to, rows)
