"""Makes BERT encoders with random weights, because timing does not depend on the values of weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.config.settings import MINILM
from bench.encoders.checkpoints import find
from bench.encoders.tokenizer_files import TOKENIZER

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}


def make(folder: Path, shape: dict[str, Any]) -> Path:
    """Write an encoder of this shape to a folder, with MiniLM's tokenizer, which is that of bert-base-uncased."""
    import torch
    from transformers import BertConfig, BertModel

    minilm = find(MINILM).path
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30522, **shape)).save_pretrained(folder)
    for name in TOKENIZER:
        if (minilm / name).exists():
            shutil.copy(minilm / name, folder / name)
    return folder
