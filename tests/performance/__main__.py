"""Measure speed and memory. Each command writes its own section of `reports/performance.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Page = Annotated[Path, typer.Option("--page", help="The Markdown file in which the section is written.")]
Encoder = Annotated[str | None, typer.Option(help="Hub id or folder of the encoder (default: the preset's).")]
PAGE, SWEEPS = Path("reports/performance.md"), Path("reports/sweeps")


@app.command("cpu")
def run_cpu(
    seeds: Annotated[int, typer.Option(help="Seeds of the grid of five methods.")] = 3,
    updates: Annotated[int, typer.Option(help="Updates for which a Trainer cell is timed.")] = 8,
    rows: Annotated[int, typer.Option(help="Test rows on which a Trainer cell is timed.")] = 64,
    repeats: Annotated[int, typer.Option(help="How often everything is measured, alternating.")] = 1,
    preset: Annotated[str, typer.Option(help="Preset of training settings.")] = "full",
    encoder: Encoder = None,
    test_rows: Annotated[int, typer.Option(help="Test rows of the grid's cells.")] = 500,
    page: Page = PAGE,
) -> None:
    """Time a grid on CPUs against one Trainer process per cell (three paddings) and against one warm Trainer loop."""
    from tests.performance.cpu import Sizes, measure

    sizes = Sizes(seeds, updates, rows, repeats, preset, encoder=encoder, test_rows=test_rows)
    measure(sizes, page, typer.echo)


@app.command("quick")
def run_quick(
    seeds: Annotated[int, typer.Option(help="Seeds of the grid of core methods.")] = 5,
    preset: Annotated[str, typer.Option(help="Preset of training settings.")] = "quick",
    encoder: Encoder = None,
    page: Page = PAGE,
) -> None:
    """Time the default grid from an empty store and again with its precomputed tables, and profile one cell."""
    from tests.performance.main_job import measure

    measure(seeds, preset, encoder, page, typer.echo)


@app.command("scaling")
def run_scaling(
    cells: Annotated[str, typer.Option(help="Numbers of cells, comma-separated.")] = "10,100,1000",
    rows: Annotated[str, typer.Option(help="Numbers of generated rows, comma-separated.")] = "1000,10000,100000",
    lengths: Annotated[str, typer.Option(help="Numbers of words per text, comma-separated.")] = "8,32,120",
    page: Page = PAGE,
) -> None:
    """Measure how time and memory grow with cells, rows, text length and workers, with a tiny encoder."""
    from tests.performance.scaling import measure

    measure(numbers(cells), numbers(rows), numbers(lengths), page, typer.echo)


@app.command("engines")
def run_engines(
    cells: Annotated[str, typer.Option(help="Numbers of cells, comma-separated.")] = "100,1000,10000",
    engines: Annotated[str, typer.Option(help="Engines, comma-separated, see `bench list engines`.")] = "local,ray",
    page: Page = PAGE,
) -> None:
    """Measure time, memory and the size of the store for many tiny cells on each engine."""
    from tests.performance.engines import measure

    measure(numbers(cells), engines.split(","), page, typer.echo)


@app.command("presets")
def run_presets(
    first: Annotated[Path, typer.Argument(help="A store or a report's folder, for example of preset quick.")],
    second: Annotated[Path, typer.Argument(help="The same for another preset, with the same task and methods.")],
    task: Annotated[str, typer.Option(help="Task expression, as in the stores.")] = "twitter",
    page: Page = PAGE,
) -> None:
    """Compare how two stores or reports rank methods: Kendall's tau, and every verdict that differs."""
    from tests.performance.presets import measure

    measure(first, second, task, page, typer.echo)


@app.command("gpu")
def run_gpu(
    slots: Annotated[str, typer.Option(help="Numbers of workers on the GPU, each one run of the grid.")] = "1,2,4,8,16",
    methods: Annotated[str, typer.Option(help="Methods of the grid, comma-separated.")] = "ce,focal,superloss,dimp",
    seeds: Annotated[int, typer.Option(help="Seeds of the grid.")] = 10,
    page: Page = PAGE,
) -> None:
    """Time a grid with an encoder of bert-base size in bf16 on a GPU against Trainer, and against the roofline."""
    from tests.performance.gpu import measure

    measure(numbers(slots), tuple(methods.split(",")), seeds, page, typer.echo)


@app.command("sweep")
def run_sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file, whose trials a W&B agent runs.")],
    methods: Annotated[str, typer.Option(help="Run these methods of the file alone: ce,dimp.")] = "",
    folder: Annotated[Path, typer.Option(help="Where its table, figure and section are written.")] = SWEEPS,
) -> None:
    """Run a sweep file under a real W&B agent, with a server on the loopback interface, and show its effect."""
    from tests.performance.sweeps import measure

    measure(file, [name for name in methods.split(",") if name], folder, typer.echo)


def numbers(text: str) -> list[int]:
    """The numbers of a comma-separated list. Raises UserError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UserError(f"{text!r} is not a list of positive whole numbers, such as 1,2,4")
    return [int(part) for part in parts]


def main() -> None:
    """Run a command. A mistake of the user is reported in one line, with exit code 2."""
    try:
        app(prog_name="python -m tests.performance")
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
