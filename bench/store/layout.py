"""Where things lie in a store, and what their files are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ENVIRONMENT = ("code", "torch", "transformers", "device")  # what two cells must share to be paired
DONE, ERROR, LEASE, LOG = "metrics.json", "error.json", "lease", "log.txt"
Kept = Literal["trained", "full"]  # of a model: the weights that trained, or a whole Hugging Face folder
MODEL = "model"  # where it is in a cell's folder, and the files of which one shows that it is there
MODEL_FILES: Mapping[Kept, tuple[str, ...]] = {
    "trained": ("trained.safetensors", "config.json"),
    "full": ("config.json",),
}


def cell_path(root: Path, task: str, method: str, identity: str) -> Path:
    """Where a cell lies; writers and readers both ask here."""
    return root / task / method / identity


def precomputed_path(root: Path, kind: str, identity: str) -> Path:
    """Where an artefact lies; writers and readers both ask here."""
    return root / ".artefacts" / kind / identity


def root_of(folder: Path) -> Path:
    """The store that a cell or artefact lies in."""
    return folder.parents[2]
