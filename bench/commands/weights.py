"""`bench weights CELL`: the effective weights of one cell, whole."""

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
from bench.precomputed import token_spans as spans
from bench.store.files import read_json
from bench.store.find import find
from bench.store.folders import State, state
from bench.store.layout import precomputed_path
from bench.store.manifest import stored


def weights(root: Path, name: str, *, top: int, with_texts: bool) -> Iterator[str]:
    """The lines on a cell of a store. Raises UserError where there is no such cell, or it has no result."""
    folder = finished_cell(root, name)
    spec = read_json(folder / "spec.json")
    yield f"{spec['task_ref']} {spec['label']} seed {spec['seed']} ({folder})"
    section = section_of(root, folder)
    found = of(root, section, spec["seed"], folder)
    if isinstance(found, Absence):
        yield f"  {found.why}"
        return
    yield from distribution(found)
    if found.constant:
        yield f"  every row has the weight {found.weight[0]:.4g}: there is nothing to rank"
        return
    yield from knowledge(found)
    yield from others(root, section, spec, found)
    texts = decoded(root, spec, found) if with_texts else None
    order = np.argsort(-found.weight, kind="stable")
    yield from listing("heaviest rows", found, order[:top], section["labels"], texts)
    yield from listing("lightest rows", found, order[::-1][:top], section["labels"], texts)


def finished_cell(root: Path, name: str) -> Path:
    """The folder of a finished cell of the store. Raises UserError."""
    folder = find(root, name).resolve()
    if root.resolve() not in folder.parents:
        raise UserError(f"{folder} is not in the store {root}; name its store with --out")
    if state(folder) is not State.DONE:
        raise UserError(f"{folder} is {state(folder)}: only finished cells have weights")
    return folder


def section_of(root: Path, folder: Path) -> dict[str, Any]:
    """The section of the store's grids that has a cell."""
    cell = str(folder.relative_to(root.resolve()))
    for section in stored(root)["sections"]:
        if any(cell in method["cells"].values() for method in section["methods"]):
            return dict(section)
    raise UserError(f"no grid of {root} names the cell {cell}")


def of(root: Path, section: dict[str, Any], seed: int, folder: Path) -> RowWeights | Absence:
    """The weights of a cell of a section."""
    quality = section["checkers"].get("quality", {}).get(str(seed))
    hidden = section.get("records", {}).get(str(seed), {}).get("generated")
    return read(folder, root, hidden, root / quality if quality else None)


def distribution(found: RowWeights) -> Iterator[str]:
    """Mean, quantiles, largest and effective sample size in each third of training."""
    heads = ["mean", *(f"{100 * level:g} %" for level in QUANTILES), "max", "ESS"]
    yield f"  {len(found.ids):,} rows, {len(found.visits):,} visits; ESS: share of the visits"
    yield f"  {'':14}{''.join(f'{head:>9}' for head in heads)}"
    names = ("first third", "middle third", "last third", "all")
    for name, visits in zip(names, [*thirds(found.visits), found.visits], strict=True):
        values = [visits.mean(), *np.quantile(visits, QUANTILES), visits.max(), ess(visits)]
        yield f"  {name:14}{''.join(f'{value:9.3f}' for value in values)}"


def knowledge(found: RowWeights) -> Iterator[str]:
    """What a low weight finds, and what weights go with."""
    for text, marked in (("wrong labels", found.wrong), ("duplicates", found.repeated)):
        if marked is not None:
            count = f"{int(marked.sum()):,} of {len(marked):,} rows"
            yield f"  AUROC of a low weight for {text}: {finds(found, marked):.3f} ({count}; 0.5 is chance)"
    for text, other in (("the quality checker's P'(y|x)", found.quality), ("the model's p(y|x)", found.model)):
        value = rank_correlation(found.weight, other)
        yield f"  rank correlation with {text}: {'not known' if np.isnan(value) else f'{value:+.2f}'}"


def others(root: Path, section: dict[str, Any], spec: dict[str, Any], found: RowWeights) -> Iterator[str]:
    """Rank correlation with the weights of the section's other methods on the same seed."""
    seed = str(spec["seed"])
    values = []
    for method in section["methods"]:
        folder = root / method["cells"].get(seed, "none")
        if method["label"] != spec["label"] and state(folder) is State.DONE:
            other = of(root, section, spec["seed"], folder)
            value = agreement(found, other) if isinstance(other, RowWeights) else float("nan")
            values += [f"{method['label']} {value:+.2f}"] if not np.isnan(value) else []
    if values:
        yield f"  rank correlation with the weights of {', '.join(values)}"


def listing(
    title: str, found: RowWeights, rows: IntArray, labels: Sequence[str], texts: dict[int, str] | None
) -> Iterator[str]:
    """One line per row."""
    yield f"  {title}"
    for i in rows:
        known = found.label[i] >= 0
        name = labels[found.label[i]] if known else "?"
        told = "".join((shown("P'", found.quality, i), shown("p", found.model, i), flags(found, i, labels)))
        yield f"    row {found.ids[i]:<7} weight {found.weight[i]:<9.4g} {name}{told}"
        if texts is not None:
            yield f"      {texts[int(found.ids[i])]}"


def shown(name: str, values: FloatArray, i: int) -> str:
    """A probability where it is known."""
    return "" if np.isnan(values[i]) else f", {name} {values[i]:.2f}"


def flags(found: RowWeights, i: int, labels: Sequence[str]) -> str:
    """What is recorded of a row."""
    wrong = found.wrong is not None and found.hidden is not None and found.wrong[i]
    text = f", wrong: {labels[int(found.hidden['label_clean'].iloc[i])]}" if wrong and found.hidden is not None else ""
    return text + (", text repeated" if found.repeated is not None and found.repeated[i] else "")


def decoded(root: Path, spec: dict[str, Any], found: RowWeights) -> dict[int, str]:
    """Texts by row id as the encoder saw them, from the token arrays."""
    from transformers import AutoTokenizer

    from bench.encoders import checkpoints

    folder = precomputed_path(root, "tokens", spec["data"]["scored"])
    if state(folder) is not State.DONE:
        raise UserError(f"{folder} is not there: the store does not have the texts any more")
    import pandas as pd

    cell = next(root.glob(f"[!.]*/*/{spec['id']}"))
    ids = pd.read_parquet(cell / "train_scores.parquet", columns=["id"])["id"].to_numpy()  # in the order of the tokens
    tokens = np.load(folder / "input_ids.npy", mmap_mode="r")
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.find(spec["encoder"]).path, local_files_only=True)
    place = dict(zip(ids.tolist(), zip(*spans.read(folder), strict=True), strict=True))
    texts: dict[int, str] = {}
    for row, origin in zip(found.ids.tolist(), origins(found.ids, found.hidden).tolist(), strict=True):
        start, length = place[origin]
        texts[row] = str(tokenizer.decode(tokens[start : start + length], skip_special_tokens=True))
    return texts
