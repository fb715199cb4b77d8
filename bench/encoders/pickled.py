"""Checkpoints that are pickles (`pytorch_model.bin`): read as weights and nothing else, and kept as safetensors.

A pickle can run any code while it is loaded. Here only tensors are taken from it; they are written to the cache as
safetensors once, and everything else reads those.
"""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.hashing import digest, file_hash
from bench.store.files import whole_folder
from bench.wandb_artifacts import cache

if TYPE_CHECKING:
    from torch import Tensor

PATTERN = "pytorch_model*.bin"  # not training_args.bin or optimizer.bin, which lie beside
INDEX = "pytorch_model.bin.index.json"
BESIDE = (".json", ".txt", ".model", ".codes")  # configuration and tokenizer
REFUSED = re.compile(r"GLOBAL (\S+)")  # in torch's message, what a pickle asks for


def pickled(folder: Path) -> list[Path]:
    """The files of a folder that are pickled weights."""
    return sorted(folder.glob(PATTERN))


def converted(folder: Path) -> Path:
    """A folder of the cache with the same checkpoint as safetensors. Raises UserError for what is no mere weights."""
    files = pickled(folder)
    _check_shards(folder, files)
    beside = sorted(path for path in folder.iterdir() if path.suffix in BESIDE and path.name != INDEX)
    target = cache() / "pickles" / digest([[path.name, file_hash(path)] for path in (*files, *beside)])
    if not target.is_dir():
        from safetensors.torch import save_file

        weights = {name: tensor for file in files for name, tensor in _weights(file).items()}
        with whole_folder(target) as part:
            save_file(weights, part / "model.safetensors", metadata={"format": "pt"})
            for path in beside:
                shutil.copy(path, part)
    return target


def _check_shards(folder: Path, files: list[Path]) -> None:
    """Raise UserError where an index names files that are not there."""
    if not (folder / INDEX).exists():
        return
    try:
        named = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{folder / INDEX} is no index of weights") from error
    if missing := sorted(named - {path.name for path in files}):
        raise UserError(f"{folder}: {INDEX} names {', '.join(missing)}, which is not there")


def _weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, each in memory of its own. Raises UserError."""
    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises whatever its first wrong byte leads to
        asked = REFUSED.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if asked:
            raise UserError(f"{file} is not loaded: it asks for {asked[1]}, which weights do not") from error
        raise UserError(f"{file} cannot be read as weights, as if it were damaged or cut off") from error
    if not isinstance(found, dict) or not found:
        raise UserError(f"{file} holds a {type(found).__name__} without weights, not weights by name")
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise UserError(f"{file}: {name} is a {type(value).__name__}, not a weight")
    return {str(name): value.detach().clone().contiguous() for name, value in found.items()}
