"""The command line. Parsing only; what a command starts is imported when it starts.

Exit codes: 0 all is there, 1 some cells failed, 2 the request cannot be met as asked, 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.argv import normalise
from bench.errors import UserError
from bench.leaderboard.rules import Correction, Rules
from bench.presets import Settings
from tasks import DataError

INTERRUPTED = 130
SETTINGS = tuple(f"--{entry.name.replace('_', '-')}" for entry in fields(Settings))
FLAGS = (
    "--dry-run",
    "--retry-failed",
    "--force",
    "--fail-fast",
    "--allow-mixed",
    "--no-figures",
    "--full",
    "--check",
    "--aa",
)
SEVERAL = ("--from",)  # options of several values

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which data-weighting method helps a classifier trained on LLM-generated text, by how much, and is it real?",
)

Methods = Annotated[str, typer.Option(help='Names or groups: "all", "core", "ce,dimp(clip=20)".')]
Tasks = Annotated[
    str | None,
    typer.Option(
        help='Names or paths of a YAML, a folder or a file: "twitter,financial[agreement=75]" '
        "(default: twitter, or files where --generated and --real are given).",
        show_default=False,
    ),
]
Source = Annotated[
    str, typer.Option(help="Where rows come from: bundled (real rows are a stand-in, not human), local, hub.")
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of source local (or BENCH_DATA).")]
Generated = Annotated[str | None, typer.Option(help="A file, folder or hub id: the task's generated set.")]
Real = Annotated[str | None, typer.Option(help="A file, folder or hub id: the real rows to draw from.")]
Test = Annotated[str | None, typer.Option(help="A file, folder or hub id: the test set.")]
Out = Annotated[Path, typer.Option(help="The store: one folder per cell.")]
NoFigures = Annotated[bool, typer.Option("--no-figures", help="Tables only; figures take half a second each.")]
Reports = Annotated[Path, typer.Option(help="Where the leaderboard is written.")]
Delta = Annotated[float, typer.Option(min=0, help="Points that are too small to care about.")]
Baseline = Annotated[str, typer.Option(help="The method that differences are to.")]
Corrected = Annotated[
    Correction, typer.Option("--correction", help="Of the core methods' p: holm, or bh for the false discovery rate.")
]
AllowMixed = Annotated[bool, typer.Option("--allow-mixed", help="Pair cells made by different code or versions.")]


class Listing(StrEnum):
    """What `list` can list."""

    METHODS = "methods"
    TASKS = "tasks"
    CELLS = "cells"


@app.command()
def run(
    methods: Methods = "all",
    tasks: Tasks = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.")] = 5,
    seed: Annotated[str, typer.Option(help='These seeds instead: "3,7".')] = "",
    source: Source = "bundled",
    data_dir: DataDir = None,
    generated: Generated = None,
    real: Real = None,
    test: Test = None,
    encoder: Annotated[
        str | None, typer.Option(help="Hub ids or folders, with commas between (default: the preset's).")
    ] = None,
    checker_encoder: Annotated[
        str | None, typer.Option(help="Another encoder for the checkers (default: the classifier's).")
    ] = None,
    preset: Annotated[str, typer.Option(help="Training settings: quick, full, paper, smoke.")] = "quick",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="What real rows are for and how the checkpoint is chosen: fixed, paper-select, held-out(share=0.3), "
            "or several of them (default: the preset's)."
        ),
    ] = None,
    test_size: Annotated[str, typer.Option(help="Most test rows: a number, all, or default.")] = "default",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value: lr=1e-4, or dimp.clip=20.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes (default: one per core).")] = None,
    out: Out = Path("runs"),
    reports: Reports = Path("reports"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train failed cells again.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train the grid's cells again even if they are done.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    baseline: Baseline = "ce",
    delta: Delta = 1.0,
    correction: Corrected = Correction.HOLM,
    allow_mixed: AllowMixed = False,
    no_figures: NoFigures = False,
    track: Annotated[str, typer.Option(help="Also show each cell to wandb or tensorboard.")] = "none",
) -> None:
    """Train the method x task x seed grid (what is missing of it) and write the leaderboard."""
    from bench.grid import Options
    from bench.grid import run as run_grid
    from bench.request import request

    asked = request(
        methods=methods,
        tasks=tasks,
        seeds=seed or seeds,
        source=source,
        data_dir=data_dir,
        generated=generated,
        real=real,
        test=test,
        encoder=encoder,
        checker_encoder=checker_encoder,
        preset=preset,
        protocol=protocol,
        settings=values(settings or []),
        test_size=test_size,
    )
    options = Options(
        out=out,
        reports=reports,
        workers=workers,
        dry_run=dry_run,
        retry_failed=retry_failed,
        force=force,
        fail_fast=fail_fast,
        command=typed(),
        rules=Rules(baseline, delta / 100, correction, allow_mixed),
        figures=not no_figures,
        track=track,
    )
    if not run_grid(asked, options, say).ok:
        raise typer.Exit(1)


@app.command()
def validate(
    tasks: Annotated[str | None, typer.Argument(help="Names or paths, as in run --tasks.", show_default=False)] = None,
    source: Source = "bundled",
    data_dir: DataDir = None,
    generated: Generated = None,
    real: Real = None,
    test: Test = None,
    encoder: Annotated[str | None, typer.Option(help="Whose tokens are counted (default: the preset's).")] = None,
    preset: Annotated[str, typer.Option(help="Whose maximum length counts.")] = "quick",
    test_size: Annotated[str, typer.Option(help="Most test rows: a number, all, or default.")] = "default",
) -> None:
    """Show what a task's data are: roles, sizes, label shares, duplicates, what is removed, lengths."""
    from bench.request import request
    from bench.validate import validate as lines

    asked = request(
        methods="ce",
        tasks=tasks,
        source=source,
        data_dir=data_dir,
        generated=generated,
        real=real,
        test=test,
        encoder=encoder,
        preset=preset,
        test_size=test_size,
    )
    for line in lines(asked):
        say(line)


@app.command(name="list")
def list_(what: Listing, out: Out = Path("runs"), failed: Annotated[bool, typer.Option("--failed")] = False) -> None:
    """List the methods, the tasks, or the cells of a store with their states."""
    from bench import listing

    listings = {
        Listing.METHODS: listing.methods,
        Listing.TASKS: listing.tasks,
        Listing.CELLS: lambda: listing.cells(out, failed),
    }
    for line in listings[what]():
        say(line)


@app.command()
def report(
    out: Out = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores instead, merged: --from A B.")
    ] = None,
    reports: Reports = Path("reports"),
    baseline: Baseline = "ce",
    delta: Delta = 1.0,
    correction: Corrected = Correction.HOLM,
    allow_mixed: AllowMixed = False,
    no_figures: NoFigures = False,
    check: Annotated[bool, typer.Option("--check", help="Compare the written report with the store.")] = False,
) -> None:
    """Write the leaderboard of everything that one or more stores hold, without training."""
    from bench import report as reporting
    from bench.grid import writable

    sources = stores or [out]
    if check:
        found = list(reporting.check(sources, reports))
        for line in found:
            say(line)
        told = ", ".join(map(str, sources))
        say(f"{reports}: {f'{len(found)} files differ from {told}' if found else f'what {told} gives'}")
        if found:
            raise typer.Exit(1)
        return
    writable(reports)
    rules = Rules(baseline, delta / 100, correction, allow_mixed)
    say(f"leaderboard: {reporting.write(sources, reports, rules, command=typed(), figures=not no_figures)}")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A method, as the leaderboard labels it.")],
    b: Annotated[str, typer.Argument(help="The method that it is compared with.")],
    task: Annotated[str | None, typer.Option(help="One task only.")] = None,
    out: Out = Path("runs"),
    delta: Delta = 1.0,
    correction: Corrected = Correction.HOLM,
    allow_mixed: AllowMixed = False,
) -> None:
    """Compare two methods of a store, with everything that the verdict rests on."""
    from bench.comparison import compare as lines

    for line in lines(out, a, Rules(b, delta / 100, correction, allow_mixed), task=task):
        say(line)


@app.command()
def calibrate(
    full: Annotated[bool, typer.Option("--full", help="All seeds, rows and sd; 40,000 nulls each.")] = False,
    store: Annotated[Path | None, typer.Option("--from", help="Also the variances of this store.")] = None,
    same: Annotated[
        bool, typer.Option("--aa", help="Instead, each method of --from against itself on other seeds.")
    ] = False,
    reports: Reports = Path("reports"),
) -> None:
    """Measure by simulation how often verdicts are wrong: false positives, coverage, power; or on real cells (--aa)."""
    from bench.grid import writable

    writable(reports)
    if same:
        from bench.aa import aa

        if store is None:
            raise UserError("calibrate --aa needs the cells of a store: --from DIR")
        say(f"written: {aa(store, reports, say)}")
    else:
        from bench.calibrate import calibrate as simulate

        say(f"written: {simulate(reports, say, full=full, store=store)}")


def values(sequence: Sequence[str]) -> dict[str, str]:
    """`key=value` entries as a dict. Raises UserError for one without a value or given twice."""
    found: dict[str, str] = {}
    for entry in sequence:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"--set {entry!r} is not key=value")
        if key.strip() in found:
            raise UserError(f"--set {key.strip()!r} is given twice")
        found[key.strip()] = value.strip()
    return found


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def say(line: str) -> None:
    """One line on standard output, at once; that nobody reads it any more is no reason to stop."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = normalise(sys.argv[1:] if argv is None else argv, FLAGS, SETTINGS, SEVERAL)
    try:
        code: Any = app(arguments, standalone_mode=False)
    except (UserError, DataError) as error:
        code = complain(str(error))
    except typer.Exit as stop:
        code = stop.exit_code
    except Exception as error:
        told = getattr(error, "format_message", None)  # an error of the parser
        if told is None:
            raise
        code = complain(told())
    if code == INTERRUPTED:
        print("interrupted; the same command goes on from here", file=sys.stderr)
    sys.exit(code or 0)


def complain(message: str) -> int:
    """The one line that the user gets, and the exit code that goes with it."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
