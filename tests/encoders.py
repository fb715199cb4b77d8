"""Encoders with random weights, made on the spot: the layout of real checkpoints, a few kilobytes each."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from pathlib import Path

BUNDLED = Path(__file__).parent.parent / "tasks" / "bundled"


def vocabulary(words: int = 300) -> list[str]:
    """Special tokens, characters, and the most frequent words of the bundled texts."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = list(string.ascii_lowercase + string.digits + string.punctuation)
    lines = (BUNDLED / "twitter" / "generated.jsonl").read_text(encoding="utf-8").splitlines()
    counts = Counter(word for line in lines for word in re.findall(r"[a-z]{2,}", json.loads(line)["text"].lower()))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:words]
    return [*special, *characters, *(f"##{char}" for char in characters), *frequent]


def make_bert(folder: Path, layers: int = 2, width: int = 32, dropout: float = 0.1) -> Path:
    """A BERT encoder without a head, and its tokenizer, in `folder`; the same weights at every call."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = vocabulary()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=128,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    return folder
