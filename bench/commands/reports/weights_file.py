"""`bench weights ... --to FILE`: a file with the weights of all generated rows, of a cell or over a method's seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.commands.output_file import writable_table, write_table
from bench.commands.reports.weights import finished_cell, section_of
from bench.errors import UserError
from bench.leaderboard.build import differing_axes
from bench.leaderboard.read.weight_table import weight_table
from bench.store.files import read_json
from bench.store.find import spelt_run
from bench.store.folders import State, state
from bench.store.layout import SPEC
from bench.store.manifest import LEFT_OUT, last_runs, section_key, stored
from bench.store.merge import refuse_mixed_cells
from bench.store.schemas import Spec
from methods.base import COLUMN
from tasks.errors import join_names, plural

if TYPE_CHECKING:
    import pandas as pd


ID = 8  # characters of an id in a message


@dataclass(frozen=True)
class Filter:
    """Which rows are written: a share of them with the largest weights, those from a weight on, or all."""

    keep: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and self.threshold is not None:
            raise UserError("give --keep or --threshold, not both")
        if self.keep is not None and not 0 < self.keep <= 1:
            raise UserError(f"--keep is a share of the rows, above 0 and at most 1, not {self.keep:g}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise UserError(f"--threshold is a weight, not {self.threshold}")


def checked(to: Path | None, rows: Filter, reads: Iterable[object] = ()) -> None:
    """Raise UserError for a file that cannot be written or is one of `reads`, or a filter without a file."""
    if to is None:
        if rows != Filter():
            raise UserError("--keep and --threshold choose the rows of a file; name it with --to weights.csv")
        return
    writable_table(to, reads)


def write_weights(root: Path, words: Sequence[str], to: Path, rows: Filter) -> Iterator[str]:
    """Write the weights of the cells that `words` name; yields lines on what was written. Raises UserError."""
    section, cells = cells_of(root, words)
    yield from write_section(root, section, cells, to, rows)


def write_section(
    root: Path, section: Mapping[str, Any], cells: Mapping[int, Path], to: Path, rows: Filter
) -> Iterator[str]:
    """The same for cells of one method of a section by seed."""
    refuse_mixed_cells(section, cells)
    frame, notes = weight_table(root, section, cells)
    yield from notes
    yield from (note for note in section["notes"] if note.startswith(LEFT_OUT))
    for flag in ("likely_mislabelled", "redundant", "out_of_distribution"):
        if not frame[flag].isna().all():
            scored = plural(int(frame[flag].notna().sum()), "row")
            yield f"{flag}: {frame[flag].sum():,} of {scored} ({100 * frame[flag].mean():.1f} %)"
    chosen = filtered(frame, rows)
    if rows != Filter():
        yield from kept(frame, chosen)
        yield from shifted(frame, chosen, section["labels"])
    yield from write_table(chosen, to)
    yield f"weights: {to} ({plural(len(chosen), 'row')})"


def cells_of(root: Path, words: Sequence[str]) -> tuple[dict[str, Any], dict[int, Path]]:
    """The section and the finished cells by seed that words name: a method, a title, or one or several ids or folders.

    Raises UserError for none, and for cells of several methods or sections.
    """
    name = " ".join(words)
    methods = [
        (section, method)
        for section in stored(root)["sections"]
        for method in section["methods"]
        if name in (method["label"], f"{section['task_ref']} {method['label']}")
    ]
    if len(methods) > 1:
        raise UserError(
            f"{name} was run in {len(methods)} sections, the newest last: {'; '.join(places(root, methods))}; name the "
            "cells of one by their ids"
        )
    if methods:
        section, method = methods[0]
        cells = {int(seed): root / folder for seed, folder in method["cells"].items()}
        done = {seed: folder.resolve() for seed, folder in cells.items() if state(folder) is State.DONE}
        if not done:
            raise UserError(f"no cell of {name} is finished; `bench list cells --out {root}` shows why")
        return section, done
    title = len(words) > 1 and words[-1].isdecimal()
    folders = [finished_cell(root, name)] if title else [finished_cell(root, word) for word in words]
    specs = [read_json(folder / SPEC, Spec) for folder in folders]
    sections = [section_of(root, folder) for folder in folders]
    kinds = {kind(section, spec) for section, spec in zip(sections, specs, strict=True)}
    if len(kinds) > 1:
        raise UserError("these cells differ in more than their seeds; give cells of one method, task, encoder and data")
    by_seed = {spec["seed"]: folder for spec, folder in zip(specs, folders, strict=True)}
    if len(by_seed) < len(folders):
        raise UserError("two of these cells have the same seed; give each seed once")
    return sections[0], by_seed


def places(root: Path, methods: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[str]:
    """The sections in which a method was run, the newest last, with the ids of its finished cells."""
    specs, runs = [section for section, _ in methods], last_runs(root)
    found = []
    for section, method in methods:
        cells = [path for path in method["cells"].values() if state(root / path) is State.DONE]
        at = max((runs.get(path, 0) for path in method["cells"].values()), default=0)
        vary = [f"only {source} varies"] if (source := section["settings"].get("vary")) else []
        names = [section["encoder"], section["protocol"], *vary, *differing_axes(section, specs), spelt_run(at)]
        ids = " ".join(Path(path).name[:ID] for path in cells) or "none is finished"
        found.append((at, f"{section['task_ref']} ({', '.join(dict.fromkeys(names))}): {ids}"))
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]


def kind(section: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """What cells must share to be seeds of one row: section, method, and the values of columns and own checkers."""
    own = section.get("given_checkers", {})
    tables = {name: one for name, one in spec.get("artefacts", {}).items() if name.startswith(COLUMN) or name in own}
    return section_key(section), spec["label"], str(sorted(tables.items()))


def filtered(frame: pd.DataFrame, rows: Filter) -> pd.DataFrame:
    """The rows that a filter keeps, in source order; rows without a weight go first. Raises UserError."""
    if rows == Filter():
        return frame
    known = frame[frame["weight"].notna()]
    if np.ptp(known["weight"]) <= 1e-6 * known["weight"].abs().max():
        raise UserError(
            f"every row has the weight {known['weight'].iloc[0]:.4g}, so none is better than another; choose a method "
            "that weights rows"
        )
    if rows.keep is not None:
        count = max(1, math.floor(rows.keep * len(known) + 0.5))
        return known.sort_values("weight", ascending=False, kind="stable").head(count).sort_index()
    chosen = known[known["weight"] >= rows.threshold]
    if chosen.empty:
        raise UserError(f"no row has the weight {rows.threshold:g}; the largest is {known['weight'].max():.4g}")
    return chosen


def kept(frame: pd.DataFrame, chosen: pd.DataFrame) -> Iterator[str]:
    """How many rows a filter kept, and how many of the same weight it left out."""
    known, least = plural(int(frame["weight"].notna().sum()), "row"), chosen["weight"].min()
    yield f"kept {len(chosen):,} of {known} with a weight: {least:.4g} and more"
    if tied := int((frame["weight"] >= least).sum()) - len(chosen):
        yield f"left out: {plural(tied, 'later row')} of the generated file with the weight {least:.4g} too"


def shifted(frame: pd.DataFrame, chosen: pd.DataFrame, labels: Sequence[str]) -> Iterator[str]:
    """How the filter changed the shares of the labels."""
    before, after = (part["label"].value_counts(normalize=True) for part in (frame, chosen))
    yield "label shares: " + ", ".join(
        f"{label} {100 * before.get(label, 0):.0f} % -> {100 * after.get(label, 0):.0f} %" for label in labels
    )
    if gone := [label for label in labels if label in before and label not in after]:
        yield f"warning: no row of {join_names(gone)} is left"
