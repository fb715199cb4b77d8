"""Encoders with random weights, made on the spot: the layout of real checkpoints, a few kilobytes each."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BUNDLED = Path(__file__).parents[2] / "tasks" / "bundled"


@cache
def texts() -> list[str]:
    """Bundled texts that vocabularies are made of."""
    lines = (BUNDLED / "twitter" / "generated.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def vocabulary(words: int = 300) -> list[str]:
    """Special tokens, characters, and the most frequent words of the bundled texts."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = list(string.ascii_lowercase + string.digits + string.punctuation)
    counts = Counter(word for text in texts() for word in re.findall(r"[a-z]{2,}", text.lower()))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:words]
    return [*special, *characters, *(f"##{char}" for char in characters), *frequent]


def word_pieces() -> PreTrainedTokenizerBase:
    """A tokenizer as BERT has: padding is 0, pairs have token types."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary())})


def byte_pairs() -> PreTrainedTokenizerBase:
    """A tokenizer as RoBERTa has: byte pairs, padding is 1, no token types."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts(), vocab_size=400, special_tokens=special, show_progress=False)
    model = json.loads(trained.to_str())["model"]
    return RobertaTokenizerFast(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])


# What each family calls the parts that differ from BERT's.
FAMILIES: dict[str, dict[str, object]] = {
    "bert": {},
    "roberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "electra": {"embedding_size": 32},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "seq_classif_dropout": 0.0},
    "mpnet": {"pad_token_id": 0},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "modernbert": {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "global_attn_every_n_layers": 2},
}


def make_encoder(folder: Path, family: str, layers: int = 2, width: int = 32, dropout: float = 0.1) -> Path:
    """An encoder of a family without a head, and a tokenizer, in `folder`; the same weights at every call."""
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = byte_pairs() if family == "roberta" else word_pieces()
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * width,
        "max_position_embeddings": 128,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    own = {"dropout": dropout, "attention_dropout": dropout} if family == "distilbert" else {}
    common = {"vocab_size", "max_position_embeddings"} if family == "distilbert" else set(shape)
    config = AutoConfig.for_model(family, **{name: shape[name] for name in common}, **FAMILIES[family], **own)
    AutoModel.from_config(config).save_pretrained(folder)
    if family != "roberta":
        (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    return folder


def make_bert(folder: Path, dropout: float = 0.1) -> Path:
    """The encoder of most tests: a BERT of 2 layers of width 32."""
    return make_encoder(folder, "bert", dropout=dropout)
