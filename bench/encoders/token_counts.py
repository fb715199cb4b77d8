"""Counts tokens: those of texts, without torch, and those among them that a tokenizer does not know.

A tokenizer has one token for whatever its vocabulary cannot spell. Texts in another language than its own may be that
token and nothing else, so that an encoder cannot tell them apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.arrays import IntArray
from bench.encoders.checkpoints import Checkpoint
from bench.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MANY_UNKNOWN = 0.05  # share of the tokens of some texts from which it is said
# Tokens around texts, or in place of them, as `transformers` calls them.
MARKS = ("bos_token", "eos_token", "cls_token", "sep_token", "pad_token", "mask_token")


@cache
def tokenizer_of(checkpoint: Checkpoint) -> Tokenizer:
    """The tokenizer in `tokenizer.json`, which neither cuts nor pads. Raises UserError for no file or a damaged one."""
    from tokenizers import Tokenizer

    file = checkpoint.path / "tokenizer.json"
    if not file.exists():
        raise UserError(f"{checkpoint.title} has no tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library has no class of its own
        raise UserError(f"{checkpoint.title}: {file} cannot be read ({' '.join(str(error).split())})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def unknown_share(checkpoint: Checkpoint, encoded: Iterable[Encoding]) -> float:
    """The share of unknown tokens among those of texts that `tokenizer_of` encoded, apart from marks."""
    unknown, marks = unknown_id(checkpoint), tokenizer_of(checkpoint).encode("").ids
    counts = [
        (len(entry.ids) - sum(entry.special_tokens_mask), 0 if unknown is None else entry.ids.count(unknown))
        for entry in encoded
    ]
    own, found = map(sum, zip(*counts, strict=True))
    return 0.0 if unknown in marks else found / max(own, 1)


def unknown_id(checkpoint: Checkpoint) -> int | None:
    """The id of the token for what the vocabulary cannot spell; None if it spells everything, as one of bytes does."""
    tokenizer = tokenizer_of(checkpoint)
    name = getattr(tokenizer.model, "unk_token", None)
    if name is not None:
        return tokenizer.token_to_id(name)
    model: dict[str, Any] = json.loads((checkpoint.path / "tokenizer.json").read_text("utf-8"))["model"]
    return model.get("unk_id")  # of the unigrams of SentencePiece; the library does not show it


def own_and_unknown(tokenizer: Any, ids: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """(n,) the tokens of each of n texts that are no marks, and (n,) those of them that the tokenizer does not know.

    It is one of `transformers`, and `ids` are the tokens that it made. Where the unknown token is a mark too, as it is
    with some tokenizers of bytes, nothing is unknown.
    """
    names = tokenizer.special_tokens_map
    marks = tokenizer.convert_tokens_to_ids([names[name] for name in MARKS if name in names])
    unknown = tokenizer.convert_tokens_to_ids(names["unk_token"]) if "unk_token" in names else -1
    tokens = np.concatenate([np.asarray(row, np.int64) for row in ids])
    text = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    own = ~np.isin(tokens, marks)
    return np.bincount(text[own], minlength=len(ids)), np.bincount(text[own & (tokens == unknown)], minlength=len(ids))


def unknown_note(share: float, texts: str, model: str) -> str:
    """`98% of the tokens of 600 generated texts are unknown to encoder 'x', which cannot tell them apart`."""
    return f"{share:.0%} of the tokens of {texts} are unknown to {model}, which cannot tell them apart"
