"""Encoders of BERT's kind with random weights: timing does not depend on what they know."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.config.settings import MINILM
from bench.encoders.checkpoints import TOKENIZER, find

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}


def make(folder: Path, shape: dict[str, Any]) -> Path:
    """An encoder of this shape with MiniLM's tokenizer, which is that of bert-base-uncased."""
    import torch
    from transformers import BertConfig, BertModel

    known = find(MINILM).path
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30522, **shape)).save_pretrained(folder)
    for name in TOKENIZER:
        if (known / name).exists():
            shutil.copy(known / name, folder / name)
    return folder
