"""Benchmarks as commands; each writes its section of `reports/performance.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Page = Annotated[Path, typer.Option("--page", help="The file whose section is written.")]
PAGE = Path("reports/performance.md")


@app.command("cpu")
def run_cpu(
    seeds: Annotated[int, typer.Option(help="Seeds of our grid of five methods.")] = 3,
    updates: Annotated[int, typer.Option(help="Updates that a naive cell is measured on.")] = 8,
    rows: Annotated[int, typer.Option(help="Test rows that a naive cell is measured on.")] = 64,
    repeats: Annotated[int, typer.Option(help="Of everything, by turns.")] = 1,
    preset: Annotated[str, typer.Option(help="Training settings.")] = "full",
    encoder: Annotated[str | None, typer.Option(help="Hub id or folder [default: the preset's].")] = None,
    test_rows: Annotated[int, typer.Option(help="Test rows of the grid.")] = 500,
    page: Page = PAGE,
) -> None:
    """The grid against one Trainer process per cell, three paddings, and a warm Trainer loop."""
    from tests.performance.cpu import Sizes, measure

    sizes = Sizes(seeds, updates, rows, repeats, preset, encoder=encoder, test_rows=test_rows)
    measure(sizes, page, typer.echo)


@app.command("quick")
def run_quick(
    seeds: Annotated[int, typer.Option(help="Seeds of the core methods.")] = 5,
    preset: Annotated[str, typer.Option(help="Training settings.")] = "quick",
    encoder: Annotated[str | None, typer.Option(help="Hub id or folder [default: the preset's].")] = None,
    page: Page = PAGE,
) -> None:
    """The main job as a newcomer runs it, cold and warm, and where a cell's time goes."""
    from tests.performance.main_job import measure

    measure(seeds, preset, encoder, page, typer.echo)


@app.command("scaling")
def run_scaling(
    cells: Annotated[str, typer.Option(help="Numbers of cells.")] = "10,100,1000",
    rows: Annotated[str, typer.Option(help="Numbers of generated rows.")] = "1000,10000,100000",
    lengths: Annotated[str, typer.Option(help="Words per text.")] = "8,32,120",
    page: Page = PAGE,
) -> None:
    """How time and memory grow with cells, rows, length of texts and workers, with a tiny encoder."""
    from tests.performance.scaling import measure

    measure(numbers(cells), numbers(rows), numbers(lengths), page, typer.echo)


@app.command("presets")
def run_presets(
    first: Annotated[Path, typer.Argument(help="A store or a report's folder, of preset quick say.")],
    second: Annotated[Path, typer.Argument(help="The same task and methods by another preset.")],
    task: Annotated[str, typer.Option(help="As the stores name it.")] = "twitter",
    page: Page = PAGE,
) -> None:
    """Whether two stores or reports rank methods alike: Kendall's tau, and every verdict that changes."""
    from tests.performance.presets import measure

    measure(first, second, task, page, typer.echo)


@app.command("gpu")
def run_gpu(
    slots: Annotated[str, typer.Option(help="Workers on the GPU, one try each.")] = "1,2,4,8",
    methods: Annotated[str, typer.Option(help="Of the grid.")] = "ce,focal,superloss,dimp",
    seeds: Annotated[int, typer.Option(help="Of the grid.")] = 10,
    page: Page = PAGE,
) -> None:
    """The grid of bert-base shapes in bf16 on a GPU against Trainer, and its share of the step roofline."""
    from tests.performance.gpu import measure

    measure(numbers(slots), tuple(methods.split(",")), seeds, page, typer.echo)


def numbers(text: str) -> list[int]:
    """The numbers of a list with commas. Raises UserError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UserError(f"{text!r} is not a list of numbers from 1, such as 1,2,4")
    return [int(part) for part in parts]


def main() -> None:
    """Run a command; what the user got wrong is one line and exit code 2."""
    try:
        app(prog_name="python -m tests.performance")
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
