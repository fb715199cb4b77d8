"""`bench weights CELL`: shows the effective weights of one cell, and how they relate to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.errors import UserError
from bench.leaderboard.read.row_weights import (
    QUANTILES,
    Absence,
    RowWeights,
    agreement,
    ess,
    finds,
    origins,
    rank_correlation,
    read,
    thirds,
)
from bench.precomputed import token_spans
from bench.store.files import read_json
from bench.store.find import find
from bench.store.folders import State, state, state_word
from bench.store.layout import precomputed_path
from bench.store.manifest import stored
from bench.store.schemas import Spec
from bench.store.tables import read_table


def weights(root: Path, name: str, *, top: int, with_texts: bool) -> Iterator[str]:
    """The lines on a cell of a store. Raises UserError if there is no such cell, or it is not finished."""
    folder = finished_cell(root, name)
    spec = read_json(folder / "spec.json", Spec)
    yield f"{spec['task_ref']} {spec['label']} seed {spec['seed']} ({folder})"
    section = section_of(root, folder)
    row_weights = weights_in(root, section, spec["seed"], folder)
    if isinstance(row_weights, Absence):
        yield f"  {row_weights.why}"
        return
    yield from distribution(row_weights)
    if row_weights.constant:
        yield f"  every row has the weight {row_weights.weight[0]:.4g}, so rows cannot be ranked"
        return
    yield from relations(row_weights)
    yield from others(root, section, spec, row_weights)
    texts = decoded(root, spec, row_weights) if with_texts else None
    order = np.argsort(-row_weights.weight, kind="stable")
    yield from listing("heaviest rows", row_weights, order[:top], section["labels"], texts)
    yield from listing("lightest rows", row_weights, order[::-1][:top], section["labels"], texts)


def finished_cell(root: Path, name: str) -> Path:
    """The folder of a finished cell of the store. Raises UserError."""
    folder = find(root, name).resolve()
    if root.resolve() not in folder.parents:
        raise UserError(f"{folder} is not in the store {root}; name its store with --out")
    if state(folder) is not State.DONE:
        raise UserError(f"{folder} is {state_word(folder)}: only finished cells have weights")
    return folder


def section_of(root: Path, folder: Path) -> dict[str, Any]:
    """The section of the store's grids to which a cell belongs."""
    cell = folder.relative_to(root.resolve()).as_posix()
    for section in stored(root)["sections"]:
        if any(cell in method["cells"].values() for method in section["methods"]):
            return dict(section)
    raise UserError(f"{cell} is not a cell of any grid of {root}")


def weights_in(root: Path, section: dict[str, Any], seed: int, folder: Path) -> RowWeights | Absence:
    """The weights of a cell of a section, or why it has none."""
    quality = section["checkers"].get("quality", {}).get(str(seed))
    hidden = section.get("records", {}).get(str(seed), {}).get("generated")
    return read(folder, root, hidden, root / quality if quality else None)


def distribution(row_weights: RowWeights) -> Iterator[str]:
    """Mean, quantiles, maximum and effective sample size of the weights in each third of training."""
    heads = ["mean", *(f"{100 * level:g} %" for level in QUANTILES), "max", "ESS"]
    counts = f"{len(row_weights.ids):,} rows, {len(row_weights.visits):,} visits"
    yield f"  {counts}; ESS: effective sample size as a share of the visits"
    yield f"  {'':14}{''.join(f'{head:>9}' for head in heads)}"
    names = ("first third", "middle third", "last third", "all")
    for name, visits in zip(names, [*thirds(row_weights.visits), row_weights.visits], strict=True):
        if not len(visits):
            continue
        values = [visits.mean(), *np.quantile(visits, QUANTILES), visits.max(), ess(visits)]
        yield f"  {name:14}{''.join(f'{value:9.3f}' for value in values)}"


def relations(row_weights: RowWeights) -> Iterator[str]:
    """How well low weights detect wrong labels and duplicates, and what the weights correlate with."""
    for text, marked in (("wrong labels", row_weights.wrong), ("duplicates", row_weights.repeated)):
        if marked is not None:
            count = f"{int(marked.sum()):,} of {len(marked):,} rows"
            yield f"  AUROC of a low weight for {text}: {finds(row_weights, marked):.3f} ({count}; 0.5 is chance)"
    probabilities = {"the quality checker's P'(y|x)": row_weights.quality, "the model's p(y|x)": row_weights.model}
    for text, other in probabilities.items():
        value = rank_correlation(row_weights.weight, other)
        yield f"  rank correlation with {text}: {'unknown' if np.isnan(value) else f'{value:+.2f}'}"


def others(root: Path, section: dict[str, Any], spec: dict[str, Any], row_weights: RowWeights) -> Iterator[str]:
    """Rank correlation with the weights of the section's other methods on the same seed."""
    seed = str(spec["seed"])
    values = []
    for method in section["methods"]:
        folder = root / method["cells"].get(seed, "none")
        if method["label"] != spec["label"] and state(folder) is State.DONE:
            other = weights_in(root, section, spec["seed"], folder)
            value = agreement(row_weights, other) if isinstance(other, RowWeights) else float("nan")
            values += [f"{method['label']} {value:+.2f}"] if not np.isnan(value) else []
    if values:
        yield f"  rank correlation with the weights of other methods: {', '.join(values)}"


def listing(
    title: str, row_weights: RowWeights, rows: IntArray, labels: Sequence[str], texts: dict[int, str] | None
) -> Iterator[str]:
    """One line per row."""
    yield f"  {title}"
    for i in rows:
        known = row_weights.label[i] >= 0
        name = labels[row_weights.label[i]] if known and row_weights.label[i] < len(labels) else "?"
        details = probability("P'", row_weights.quality, i) + probability("p", row_weights.model, i)
        details += remarks(row_weights, i, labels)
        yield f"    row {row_weights.ids[i]:<7} weight {row_weights.weight[i]:<9.4g} {name}{details}"
        if texts is not None:
            yield f"      {texts[int(row_weights.ids[i])]}"


def probability(name: str, values: FloatArray, i: int) -> str:
    """A probability; empty if it is unknown."""
    return "" if np.isnan(values[i]) else f", {name} {values[i]:.2f}"


def remarks(row_weights: RowWeights, i: int, labels: Sequence[str]) -> str:
    """Whether a row is known to have a wrong label or a repeated text."""
    wrong = row_weights.wrong is not None and row_weights.wrong[i]
    text = (
        f", wrong: {labels[int(row_weights.hidden['label_clean'].iloc[i])]}"
        if wrong and row_weights.hidden is not None
        else ""
    )
    return text + (", text repeated" if row_weights.repeated is not None and row_weights.repeated[i] else "")


def decoded(root: Path, spec: dict[str, Any], row_weights: RowWeights) -> dict[int, str]:
    """Texts by row id, decoded from the tokens that the encoder read."""
    from transformers import AutoTokenizer

    from bench.encoders import checkpoints

    folder = precomputed_path(root, "tokens", spec["data"]["scored"])
    if state(folder) is not State.DONE:
        raise UserError(
            f"{folder} does not exist: the store no longer has the tokens of these texts; `bench run` of the "
            "cell's grid makes them again"
        )
    cell = next(root.glob(f"[!.]*/*/{spec['id']}"))
    ids = read_table(cell / "train_scores.parquet", {"id": "whole"})["id"].to_numpy()  # in the order of the tokens
    tokens = np.load(folder / "input_ids.npy", mmap_mode="r")
    encoder = checkpoints.find(spec["encoder"]).path
    tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)
    place = dict(zip(ids.tolist(), zip(*token_spans.read(folder), strict=True), strict=True))
    texts: dict[int, str] = {}
    for row, origin in zip(
        row_weights.ids.tolist(), origins(row_weights.ids, row_weights.hidden).tolist(), strict=True
    ):
        start, length = place[origin]
        texts[row] = str(tokenizer.decode(tokens[start : start + length], skip_special_tokens=True))
    return texts
