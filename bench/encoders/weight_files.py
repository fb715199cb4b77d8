"""The tensors that a folder's safetensors files hold, by name and shape, read from the files' headers without torch."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError

from bench.errors import UserError
from bench.store.files import read_json

INDEX = "model.safetensors.index.json"  # of a model in several files: the file of each tensor
FLOATS = ("F64", "F32", "F16", "BF16")
HEADER_LIMIT = 16 * 2**20  # bytes; the header of a file with 100,000 tensors has about 10 MB
# Prefixes that a training script leaves before every name of a wrapped model: DataParallel, torch.compile, FSDP.
WRAPPER = re.compile(r"(?:module\.|_orig_mod\.|_fsdp_wrapped_module\.|_forward_module\.)+")
REMEDY = "download it again, or save the model anew with save_pretrained"


class Index(BaseModel):
    """The content of an index."""

    weight_map: dict[str, str]


class Entry(BaseModel):
    """One tensor of a header."""

    model_config = ConfigDict(strict=True)
    dtype: str
    shape: list[NonNegativeInt]
    data_offsets: Annotated[list[NonNegativeInt], Field(min_length=2, max_length=2)]


ENTRIES = TypeAdapter(dict[str, Entry])


def tensors(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shape by name of every tensor in a folder's safetensors files. Raises UserError for a file that is none.

    Where the folder has an index of several files, they must all be there.
    """
    files = {path.name: header(path) for path in sorted(folder.glob("*.safetensors"))}
    if "model.safetensors" not in files and (folder / INDEX).exists():
        check_index(folder / INDEX, files)
    return {name: shape for shapes in files.values() for name, shape in shapes.items()}


def check_index(path: Path, files: Collection[str]) -> None:
    """Raise UserError for an index of several files that is none, or that names a file outside `files`."""
    try:
        named = read_json(path, Index)["weight_map"]
    except UserError as error:
        raise UserError(f"{path} is no index: it has no mapping weight_map of tensors to files; {REMEDY}") from error
    if absent := sorted({*named.values()} - {*files}):
        raise UserError(f"{path} names {absent[0]}, but the folder has no such file; {REMEDY}")


def header(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape by name of the tensors in one file. Raises UserError, which says what the file is instead."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if problem := foreign(start, size):
            raise UserError(f"{path} is not a safetensors file: {problem}; {REMEDY}")
        (length,) = struct.unpack("<Q", start)
        text = file.read(length)
    try:
        entries = ENTRIES.validate_python(parsed(text))
    except (ValueError, RecursionError) as error:
        reason = "an entry is malformed" if isinstance(error, ValidationError) else "it is no JSON mapping"
        raise UserError(f"{path} is not a safetensors file: its header cannot be read ({reason}); {REMEDY}") from error
    if quantised := [name for name, e in entries.items() if name.endswith(".weight") and e.dtype not in FLOATS]:
        kind = entries[quantised[0]].dtype
        raise UserError(
            f"{path}: {quantised[0]} is stored as {kind}; quantised weights are not supported, save the model as floats"
        )
    end = max((entry.data_offsets[1] for entry in entries.values()), default=0)
    if 8 + length + end != size:
        raise UserError(
            f"{path} is cut or damaged: it has {size:,} bytes and should have {8 + length + end:,}; {REMEDY}"
        )
    return {name: tuple(entry.shape) for name, entry in entries.items()}


def parsed(text: bytes) -> Mapping[str, object]:
    """The header's entries, without its free text. Raises ValueError where they are no mapping."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("a header is a mapping")
    return {name: entry for name, entry in content.items() if name != "__metadata__"}


def foreign(start: bytes, size: int) -> str:
    """Why a file with these first 8 bytes cannot be safetensors; empty if it can."""
    if size == 0:
        return "it is empty"
    if start.startswith(b"version "):
        return "it is a Git LFS pointer, fetch the real file with `git lfs pull`"
    if start.lstrip().startswith(b"<"):
        return "it is a web page"
    if len(start) < 8:
        return f"it has only {size} bytes"
    (length,) = struct.unpack("<Q", start)
    if length > min(HEADER_LIMIT, size - 8):
        return f"its first 8 bytes announce a header of {length:,} bytes, the file has {size:,}"
    return ""


def wrapper(names: Iterable[str]) -> str:
    """The prefix that a training script left before every one of these names, such as `module.`; empty if none."""
    prefixes = {match[0] if (match := WRAPPER.match(name)) else "" for name in names}
    return prefixes.pop() if len(prefixes) == 1 else ""
