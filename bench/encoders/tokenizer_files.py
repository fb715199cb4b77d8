"""The files of a tokenizer: those that are downloaded, those that an encoder's hash covers, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.hashing import file_hash
from bench.store.files import read_json

CONFIG = "tokenizer_config.json"
TOKENIZER = (
    *("tokenizer.json", CONFIG, "vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "dict.txt"),
    *("spm.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"),
)
ADDED, SPECIAL = "added_tokens.json", "special_tokens_map.json"  # of older tokenizers, see `tokenizer_hashes`
DOWNLOADED = (*TOKENIZER, ADDED, SPECIAL)


def tokenizer_hashes(folder: Path) -> dict[str, str]:
    """The hash of each file on which the tokens depend, by its name; empty for a folder without a tokenizer.

    `transformers` reads the two files of older tokenizers only where `tokenizer_config.json` has no
    `added_tokens_decoder`. Most of these tokenizers say the same about special tokens in both places: then the second
    file changes nothing, and does not count.
    """
    hashes = {name: file_hash(folder / name) for name in TOKENIZER if (folder / name).exists()}
    config = content(folder / CONFIG)
    if hashes and "added_tokens_decoder" not in config:
        special = content(folder / SPECIAL)
        differs = any(key not in config or config[key] != value for key, value in special.items())
        counts = {ADDED: bool(content(folder / ADDED)), SPECIAL: differs}
        hashes |= {name: file_hash(folder / name) for name, counted in counts.items() if counted}
    return hashes


def tokenizer_length(folder: Path) -> Any:
    """The entry of `tokenizer_config.json` on the longest text, whatever it is; None without one."""
    config = content(folder / CONFIG)
    return config.get("model_max_length", config.get("max_len"))


def content(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty without one, as loading the tokenizer says whether that is an error."""
    try:
        return read_json(path)
    except (OSError, UserError):
        return {}
