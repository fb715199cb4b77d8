"""Encoders with random weights, made on the spot: the layout of real checkpoints, a few kilobytes each."""

from __future__ import annotations

import json
import re
import shutil
import string
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    Edit = Callable[[dict[str, Tensor]], dict[str, Tensor]]

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


def edited(source: Path, target: Path, weights: Edit | None = None, **config: object) -> Path:
    """A copy of an encoder with other weights or another configuration; a value of None removes a key."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, target)
    if weights is not None:
        save_file(weights(load_file(target / "model.safetensors")), target / "model.safetensors", {"format": "pt"})
    content = {**json.loads((target / "config.json").read_text()), **config}
    (target / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return target


def prefixed(prefix: str) -> Edit:
    """Puts a prefix before the names of all tensors, as a training script does that saves a wrapped model."""
    return lambda weights: {prefix + name: value for name, value in weights.items()}


def make_model(
    folder: Path, family: str, tokenizer: PreTrainedTokenizerBase | None = None, *, classifier: bool = False, **own: Any
) -> Path:
    """A model of any family, with word pieces or another tokenizer; `own` is all that its configuration needs."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    tokenizer = tokenizer or word_pieces()
    config = AutoConfig.for_model(family, **{"vocab_size": len(tokenizer), "pad_token_id": 0, **own})
    torch.manual_seed(0)
    (AutoModelForSequenceClassification if classifier else AutoModel).from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def small(folder: Path, family: str, tokenizer: PreTrainedTokenizerBase | None = None, **own: Any) -> Path:
    """An encoder of two blocks, of a family that names its sizes as BERT does."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return make_model(folder, family, tokenizer, max_position_embeddings=128, **shape, **own)


def make_t5(folder: Path) -> Path:
    """A T5 with one block in its encoder and one in its decoder. Texts end with [SEP]."""
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
    return make_model(folder, "t5", decoder_start_token_id=0, eos_token_id=3, **shape)


def make_bart(folder: Path) -> Path:
    """A BART with one block in its encoder and one in its decoder. Texts end with [SEP]."""
    return make_model(folder, "bart", max_position_embeddings=128, eos_token_id=3, **bart_sizes())


def bart_sizes() -> dict[str, int]:
    """The sizes of a BART, as its configuration names them."""
    blocks = {"layers": 1, "attention_heads": 2, "ffn_dim": 64}
    sizes = {f"{part}_{key}": value for part in ("encoder", "decoder") for key, value in blocks.items()}
    return {"d_model": 32, **sizes}


def plain_byte_pairs(**special: str) -> PreTrainedTokenizerBase:
    """Byte pairs without tokens around a text, and with the special tokens that are given."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=byte_pairs().backend_tokenizer, unk_token="<unk>", **special)


def make_llama(folder: Path) -> Path:
    """A Llama of 2 layers of width 32: its head reads the last token that is no padding."""
    tokenizer = plain_byte_pairs(pad_token="<pad>")
    return small(folder, "llama", tokenizer, num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id)


def make_gpt2(folder: Path, *, classifier: bool = False, tokenizer_pads: bool = False, pads: bool = False) -> Path:
    """A GPT-2 with a padding token in its tokenizer, in its configuration, in both, or in none, as it is published."""
    tokenizer = plain_byte_pairs(**({"pad_token": "<pad>"} if tokenizer_pads else {}))
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128, "pad_token_id": 1 if pads else None}
    return make_model(folder, "gpt2", tokenizer, classifier=classifier, **shape)
