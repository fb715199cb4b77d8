"""The options of the command line: their names, help texts and the panels in which the help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.leaderboard.rules import Correction
from bench.store.layout import Kept

# The panels, in the order in which the options of `run` come.
GRID, DATA, TRAINING, RUN, OUTPUT = "Grid", "Data", "Training", "Run", "Output"


def option(panel: str, *names: str, help: str, **kwargs: Any) -> Any:
    """An option in a panel; square brackets in its text stand for themselves."""
    return typer.Option(*names, rich_help_panel=panel, help=help.replace("[", r"\["), **kwargs)


Methods = Annotated[str, option(GRID, help='Names or groups: "all", "core", "ce,dimp(clip=20)".')]
Tasks = Annotated[
    str | None,
    option(
        GRID,
        help='Names or paths of a YAML, a folder or a file: "twitter,financial[agreement=75]" '
        "(default: twitter, or files where --generated and --real are given).",
        show_default=False,
    ),
]
Seeds = Annotated[int, option(GRID, help="Number of seeds, from 0.")]
Seed = Annotated[str, option(GRID, help='These seeds instead: "3,7".')]
Config = Annotated[Path | None, option(GRID, help="A YAML file with these options by name; flags win over it.")]
Plugin = Annotated[list[Path] | None, option(GRID, help="A Python file with methods of your own; repeatable.")]

Source = Annotated[
    str | None,
    option(
        DATA,
        help="Where rows come from: bundled (real rows are a stand-in, not human), local, hub, course "
        "(default: bundled, or course where --data-dir holds its files).",
        show_default=False,
    ),
]
DataDir = Annotated[Path | None, option(DATA, help="Folder of source local or course (or BENCH_DATA).")]
Generated = Annotated[str | None, option(DATA, help="A file, folder or hub id: the task's generated set.")]
Real = Annotated[str | None, option(DATA, help="A file, folder or hub id: the real rows to draw from.")]
Test = Annotated[str | None, option(DATA, help="A file, folder or hub id: the test set.")]
TestSize = Annotated[str, option(DATA, help="Most test rows: a number, all, or default.")]
Limit = Annotated[
    int | None, option(DATA, min=1, help="A smoke run: at most so many rows in each role, and no leaderboard.")
]

Encoder = Annotated[
    str | None, option(TRAINING, help="Hub ids or folders, with commas between (default: the preset's).")
]
CheckerEncoder = Annotated[
    str | None, option(TRAINING, help="Another encoder for the checkers (default: the classifier's).")
]
QualityChecker = Annotated[
    str | None,
    option(TRAINING, help="A classifier in place of the quality checker: folder, hub id, wandb: artifact, cell."),
]
DiversityChecker = Annotated[str | None, option(TRAINING, help="A classifier in place of the diversity checker.")]
Preset = Annotated[str, option(TRAINING, help="Training settings: quick, full, paper, scratch, smoke.")]
Protocol = Annotated[
    str | None,
    option(
        TRAINING,
        help="What real rows are for and how the checkpoint is chosen: fixed, paper-select, held-out(share=0.3), "
        "tuned(8), or several of them (default: the preset's).",
    ),
]
Set = Annotated[
    list[str] | None, option(TRAINING, "--set", help="key=value: lr=1e-4, or dimp.clip=20; also as --lr=1e-4.")
]

Workers = Annotated[int | None, option(RUN, min=1, help="Worker processes (default: one per core).")]
DryRun = Annotated[bool, option(RUN, "--dry-run", help="Say what would be done, and do nothing.")]
RetryFailed = Annotated[bool, option(RUN, "--retry-failed", help="Train failed cells again.")]
Force = Annotated[bool, option(RUN, "--force", help="Train the grid's cells again even if they are done.")]
FailFast = Annotated[bool, option(RUN, "--fail-fast", help="Stop at the first failure.")]

Out = Annotated[Path, option(OUTPUT, help="The store: one folder per cell.")]
Reports = Annotated[Path, option(OUTPUT, help="Where the leaderboard is written.")]
Baseline = Annotated[str, option(OUTPUT, help="The method that differences are to.")]
Delta = Annotated[float, option(OUTPUT, min=0, max=100, help="Points that are too small to care about.")]
Corrected = Annotated[
    Correction,
    option(OUTPUT, "--correction", help="Of the core methods' p: holm, or bh for the false discovery rate."),
]
AllowMixed = Annotated[bool, option(OUTPUT, "--allow-mixed", help="Pair cells made by different code or versions.")]
NoFigures = Annotated[bool, option(OUTPUT, "--no-figures", help="Tables only; figures take half a second each.")]
SaveModels = Annotated[
    Kept | None, option(OUTPUT, help="Keep each model: what trained of it, or a full Hugging Face folder.")
]
Track = Annotated[str, option(OUTPUT, help="Also show each cell to wandb or tensorboard.")]
LogArtifacts = Annotated[
    bool,
    option(OUTPUT, "--log-artifacts", help="To wandb, also the rows (texts and all) and the kept model, as artifacts."),
]
