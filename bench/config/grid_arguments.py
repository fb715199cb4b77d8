"""The arguments that say which cells: methods, tasks and seeds, their data and their training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config.option import DATA, GRID, TRAINING, key_values, option, with_roles
from bench.config.settings import described_presets


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
            'Names of tasks, or paths of a YAML, a folder or a file: "twitter,financial[real=100]" '
            "(default: twitter, or your files where --generated and --real are given).",
            type=str | None,
        ),
    )
    seeds: int | str | Iterable[int] | None = field(
        default=None, metadata=option(GRID, "Number of seeds, counted from 0 (default: 5).", type=int | None)
    )
    seed: int | str | Iterable[int] | None = field(
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
        metadata=option(
            DATA, "A file, folder or hub id of the generated set, or several generations of it: a,b.", type=str | None
        ),
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
            DATA,
            "The largest number of test rows: a number, all, or default (the task's own limit; 2000 of your files).",
            type=str,
        ),
    )
    folds: int | None = field(
        default=None,
        metadata=option(
            DATA,
            "Without a test set: cross-validate the real rows in this many folds, one per seed, or 0 to hold out half "
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
            "Pretrained encoders: hub ids, folders or W&B names, with commas (default: the preset's, for English).",
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
    """Which cells: methods, tasks and seeds, their data and their training.

    From Python, a name may be a `Path`. Where several names may stand, a path is one of them, whatever is in it.
    """

    def __post_init__(self) -> None:
        """Turn paths into text, and one plugin into a list."""
        for name in ("tasks", "encoder", "plugins"):
            given = getattr(self, name)
            parts = (given,) if isinstance(given, (Path, str) if name == "plugins" else Path) else given
            if isinstance(parts, list | tuple):
                object.__setattr__(self, name, type(parts)(str(p) if isinstance(p, Path) else p for p in parts))
        for name in ("checker_encoder", "quality_checker", "diversity_checker"):
            if isinstance(given := getattr(self, name), Path):
                object.__setattr__(self, name, str(given))


@dataclass(frozen=True)
class WeighArguments(TrainingArguments, DataArguments):
    """The data and the training of `bench weigh`, which trains one method."""
