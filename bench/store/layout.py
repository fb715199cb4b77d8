"""The folders of a store and the names of their files, except for those that one package alone reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from bench.hashing import ID_LENGTH

ENVIRONMENT = ("code", "torch", "transformers", "device")  # of VERSIONS: cells that differ here are not compared
IDENTITY = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")  # name of the folder of a cell or precomputed table

# Folders and files of a store, beside the folders of tasks.
TABLES = ".artefacts"  # precomputed tables
GRIDS = ".grids"  # the manifest of each grid
LOOKS = ".looks"  # at how many seeds the verdicts of each section were read
IMPORTED = ".imported"  # what each bundle brought
RUNNING = ".running"  # a lease for each run of a grid; in a bucket a heartbeat for each
LOCK = ".lock"

# Files in the folder of a cell or precomputed table.
DONE, ERROR, LEASE, LOG = "metrics.json", "error.json", "lease", "log.txt"
SPEC = "spec.json"  # what decides the cell's result
VERSIONS = "env.json"  # of packages, and the device
TIMING = "timing.json"  # seconds and passes of a training
HISTORY = "history.jsonl"  # a line for each update
PREDICTIONS = "predictions.parquet"  # logits of the test rows
TRAIN_SCORES = "train_scores.parquet"  # log-probabilities of the generated rows
WEIGHTS = "weights.parquet"  # of each row at each visit

Kept = Literal["trained", "full"]  # of a model: the trained weights, or a whole Hugging Face folder
SavedModels = Literal["trained", "full", "best"]  # of a run; best: full ones, of which that of the advised method stays
MODEL = "model"  # folder of a saved model in a cell's folder; one of its files in MODEL_FILES shows that it is whole
MODEL_FILES: Mapping[Kept, tuple[str, ...]] = {
    "trained": ("trained.safetensors", "config.json"),
    "full": ("config.json",),
}


def cell_path(root: Path, task: str, method: str, identity: str) -> Path:
    """The folder of a cell, for writers and readers."""
    return root / task / method / identity


def precomputed_path(root: Path, kind: str, identity: str) -> Path:
    """The folder of a precomputed table, for writers and readers."""
    return root / TABLES / kind / identity


def place_of(folder: str | os.PathLike[str]) -> tuple[str, str]:
    """The store of a cell's or precomputed table's folder, and the folder's name below it, with forward slashes.

    In texts, since paths take several times as long, and reports ask this of each cell.
    """
    *root, task, method, identity = os.fspath(folder).replace(os.sep, "/").rsplit("/", 3)
    return root[0] if root else ".", f"{task}/{method}/{identity}"


def root_of(folder: Path) -> Path:
    """The store of a cell's or precomputed table's folder."""
    return folder.parents[2]
