"""The arguments of a run in one table. A new argument is one field here, and the code that uses it.

Derived from the fields: the options of `bench run` with their help (`bench.cli.options`), the keys of a `--config`
file, and the keywords of `bench.run`. The planner, the execution and the report read one of the three classes each.
An option with `per_role` stands for four fields: `text`, `generated_text`, `real_text`, `test_text`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.config.option import DATA, GRID, OUTPUT, RUN, TRAINING, engine_values, key_values, option, with_roles
from bench.config.settings import described_presets
from bench.devices import Device
from bench.store.layout import SavedModels

# The names in `Correction`, `Family` and `Intervals` of `bench.leaderboard.rules`.
CORRECTIONS = Literal["holm", "bh"]
FAMILIES = Literal["task", "report"]
INTERVALS = Literal["simultaneous", "plain"]


@dataclass(frozen=True)
class SelectionArguments:
    """Which cells: methods, tasks and seeds."""

    methods: str | Sequence[str] = field(
        default="all",
        metadata=option(
            GRID, 'Methods or groups of methods: "all", "core", "ce,dimp(clip=20)"; see list methods.', type=str
        ),
    )
    tasks: str | Sequence[str] | None = field(
        default=None,
        metadata=option(
            GRID,
            'Names of tasks, or paths of a YAML, a folder or a file: "twitter,financial[agreement=75]" '
            "(default: twitter, or your files where --generated and --real are given).",
            type=str | None,
        ),
    )
    seeds: int | str | Sequence[int] = field(
        default=5, metadata=option(GRID, "Number of seeds, counted from 0.", type=int)
    )
    seed: int | str | Sequence[int] | None = field(
        default=None, metadata=option(GRID, 'Exactly these seeds, in place of --seeds: "3,7".', type=str | None)
    )
    plugins: Sequence[str | Path] = field(
        default=(),
        metadata=option(GRID, "A Python file that defines methods.", name="plugin", type=Path, repeatable=True),
    )


@dataclass(frozen=True)
@with_roles
class DataArguments:
    """Which rows, and how they are read. `bench validate` takes these too."""

    source: str | None = field(
        default=None,
        metadata=option(
            DATA,
            "Where rows come from: bundled (comes with the package), local, hub, course "
            "(default: bundled, or course where --data-dir holds its files).",
        ),
    )
    data_dir: str | Path | None = field(
        default=None,
        metadata=option(
            DATA,
            "The folder of source local or course (default: the environment variable BENCH_DATA).",
            type=Path | None,
        ),
    )
    generated: str | Path | None = field(
        default=None,
        metadata=option(DATA, "A file, folder or hub id of the generated set, or generations: a,b.", type=str | None),
    )
    real: str | Path | None = field(
        default=None,
        metadata=option(
            DATA,
            "A file, folder or hub id that replaces the real rows from which the small real set is drawn.",
            type=str | None,
        ),
    )
    test: str | Path | None = field(
        default=None,
        metadata=option(DATA, "A file, folder or hub id that replaces the task's test set.", type=str | None),
    )
    name: str | None = field(default=None, metadata=option(DATA, "Name of your task (default: the generated file's)."))
    test_size: int | str | None = field(
        default="default",
        metadata=option(
            DATA, "The largest number of test rows: a number, all, or default (the task's own limit).", type=str
        ),
    )
    folds: int | None = field(
        default=None,
        metadata=option(
            DATA,
            "Without a test set: cross-validate the real rows in so many folds, one per seed, or 0 to hold out half "
            "(default: 5 folds below 400 real rows).",
        ),
    )
    text: str | None = field(
        default=None, metadata=option(DATA, "The column of texts in your files (default: a usual name).", per_role=True)
    )
    text_pair: str | None = field(
        default=None,
        metadata=option(DATA, "The column of second texts, if an example is a pair.", per_role=True),
    )
    label: str | None = field(
        default=None, metadata=option(DATA, "The column of labels (default: a usual name).", per_role=True)
    )
    labels: str | Mapping[str, str] | None = field(
        default=None,
        metadata=option(DATA, 'New names for labels: "Good=good,Bad=bad,0=bad".', type=str | None, per_role=True),
    )
    drop_labels: str | Sequence[str] | None = field(
        default=None,
        metadata=option(DATA, "Leave out your rows with these labels, separated by commas.", type=str | None),
    )
    skip_empty: bool = field(
        default=False, metadata=option(DATA, "Leave out the rows of your files without a text or a label.")
    )
    drop_copies: bool = field(
        default=False,
        metadata=option(
            DATA,
            "Leave out generated rows that repeat a real row, and generated and real rows that repeat a test row, also "
            "where only case, white space or punctuation differ.",
        ),
    )


@dataclass(frozen=True)
class TrainingArguments:
    """How every cell is trained."""

    limit: int | None = field(
        default=None,
        metadata=option(DATA, "Smoke run: at most this many rows in each role, and no leaderboard.", min=1),
    )
    encoder: str | Sequence[str] | None = field(
        default=None,
        metadata=option(
            TRAINING,
            "Pretrained encoders: hub ids or folders, separated by commas (default: the preset's).",
            type=str | None,
        ),
    )
    checker_encoder: str | None = field(
        default=None, metadata=option(TRAINING, "The encoder of the checkers (default: the one of the classifier).")
    )
    quality_checker: str | None = field(
        default=None,
        metadata=option(
            TRAINING,
            "A trained classifier to use as quality checker, instead of one trained on the small real set: a folder, "
            "hub id, cell, or wandb:entity/project/name:version.",
        ),
    )
    diversity_checker: str | None = field(
        default=None,
        metadata=option(
            TRAINING, "A trained classifier to use as diversity checker, instead of one trained on the generated set."
        ),
    )
    preset: str = field(
        default="quick",
        metadata=option(
            TRAINING,
            f"Named training settings: {described_presets()}. --generated-rows all or auto lifts the limit.",
        ),
    )
    protocol: str | Sequence[str] | None = field(
        default=None,
        metadata=option(
            TRAINING,
            "What the small real set is for and how the checkpoint is chosen: fixed, paper-select, "
            "held-out(share=0.3), tuned(8), or several of them, separated by commas (default: the preset's).",
            type=str | None,
        ),
    )
    settings: Mapping[str, Any] | None = field(
        default=None,
        metadata=option(
            TRAINING,
            "A training setting (lr=1e-4) or a method's hyper-parameter (dimp.clip=20); may also be written --lr=1e-4, "
            "--generated-rows=all, --dimp.clip=20.",
            name="set",
            type=str,
            repeatable=True,
            convert=key_values,
        ),
    )


@dataclass(frozen=True)
class GridArguments(TrainingArguments, DataArguments, SelectionArguments):
    """Which cells: methods, tasks and seeds, their data and their training."""


@dataclass(frozen=True)
class WeighArguments(TrainingArguments, DataArguments):
    """The data and the training of `bench weigh`, which trains one method."""


@dataclass(frozen=True)
class ExecutionArguments:
    """How cells are run and what is written; nothing here changes a result."""

    workers: int | None = field(
        default=None,
        metadata=option(
            RUN, "Worker processes; by default `run` starts one per GPU, or one per core without a GPU.", min=1
        ),
    )
    engine: str = field(
        default="auto", metadata=option(RUN, "What runs the jobs: see list engines (auto: worker processes, torchrun).")
    )
    engine_set: Mapping[str, Any] | None = field(
        default=None,
        metadata=option(RUN, "A setting of the engine, key=value.", type=str, repeatable=True, convert=engine_values),
    )
    device: Device = field(
        default="auto",
        metadata=option(RUN, "Where cells are trained; auto: NVIDIA GPUs, or the CPU. mps (Macs) has not been tested."),
    )
    dry_run: bool = field(
        default=False, metadata=option(RUN, "Print the plan and an estimate of its duration; run nothing.")
    )
    until_decided: bool = field(
        default=False,
        metadata=option(
            RUN,
            "Read verdicts at planned numbers of seeds, and give further seeds only to methods without one. Error "
            "rates hold over all looks.",
        ),
    )
    max_seeds: int | None = field(
        default=None, metadata=option(RUN, "With --until-decided, the largest number of seeds (default: 10).", min=1)
    )
    retry_failed: bool = field(default=False, metadata=option(RUN, "Train failed cells again."))
    force: bool = field(default=False, metadata=option(RUN, "Train the cells of the grid again, even finished ones."))
    fail_fast: bool = field(default=False, metadata=option(RUN, "Stop at the first failure."))
    retries: int = field(
        default=1, metadata=option(RUN, "How often a job is run again after its worker process died.", min=0)
    )
    cell_timeout: float | None = field(
        default=None,
        metadata=option(
            RUN,
            "Seconds that a training may take (default: any number, but a job without progress for 10 minutes and 20 "
            "times its estimate is stopped).",
            min=0,
        ),
    )
    out: Path = field(
        default=Path("runs"), metadata=option(OUTPUT, "The store: a folder that keeps one folder per cell.")
    )
    reports: Path = field(default=Path("reports"), metadata=option(OUTPUT, "The folder in which reports are written."))
    figures: bool = field(
        default=True,
        metadata=option(OUTPUT, "Write tables only; a figure takes half a second.", name="no-figures", switch=False),
    )
    save_models: SavedModels | None = field(
        default=None,
        metadata=option(OUTPUT, "Keep models: the trained weights, full Hugging Face folders, best: the advised one."),
    )
    final_scores: Literal["all", "checkers"] = field(
        default="all", metadata=option(OUTPUT, "Cells that score the generated rows: all, or those read as checkers.")
    )
    track: str = field(default="none", metadata=option(OUTPUT, "Also send cells to wandb, tensorboard, mlflow."))
    artifacts: Collection[str] = field(
        default=(),
        metadata=option(
            OUTPUT,
            "With --track wandb, also upload the rows, texts included, and the kept models as W&B artifacts.",
            name="log-artifacts",
            switch=("dataset", "model"),
        ),
    )


@dataclass(frozen=True)
class VerdictArguments:
    """How the report judges differences between methods."""

    baseline: str = field(default="ce", metadata=option(OUTPUT, "The method that all others are compared with."))
    delta: float = field(
        default=1.0,
        metadata=option(OUTPUT, "Points below which a difference does not matter: equivalence.", min=0, max=100),
    )
    correction: CORRECTIONS = field(
        default="holm",
        metadata=option(OUTPUT, "Correction of the p-values: holm, or bh for the false discovery rate."),
    )
    allow_mixed: bool = field(
        default=False,
        metadata=option(OUTPUT, "Compare cells that were trained by different code, library versions or devices."),
    )
    family: FAMILIES = field(
        default="task", metadata=option(OUTPUT, "Correct p-values over the core methods of a task, or of the report.")
    )
    intervals: INTERVALS = field(
        default="simultaneous",
        metadata=option(OUTPUT, "Intervals of differences: for all methods of a family together, or each for itself."),
    )


# Dataclasses collect fields from the last base to the first: grid, execution, verdicts.
@dataclass(frozen=True)
class RunArguments(VerdictArguments, ExecutionArguments, GridArguments):
    """All arguments of a run."""
