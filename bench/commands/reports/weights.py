"""`bench weights CELL`: shows the effective weights of one cell, and how they relate to its rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.errors import UserError
from bench.leaderboard.read.file_rows import file_rows
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
from bench.store import role_texts
from bench.store.files import read_json
from bench.store.find import command, find
from bench.store.folders import State, state, state_word
from bench.store.layout import SPEC
from bench.store.manifest import grids, hidden_of, quality_checker, stored
from bench.store.schemas import Spec

MOST = 500  # characters shown of a text


def weights(root: Path, name: str, *, top: int, with_texts: bool) -> Iterator[str]:
    """The lines on a cell of a store. Raises UserError if there is no such cell, or it is not finished."""
    folder = finished_cell(root, name)
    spec = read_json(folder / SPEC, Spec)
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
    order = np.argsort(-row_weights.weight, kind="stable")
    for title, rows in (("heaviest rows", order[:top]), ("lightest rows", order[::-1][:top])):
        texts = texts_of(root, section, row_weights, rows) if with_texts else None
        yield from listing(title, row_weights, rows, section, texts)


def finished_cell(root: Path, name: str) -> Path:
    """The folder of a finished cell of the store. Raises UserError."""
    folder = find(root, name).resolve()
    if root.resolve() not in folder.parents:
        raise UserError(f"{folder} is not in the store {root}; name its store with --out")
    if state(folder) is not State.DONE:
        raise UserError(
            f"{folder} is {state_word(folder)}, and only finished cells have weights; this trains it: "
            f"{command(folder, root)}"
        )
    return folder


def section_of(root: Path, folder: Path) -> dict[str, Any]:
    """The section of the store's grids to which a cell belongs."""
    cell = folder.relative_to(root.resolve()).as_posix()
    latest = (section for grid in reversed(grids(root)) for section in grid["sections"])
    for section in itertools.chain(stored(root)["sections"], latest):  # whose cells were replaced, for older ones
        if any(cell in method["cells"].values() for method in section["methods"]):
            return dict(section)
    raise UserError(f"{cell} is in no grid of {root}; run the command that trained it again, which writes its grid")


def weights_in(root: Path, section: dict[str, Any], seed: int, folder: Path) -> RowWeights | Absence:
    """The weights of a cell of a section, or why it has none."""
    return read(folder, root, hidden_of(section, seed), quality_checker(section, seed, root))


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
    title: str, row_weights: RowWeights, rows: IntArray, section: Mapping[str, Any], texts: Sequence[str] | None
) -> Iterator[str]:
    """One line per row, and one for its text."""
    labels = section["labels"]
    numbers, files = file_rows(section, row_weights.ids, origins(row_weights.ids, row_weights.hidden))
    yield f"  {title}"
    for place, i in enumerate(rows):
        known = row_weights.label[i] >= 0
        name = labels[row_weights.label[i]] if known and row_weights.label[i] < len(labels) else "?"
        details = probability("P'", row_weights.quality, i) + probability("p", row_weights.model, i)
        details += remarks(row_weights, i, labels)
        of_file = f"of {files[i]} " if files else ""
        yield f"    row {numbers[i]:<7} {of_file}weight {row_weights.weight[i]:<9.4g} {name}{details}"
        if texts is not None:
            yield f"      {texts[place]}"


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


def texts_of(root: Path, section: Mapping[str, Any], row_weights: RowWeights, rows: IntArray) -> list[str]:
    """The texts of some rows as they were read, each in one line. Raises UserError if the store does not have them."""
    stored_texts = role_texts.read(root, section.get("texts", {}).get("generated"))
    scored = origins(row_weights.ids, row_weights.hidden)[rows].tolist()
    parts = [stored_texts[name].loc[scored] for name in ("text", "text_pair") if name in stored_texts]
    return [in_one_line(" | ".join(texts)) for texts in zip(*parts, strict=True)]


def in_one_line(text: str) -> str:
    """A text in one line, cut after `MOST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MOST else f"{line[:MOST]}..."
