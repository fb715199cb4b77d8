"""Pickled checkpoints (`pytorch_model.bin`): only their tensors are read, and stored as safetensors.

A pickle can run any code while it is loaded. Here torch reads only tensors from it. They are written to the cache
as safetensors once, and all other code reads those.
"""

from __future__ import annotations

import pickle
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.encoders.weight_files import Index
from bench.errors import UserError
from bench.hashing import digest, file_hash
from bench.store.files import read_json, whole_folder
from bench.wandb_artifacts import cache

if TYPE_CHECKING:
    from torch import Tensor

PATTERN = "pytorch_model*.bin"  # not training_args.bin or optimizer.bin, which may be in the same folder
INDEX = "pytorch_model.bin.index.json"
COPIED = (".json", ".txt", ".model", ".codes", ".jinja")  # suffixes of configuration and tokenizer
REFUSED = re.compile(r"GLOBAL (\S+)")  # the function that a pickle calls, in torch's message


def pickle_files(folder: Path) -> list[Path]:
    """The pickled weights in a folder."""
    return sorted(folder.glob(PATTERN))


def convert(folder: Path) -> Path:
    """A folder of the cache with the same checkpoint as safetensors. Raises UserError for a pickle of anything else."""
    files = pickle_files(folder)
    _check_shards(folder, files)
    copied = sorted(path for path in folder.iterdir() if path.suffix in COPIED and path.name != INDEX)
    target = cache() / "pickles" / digest([[path.name, file_hash(path)] for path in (*files, *copied)])
    if not target.is_dir():
        from safetensors.torch import save_file

        weights = {name: tensor for file in files for name, tensor in _weights(file).items()}
        with whole_folder(target) as part:
            save_file(weights, part / "model.safetensors", metadata={"format": "pt"})
            for path in copied:
                shutil.copy(path, part)
    return target


def _check_shards(folder: Path, files: list[Path]) -> None:
    """Raise UserError if an index names files that are missing."""
    if not (folder / INDEX).exists():
        return
    try:
        shards = set(read_json(folder / INDEX, Index)["weight_map"].values())
    except UserError as error:
        raise UserError(f"{folder / INDEX} is damaged: it is no index of weights") from error
    if missing := sorted(shards - {path.name for path in files}):
        raise UserError(f"{folder}: {INDEX} names {', '.join(missing)}, but the folder has no such file")


def _weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, none sharing memory with another. Raises UserError."""
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise any kind, depending on its first wrong byte
        call = REFUSED.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if call:
            raise UserError(f"{file} is not loaded: it calls {call[1]}, and weights need no such call") from error
        raise UserError(f"{file} cannot be read as weights; it may be damaged or cut off") from error
    if not isinstance(content, dict) or not content:
        raise UserError(f"{file} has a {type(content).__name__} without weights, not weights by name")
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise UserError(f"{file}: {name} is a {type(value).__name__}, not a weight")
    return {str(name): value.detach().clone().contiguous() for name, value in content.items()}
