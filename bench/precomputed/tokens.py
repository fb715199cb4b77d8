"""Token tables: every text is tokenised once and stored without padding; batches are padded to their longest row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.arrays import Array, IntArray
from bench.encoders.token_counts import MANY_UNKNOWN, own_and_unknown, unknown_note
from bench.errors import UserError
from bench.jobs import TokensJob
from bench.precomputed import token_spans
from bench.store.files import read_json
from bench.store.folders import finish
from bench.store.layout import DONE
from tasks.errors import plural

EMBEDDINGS = "embeddings.npy"  # (n, H): of the folder of embeddings


def by_length(lengths: IntArray, size: int) -> list[IntArray]:
    """Batches of `size` rows, longest first, each row once: for passes whose order does not matter."""
    order = np.argsort(-lengths, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


@dataclass(frozen=True)
class TokenTable:
    """n rows of model inputs. Row i is `length[i]` consecutive entries, from `start[i]`, of the arrays of one part.

    A part maps input names to flat arrays over all its tokens: `input_ids` (T,), perhaps `token_type_ids` (T,), or
    `inputs_embeds` (T, H), the states after the frozen layers. Parts are shared, never copied, by `take` and `+`.
    If `embedded`, row i is the one entry at `start[i]`, its text's embedding, and `length` still counts its tokens.
    """

    parts: tuple[Mapping[str, Array], ...]
    part: IntArray  # (n,)
    start: IntArray  # (n,)
    length: IntArray  # (n,)
    padding: Mapping[str, int]
    embedded: bool = False

    def __len__(self) -> int:
        return len(self.length)

    def take(self, index: IntArray) -> TokenTable:
        """The rows at `index`, in that order."""
        taken = (self.part[index], self.start[index], self.length[index])
        return TokenTable(self.parts, *taken, self.padding, self.embedded)

    def __add__(self, other: TokenTable) -> TokenTable:
        return TokenTable(
            (*self.parts, *other.parts),
            np.concatenate([self.part, other.part + len(self.parts)]),
            np.concatenate([self.start, other.start]),
            np.concatenate([self.length, other.length]),
            self.padding,
            self.embedded,
        )

    def occurring(self, name: str) -> IntArray:
        """The values, ascending, that an input of integers has in these rows."""
        spans = sorted(set(zip(self.part.tolist(), self.start.tolist(), self.length.tolist(), strict=True)))
        return np.unique(np.concatenate([self.parts[part][name][start : start + size] for part, start, size in spans]))

    def inputs(self, index: IntArray, width: int | None = None) -> dict[str, Tensor]:
        """Padded model inputs of B rows: each input (B, L[, H]) with `attention_mask` (B, L), L the longest row.

        `width` sets a larger L: that of the whole batch if the rows are a part of it.
        """
        lengths, width = (np.ones(len(index), np.int64), 1) if self.embedded else (self.length[index], width)
        mask = np.arange(width or lengths.max()) < lengths[:, None]
        batch: dict[str, Tensor] = {"attention_mask": torch.from_numpy(mask.astype(np.int64))}
        for name, first in self.parts[0].items():
            flat = np.concatenate(
                [
                    self.parts[self.part[i]][name][self.start[i] : self.start[i] + size]
                    for i, size in zip(index, lengths, strict=True)
                ]
            )
            dtype = np.int64 if first.dtype.kind == "i" else first.dtype
            padded = np.full((*mask.shape, *first.shape[1:]), self.padding.get(name, 0), dtype=dtype)
            padded[mask] = flat
            batch[name] = torch.from_numpy(padded)
        return batch


def build(job: TokensJob) -> dict[str, Any]:
    """Tokenise the job's texts, each once, and write their arrays. Returns the counts, and notes on what is not read.

    Raises UserError for a tokenizer without a padding token, and for texts that hold the end token of a T5 or BART.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint.path, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        raise UserError(f"{job.checkpoint.title}: its tokenizer has no padding token")
    rows = job.rows
    text_index = {row: i for i, row in enumerate(dict.fromkeys(rows))}
    columns = [list(column) for column in zip(*text_index, strict=True)]
    encoded = tokenizer(*columns, truncation=True, max_length=job.max_length, padding=False)
    if job.checkpoint.has_decoder:
        check_ends(job, encoded["input_ids"])
    lengths = np.array([len(row) for row in encoded["input_ids"]], dtype=np.int64)
    for name in ("input_ids", "token_type_ids"):
        if name in encoded:
            np.save(job.folder / f"{name}.npy", np.concatenate([np.asarray(row, np.int32) for row in encoded[name]]))
    text_of_row = np.array([text_index[row] for row in rows])
    token_spans.write(job.folder, lengths, text_of_row)
    full = lengths == job.max_length  # cut, or just as long
    cut = full.copy()
    cut[full] = longer(tokenizer, list(compress(text_index, full)), job.max_length)
    own, unknown = own_and_unknown(tokenizer, encoded["input_ids"])
    by_text = {"tokens": lengths, "truncated": cut, "unknown": unknown}
    counts = {"rows": len(rows), **{name: int(values[text_of_row].sum()) for name, values in by_text.items()}}
    padding = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    finish(job.folder, {**counts, "padding": padding})
    return {**counts, "notes": [*unread(job, counts["truncated"], counts["unknown"] / max(own[text_of_row].sum(), 1))]}


def check_ends(job: TokensJob, ids: Sequence[Sequence[int]]) -> None:
    """Raise UserError where texts differ in the number of end tokens: T5 and BART take batches of one number."""
    end: Any = read_json(job.checkpoint.path / "config.json").get("eos_token_id")
    counts = np.array([list(row).count(end) for row in ids])
    others = int((counts != np.bincount(counts).argmax()).sum())
    if others:
        raise UserError(
            f"{job.checkpoint.title} takes its token {end} for the end of a text, but it is within {others:,} of "
            f"{plural(len(ids), f'{job.role} text')}; remove that token from the texts, or use another encoder"
        )


def unread(job: TokensJob, cut: int, unknown: float) -> Iterator[str]:
    """A line on texts whose end is not read, and one if many of the tokens, the share `unknown`, are unknown."""
    texts, given = plural(len(job.texts), f"{job.role} text"), job.checkpoint.kind == "model"
    if cut:
        why = f", the most that {job.checkpoint.title} reads" if given else " (max_length)"
        yield f"{cut:,} of {texts} cut after {job.max_length} tokens{why}"
    if unknown > MANY_UNKNOWN:
        remedy = "" if given else "; --encoder names one for their language"
        yield unknown_note(unknown, texts, job.checkpoint.title) + remedy


def longer(tokenizer: Any, texts: Sequence[tuple[str, ...]], length: int) -> list[bool]:
    """Whether each text, or pair of texts, has more than so many tokens."""
    if not texts:
        return []
    columns = [list(column) for column in zip(*texts, strict=True)]
    encoded = tokenizer(*columns, truncation=True, max_length=length + 1, padding=False)
    return [len(row) > length for row in encoded["input_ids"]]


def load(folder: Path, states: Path | None = None) -> TokenTable:
    """The token table in a folder, memory-mapped.

    With `states`, a folder of frozen states or of embeddings, these in place of tokens.

    Raises UserError for states that belong to other tokens.
    """
    start, length = token_spans.read(folder)
    embedded = states is not None and (states / EMBEDDINGS).exists()
    if states is None:
        names = [name for name in ("input_ids", "token_type_ids") if (folder / f"{name}.npy").exists()]
        part = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    else:
        part = {"inputs_embeds": np.load(states / (EMBEDDINGS if embedded else "states.npy"), mmap_mode="r")}
        if len(part["inputs_embeds"]) != (len(length) if embedded else (start + length).max()):
            raise UserError(
                f"the states in {states} do not belong to the tokens in {folder}; remove both and run again"
            )
    padding = read_json(folder / DONE)["padding"]
    start = np.arange(len(length)) if embedded else start
    return TokenTable((part,), np.zeros(len(length), np.int64), start, length, padding, embedded)


def vocabulary(tables: Sequence[TokenTable]) -> IntArray:
    """The ids, ascending, of the tokens that occur in the rows of some token tables, padding among them."""
    occurring = [table.occurring("input_ids") for table in tables]
    return np.unique(np.concatenate([*occurring, [table.padding["input_ids"] for table in tables]])).astype(np.int64)
