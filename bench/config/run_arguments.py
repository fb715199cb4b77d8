"""The arguments of a run. A new argument is one field here or in `grid_arguments`, and the code that uses it.

Derived from the fields: the options of `bench run` with their help (`bench.cli.options`), the keys of a `--config`
file, and the keywords of `bench.run`. The planner, the execution and the report read one of the three classes each.
An option with `per_role` stands for four fields: `text`, `generated_text`, `real_text`, `test_text`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.config.grid_arguments import GridArguments
from bench.config.option import OUTPUT, RUN, engine_values, option
from bench.devices import Device
from bench.store.layout import SavedModels

Correction = Literal["holm", "bh"]  # of the p-values of a family; the functions are in `bench.stats.multiple`
Family = Literal["task", "report"]  # whose core methods are corrected for: those of a section, or of the whole report
Intervals = Literal["simultaneous", "plain"]  # those of the verdicts, for all of a family together, or each for itself


@dataclass(frozen=True)
class ExecutionArguments:
    """How cells are run and what is written; nothing here changes a result."""

    workers: int | None = field(
        default=None,
        metadata=option(RUN, "Worker processes (default: one per GPU, or one per core without a GPU).", min=1),
    )
    engine: str = field(
        default="auto",
        metadata=option(RUN, "What runs the jobs: see list engines (auto: torchrun under torchrun, else local)."),
    )
    engine_set: Mapping[str, Any] | None = field(
        default=None,
        metadata=option(RUN, "A setting of the engine, key=value.", type=str, repeatable=True, convert=engine_values),
    )
    device: Device = field(
        default="auto",
        metadata=option(RUN, "The device; auto: NVIDIA GPUs, or the CPU without any. mps (Macs) has not been tested."),
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
            "Seconds that a training may take (default: any number, but a job without progress for 10 minutes plus 20 "
            "times its estimate is stopped).",
            min=0,
        ),
    )
    out: Path = field(
        default=Path("runs"),
        metadata=option(OUTPUT, "The store: a folder with one folder per cell, or s3://BUCKET/PREFIX (extra s3)."),
    )
    reports: Path = field(default=Path("reports"), metadata=option(OUTPUT, "The folder in which reports are written."))
    figures: bool = field(
        default=True,
        metadata=option(OUTPUT, "Write tables only; a figure takes half a second.", name="no-figures", switch=False),
    )
    save_models: SavedModels | None = field(
        default=None,
        metadata=option(
            OUTPUT,
            "The models to keep: trained (only the weights that train), full (a Hugging Face folder per cell), best "
            "(one such folder, of the advised method).",
        ),
    )
    final_scores: Literal["all", "checkers"] = field(
        default="all",
        metadata=option(
            OUTPUT,
            "The cells that score the generated rows at the end: all, or only those that are checkers (faster).",
        ),
    )
    track: str = field(
        default="none",
        metadata=option(
            OUTPUT,
            "Also send cells to trackers, separated by commas: wandb, tensorboard, mlflow, trackio, comet_ml, clearml, "
            "dvclive, aim, swanlab.",
        ),
    )
    live_curves: bool = field(
        default=False, metadata=option(OUTPUT, "With --track wandb, also show the curves of a cell while it trains.")
    )
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
        metadata=option(
            OUTPUT, "Differences below this many points do not matter (verdict equivalent).", min=0, max=100
        ),
    )
    correction: Correction = field(
        default="holm",
        metadata=option(OUTPUT, "Correction of the p-values: holm, or bh for the false discovery rate."),
    )
    allow_mixed: bool = field(
        default=False,
        metadata=option(OUTPUT, "Compare cells that were trained by different code, library versions or devices."),
    )
    family: Family = field(
        default="task", metadata=option(OUTPUT, "Correct p-values over the core methods of a task, or of the report.")
    )
    intervals: Intervals = field(
        default="simultaneous",
        metadata=option(
            OUTPUT,
            "Intervals of differences. simultaneous: for all methods of a family together; plain: for each alone.",
        ),
    )


# Dataclasses collect fields from the last base to the first: grid, execution, verdicts.
@dataclass(frozen=True)
class RunArguments(VerdictArguments, ExecutionArguments, GridArguments):
    """All arguments of a run."""
