"""The encoder `scratch`: a tiny BERT with random weights, which learns bags of the made-up words of task `oracle`.

One block of width 64, with zero position embeddings and no dropout. Its vocabulary has the words of `oracle`; any other
text is spelled out. It is written to the cache once, without torch, with the same bytes on every machine.
"""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np

from bench.hashing import digest
from bench.store.files import whole_folder
from bench.wandb_artifacts import cache

NAME = "scratch"
VERSION = 1  # raise it when the weights change
WIDTH, HIDDEN, POSITIONS = 64, 128, 128


def folder() -> Path:
    """The folder of its checkpoint, written if the cache does not have it."""
    checkpoint = cache() / f"{NAME}-{digest([VERSION, vocabulary()])}"
    if not checkpoint.is_dir():
        with whole_folder(checkpoint) as part:
            write(part)
    return checkpoint


def vocabulary() -> list[str]:
    """Special tokens, characters, and the oracle's words."""
    from tasks.oracle import WORDS

    characters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return [*special, *characters, *(f"##{char}" for char in characters), *WORDS]


def write(path: Path) -> None:
    """Write configuration, tokenizer and weights."""
    from safetensors.numpy import save_file

    words = vocabulary()
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(words),
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": HIDDEN,
        "max_position_embeddings": POSITIONS,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8", newline="\n")
    (path / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8", newline="\n")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": POSITIONS}
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=1) + "\n", "utf-8", newline="\n")
    save_file(weights(len(words)), path / "model.safetensors", metadata={"format": "pt"})


def weights(words: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Random matrices of variance 1 / inputs; small queries and keys give every word nearly the same attention."""
    rng = np.random.default_rng(0)
    block = "encoder.layer.0"
    shapes = {
        "embeddings.word_embeddings": (words, WIDTH),
        f"{block}.attention.self.query": (WIDTH, WIDTH),
        f"{block}.attention.self.key": (WIDTH, WIDTH),
        f"{block}.attention.self.value": (WIDTH, WIDTH),
        f"{block}.attention.output.dense": (WIDTH, WIDTH),
        f"{block}.intermediate.dense": (HIDDEN, WIDTH),
        f"{block}.output.dense": (WIDTH, HIDDEN),
        "pooler.dense": (WIDTH, WIDTH),
    }
    values = {f"{name}.weight": rng.normal(size=shape) / np.sqrt(shape[1]) for name, shape in shapes.items()}
    for name in ("query", "key"):
        values[f"{block}.attention.self.{name}.weight"] *= 0.1
    values["embeddings.position_embeddings.weight"] = np.zeros((POSITIONS, WIDTH))
    values["embeddings.token_type_embeddings.weight"] = np.zeros((2, WIDTH))
    values |= {f"{name}.bias": np.zeros(shape[0]) for name, shape in shapes.items() if "embeddings" not in name}
    for norm in ("embeddings.LayerNorm", f"{block}.attention.output.LayerNorm", f"{block}.output.LayerNorm"):
        values |= {f"{norm}.weight": np.ones(WIDTH), f"{norm}.bias": np.zeros(WIDTH)}
    return {name: value.astype(np.float32) for name, value in values.items()}
